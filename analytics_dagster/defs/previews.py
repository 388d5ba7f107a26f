"""What a person sees on an asset's page: small tables and a plot, as Markdown."""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import dagster as dg
import pandas as pd

MOST_LINES = 25


def markdown_table(kind: type, records: Sequence[Any]) -> dg.MarkdownMetadataValue:
    """Dataclasses of one kind, a line each."""
    return markdown_frame([field.name for field in fields(kind)], [list(asdict(r).values()) for r in records])


def markdown_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MarkdownMetadataValue:
    if not rows:
        return dg.MetadataValue.md("*nothing*")
    lines = [list(columns), ["---"] * len(columns), *rows[:MOST_LINES]]
    text = "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)
    more = f"\n\n… and {len(rows) - MOST_LINES} more" if len(rows) > MOST_LINES else ""
    return dg.MetadataValue.md(text + more)


def plot(series: pd.DataFrame, *, title: str) -> dg.MarkdownMetadataValue:
    """One line for each column over the index, as a picture inside the Markdown."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name in series.columns:
        axes.plot(series.index, series[name], linewidth=1.2, label=str(name))
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series.columns):
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper left")
    figure.autofmt_xdate()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")


def _cell(value: Any) -> str:
    # a tenant's name and a file's path are not ours: they must not break out of their cell
    text = " ".join(str(value).splitlines()).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("`", "\\`").replace("[", "\\[")
