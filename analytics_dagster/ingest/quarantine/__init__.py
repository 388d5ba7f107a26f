"""The quarantine after the load: looked at, exported, repaired and replayed, discarded.

What goes in is the loader's; here entries are found, and leave by a replay that keeps the books in balance.
"""

from analytics_dagster.ingest.quarantine.choice import OPEN, Choice, Status
from analytics_dagster.ingest.quarantine.discarding import discard
from analytics_dagster.ingest.quarantine.exporting import export_line, exported
from analytics_dagster.ingest.quarantine.importing import Edit, read_edits
from analytics_dagster.ingest.quarantine.listing import Count, Listed, counts, listing
from analytics_dagster.ingest.quarantine.releasing import release_tenant
from analytics_dagster.ingest.quarantine.replaying import ReplayReport, replay
from analytics_dagster.ingest.quarantine.showing import Entry, HistoryLine, entry

__all__ = [
    "OPEN",
    "Choice",
    "Count",
    "Edit",
    "Entry",
    "HistoryLine",
    "Listed",
    "ReplayReport",
    "Status",
    "counts",
    "discard",
    "entry",
    "export_line",
    "exported",
    "listing",
    "read_edits",
    "release_tenant",
    "replay",
]
