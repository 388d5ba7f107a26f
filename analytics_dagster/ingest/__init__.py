"""Files -> checked -> raw: the landing folder, the loader, the quarantine and the books.

Where an event is refused and why is decided here and by the contract in `schemas`; nothing here knows Dagster.
Nothing is imported here: who asks for a file's name need not wait for DuckDB and Arrow.
"""
