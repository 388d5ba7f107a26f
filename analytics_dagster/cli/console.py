"""Where the command line prints: results to standard output, everything else to standard error.

What tenants wrote is shown, never obeyed: no markup, no control character reaches the terminal.
"""

import getpass
import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# a pipe or a narrow log has no width of its own: tables are laid out as for a wide terminal
WIDE = 140
out = Console(width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True)


def plain(text: str) -> str:
    """Text of other people without what a terminal obeys: escapes, controls, changes of the writing direction."""
    return "".join(letter if _is_harmless(letter) else ascii(letter)[1:-1] for letter in text)


def login_name() -> str | None:
    """Who types this, as a history will say it."""
    try:
        return getpass.getuser().encode("utf-8", "replace").decode()
    except (KeyError, OSError):
        return None


def operator() -> str:
    """As above; a container's user may have no name."""
    return login_name() or f"user {os.getuid()}"


def print_json(value: Any) -> None:
    out.print(json_text(value, indent=2), markup=False, highlight=False, soft_wrap=True)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Readable JSON; json escapes the C0 controls, the others can stand in strings only, so an escape of JSON fits."""
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=False)
    return "".join(letter if _is_harmless(letter) else json.dumps(letter)[1:-1] for letter in text)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers to the right. Cells are text of other people, never markup."""
    made = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    numeric = [
        all(isinstance(row[i], int | float | Decimal) or row[i] is None for row in rows) for i in range(len(columns))
    ]
    for name, right in zip(columns, numeric, strict=True):
        made.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() or letter in "\n\t" or unicodedata.category(letter) == "Zs"


def _cell(value: object) -> Text:
    if value is None:
        return Text("–")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    if isinstance(value, Decimal):
        return Text(f"{value.normalize():,f}")
    if isinstance(value, float):
        return Text(f"{value:,.2f}")
    return Text(plain(str(value)))
