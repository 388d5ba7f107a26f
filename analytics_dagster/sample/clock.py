"""Days and moments as plain numbers: days since 1970-01-01, milliseconds since 1970-01-01 UTC.

Time zones are looked up once a day and tenant, here; whoever simulates adds and compares integers.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

_EPOCH = date(1970, 1, 1).toordinal()
ZULU = timezone(timedelta(0))


def day_number(day: date) -> int:
    return day.toordinal() - _EPOCH


def as_date(number: int) -> date:
    return date.fromordinal(number + _EPOCH)


def utc_day(at: int) -> int:
    return at // DAY


def iso(at: int, offset: timezone = ZULU) -> str:
    text = datetime.fromtimestamp(at / 1000, offset).isoformat(timespec="milliseconds")
    return text[:-6] + "Z" if offset is ZULU else text


def moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


class Calendar:
    """When the activity days of one time zone begin: at 04:00 on the wall clock, summer time or not."""

    def __init__(self, time_zone: str, first: int, last: int) -> None:
        zone = ZoneInfo(time_zone)
        self._first = first
        days = [as_date(number) for number in range(first, last + 2)]
        openings = [datetime.combine(day, time(4), zone) for day in days]
        self._starts = [_milliseconds(opening) for opening in openings]
        self._midnights = [_milliseconds(datetime.combine(day, time(0), zone)) for day in days[1:]]
        self._offsets = [timezone(opening.utcoffset() or timedelta(0)) for opening in openings]

    def start(self, day: int) -> int:
        return self._starts[day - self._first]

    def end(self, day: int) -> int:
        return self._starts[day - self._first + 1]

    def local_day(self, day: int, at: int) -> int:
        """The local date of a moment of this activity day: the day itself, or the next after midnight."""
        return day if at < self._midnights[day - self._first] else day + 1

    def offset(self, day: int) -> timezone:
        return self._offsets[day - self._first]


def _milliseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp()) * SECOND
