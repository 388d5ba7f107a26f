"""Where the command line prints: results to standard output, everything else to standard error.

What tenants wrote is shown, never obeyed: no markup, no control character reaches the terminal.
"""

import json
import re
import sys
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


def print_json(value: Any) -> None:
    out.print(json_text(value, indent=2), markup=False, highlight=False, soft_wrap=True)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Readable JSON in which every character that a terminal might obey is escaped, as JSON allows."""
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=False)
    return re.sub(r"[^ -~\n]", lambda found: _unless_printable(found[0], json.dumps(found[0])[1:-1]), text)


def printable(text: str) -> str:
    """Text of other people: line breaks stay, other control and formatting characters become escapes."""
    return re.sub(r"[^ -~\n]", lambda found: _unless_printable(found[0], ascii(found[0])[1:-1]), text)


def _unless_printable(character: str, escaped: str) -> str:
    return character if character.isprintable() else escaped


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


def _cell(value: object) -> Text:
    if value is None:
        return Text("–")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    if isinstance(value, Decimal):
        return Text(f"{value.normalize():,f}")
    if isinstance(value, float):
        return Text(f"{value:,.2f}")
    return Text(printable(str(value)))
