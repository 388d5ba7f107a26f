"""A month is the date of its first day; its arithmetic and its name, free of any locale."""

from datetime import date, timedelta

from analytics_dagster.errors import AnalyticsError

EARLIEST = date(1970, 1, 1)
# strftime would ask the locale
NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def last_day(month: date) -> date:
    return next_month(month) - timedelta(days=1)


def days_of(month: date) -> list[date]:
    return [month + timedelta(days=n) for n in range((next_month(month) - month).days)]


def month_title(month: date) -> str:
    return f"{NAMES[month.month - 1]} {month.year}"


def day_title(day: date) -> str:
    return f"{day.day} {month_title(day)}"


def check_month(month: date, *, today: date) -> None:
    """Refuse what is no month, and a month that has not begun on `today` (the tenant's own date)."""
    if month.day != 1:
        raise AnalyticsError(
            f"{month.isoformat()} is no month", remedy=f"name its first day: {month.replace(day=1).isoformat()}"
        )
    if month < EARLIEST:
        raise AnalyticsError(f"{month.isoformat()} lies before {EARLIEST.isoformat()}", remedy="check the year")
    if month > today:
        raise AnalyticsError(
            f"{month_title(month)} lies in the future",
            remedy=f"ask for {month_title(today)} or an earlier month",
        )
