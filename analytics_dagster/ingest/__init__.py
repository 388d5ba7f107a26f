"""Files -> checked -> raw: the landing folder, the loader, the quarantine and the books.

Where an event is refused and why is decided here and by the contract in `schemas`; nothing here knows Dagster.
"""

from analytics_dagster.ingest.books import Book, books
from analytics_dagster.ingest.landing import Landing, LandingError, LandingFile, pending_files
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.report import UNKNOWN_TENANT, FileProblem, LoadReport, Tally

__all__ = [
    "UNKNOWN_TENANT",
    "Book",
    "FileProblem",
    "Landing",
    "LandingError",
    "LandingFile",
    "LoadReport",
    "Tally",
    "books",
    "load_day",
    "pending_files",
]
