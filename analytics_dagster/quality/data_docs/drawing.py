"""Small drawings as inline SVG: the line of a tenant's last scores, and half a year of them as a calendar.

Colours are classes of the pages' style, so that they follow light and dark. A colour never stands alone: held days
carry a mark, and every drawing says in words what it shows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta

from markupsafe import Markup, escape

from analytics_dagster.quality.data_docs.facts import Day

SPARK_DAYS = 28
WEEKS = 26
LOWEST_DRAWN = 70.0  # most scores lie above 90: a line from 0 on would look flat
FEW, MANY = 0.1, 0.3  # shares of the tenants
_STEP, _HEIGHT, _MARGIN = 4, 28, 3
_DAY = 9
_CELL, _LEFT, _TOP = 15, 28, 18
_WEEKDAYS = ((0, "Mon"), (2, "Wed"), (4, "Fri"))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def sparkline(days: Sequence[Day], last: date) -> Markup:
    """A point for each of the 28 days to `last`; the line breaks where nothing was loaded."""
    first = last - timedelta(days=SPARK_DAYS - 1)
    shown = [day for day in days if first <= day.load_day <= last]
    if not shown:
        return Markup("")
    points = [((day.load_day - first).days, *_point((day.load_day - first).days, day.score), day) for day in shown]
    lines: list[list[str]] = []
    before = None
    for place, x, y, _ in points:
        if before is None or place != before + 1:
            lines.append([])
        lines[-1].append(f"{x},{y:g}")
        before = place
    drawn = "".join(f'<polyline points="{" ".join(line)}"/>' for line in lines if len(line) > 1)
    alone = {line[0] for line in lines if len(line) == 1}
    dots = "".join(
        f'<circle class="{"held" if day.state == "held" else "last"}" cx="{x}" cy="{y:g}" r="2"/>'
        for _, x, y, day in points
        if day.state == "held" or day is shown[-1] or f"{x},{y:g}" in alone
    )
    scores = [day.score for day in shown]
    said = f"Scores of {len(shown)} of the last {SPARK_DAYS} days: lowest {min(scores):.0f}, newest {scores[-1]:.0f}"
    width = 2 * _MARGIN + (SPARK_DAYS - 1) * _STEP
    return Markup(  # noqa: S704 - made of numbers and words of ours
        f'<svg class="spark" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}" role="img" '
        f'aria-label="{said}">{drawn}{dots}</svg>'
    )


def strip(counts: Mapping[date, int], last: date, *, of: int) -> Markup:
    """A cell for each of the 28 days to `last`: how many failed on it, of so many."""
    first = last - timedelta(days=SPARK_DAYS - 1)
    drawn = []
    for place in range(SPARK_DAYS):
        on = first + timedelta(days=place)
        count = counts.get(on, 0)
        share = count / max(of, 1)
        kind = "none" if not count else "s3" if share < FEW else "s2" if share < MANY else "s1"
        title = f"<title>{on}: {count} failed</title>" if count else ""
        drawn.append(
            f'<rect class="{kind}" x="{place * _DAY}" y="0" width="{_DAY - 2}" height="14" rx="1.5">{title}</rect>'
        )
    failed = sum(1 for day, count in counts.items() if count and first <= day <= last)
    said = f"Failed on {failed} of the last {SPARK_DAYS} days"
    width = SPARK_DAYS * _DAY
    return Markup(  # noqa: S704 - made of numbers and words of ours
        f'<svg class="bars" viewBox="0 0 {width} 14" width="{width}" height="14" role="img" '
        f'aria-label="{said}">{"".join(drawn)}</svg>'
    )


def calendar(days: Iterable[Day], last: date, link: Callable[[Day], str | None]) -> Markup:
    """26 weeks to `last`, a column each, Monday on top."""
    by_day = {day.load_day: day for day in days}
    monday = last - timedelta(days=last.weekday())
    first = monday - timedelta(weeks=WEEKS - 1)
    cells, empty, months, last_label = [], [], [], -3
    for week in range(WEEKS):
        x = _LEFT + week * _CELL
        begin = first + timedelta(weeks=week)
        new_month = begin.day <= 7  # noqa: PLR2004 - the first week that begins in a month
        if (new_month or week == 0) and week - last_label >= 3:  # noqa: PLR2004 - room for three letters
            months.append(f'<text x="{x}" y="11">{_MONTHS[begin.month - 1]}</text>')
            last_label = week
        for weekday in range(7):
            on = begin + timedelta(days=weekday)
            y = _TOP + weekday * _CELL
            if on in by_day:
                cells.append(_cell(x, y, by_day[on], link))
            elif on <= last:
                empty.append(f"M{x} {y}h12v12h-12z")
    names = "".join(f'<text x="0" y="{_TOP + row * _CELL + 10}">{name}</text>' for row, name in _WEEKDAYS)
    shown = [day for day in by_day.values() if first <= day.load_day <= last]
    held = sum(day.state == "held" for day in shown)
    said = f"Scores of {len(shown)} loads from {first} to {last}; {held} of them held. The table below has the newest."
    width, height = _LEFT + WEEKS * _CELL, _TOP + 7 * _CELL
    return Markup(  # noqa: S704 - numbers, dates, words of ours and names of our files
        f'<svg class="calendar" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">'
        f'{"".join(months)}{names}<path class="none" d="{"".join(empty)}"/>{"".join(cells)}</svg>'
    )


def grade(score: float) -> str:
    """The class of a score's colour."""
    bounds = ((100, "s5"), (95, "s4"), (85, "s3"), (70, "s2"))
    return next((name for bound, name in bounds if score >= bound), "s1")


def _point(place: int, score: float) -> tuple[int, float]:
    share = (max(score, LOWEST_DRAWN) - LOWEST_DRAWN) / (100 - LOWEST_DRAWN)
    return _MARGIN + place * _STEP, round(_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN), 1)


def _cell(x: int, y: int, day: Day, link: Callable[[Day], str | None]) -> str:
    held = day.state == "held"
    square = f'<rect class="{"held" if held else grade(day.score)}" x="{x}" y="{y}" width="12" height="12" rx="2"/>'
    if held:
        square += f'<path class="mark" d="M{x + 3.5} {y + 3.5}l5 5m0-5l-5 5"/>'
    elif day.state in {"flagged", "released"}:
        square += f'<circle class="mark" cx="{x + 6}" cy="{y + 6}" r="2"/>'
    title = f"<title>{day.load_day}: {day.score:.1f}, {escape(day.state)}</title>"
    target = link(day)
    return f'<a href="{target}">{title}{square}</a>' if target else f"<g>{title}{square}</g>"
