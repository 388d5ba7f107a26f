"""Other ways to bring the same events into PostgreSQL: into a table like raw.events, with the same indexes.

None of them checks, deduplicates and accounts as `load_day` does; each gets what it can take, which is said.
"""

from pathlib import Path

from _events import COLUMNS

from analytics_dagster.warehouse import WarehouseUrl, connect

PIECE_BYTES = 1 << 20


def bare_copy(url: WarehouseUrl, clean_csv: Path) -> None:
    """The limit: nothing but COPY, of text that is clean already."""
    with (
        connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"copy bare.events ({COLUMNS}) from stdin (format csv)") as copy,
        clean_csv.open("rb") as file,
    ):
        while piece := file.read(PIECE_BYTES):
            copy.write(piece)
