"""What is usual for a load: robust statistics over the earlier loads of its tenant, for many loads at once.

Loads are known by ascending keys of tenant and day, so that an earlier load is found by bisection and no loop goes
over tenants or days. Where the loads come from is `history`'s.
"""

from datetime import date

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WINDOW_DAYS = 56
WEEKS, FEWEST_WEEKS = 8, 2  # the same weekday
# else the last loads, when there are two weeks of them: who rests at weekends would look broken on the first ones
RECENT, FEWEST_RECENT = 14, 5

# a share of nothing is usual for much, and any later one would be infinitely more than it
SMALLEST_SHARE = 0.01
MAD_OF_NORMAL = 1.4826  # times the median absolute deviation: the standard deviation of a normal distribution

_DAYS = 10_000_000  # more than any date has, and room for the days before the first


def key(tenant: int, day: date) -> int:
    return tenant * _DAYS + _DAYS // 2 + day.toordinal()


def first_of_window(keys: Ints, rows: Ints) -> Ints:
    """The place of the first load within eight weeks before each row, which is the row itself where there is none."""
    return np.searchsorted(keys, keys[rows] - WINDOW_DAYS)


def usual(keys: Ints, values: Floats, rows: Ints) -> tuple[Floats, Floats]:
    """Median and median absolute deviation of each column for each row: over the same weekday of eight weeks, or the
    last fourteen loads; NaN with too few of them, or too few observed values."""
    week, week_spread, weeks = _robust(values, _same_weekday(keys, rows))
    last = _last(keys, rows, RECENT)
    recent, recent_spread, loads = _robust(values, last)
    by_week, by_recent = weeks >= FEWEST_WEEKS, (loads >= FEWEST_RECENT) & (last[:, -1:] >= 0)
    return (
        np.where(by_week, week, np.where(by_recent, recent, np.nan)),
        np.where(by_week, week_spread, np.where(by_recent, recent_spread, np.nan)),
    )


def largest(keys: Ints, values: Floats, rows: Ints) -> Floats:
    """The largest value within eight weeks before each row; NaN with too few observed ones."""
    found = _at(values, _last(keys, rows, WINDOW_DAYS))
    enough = np.count_nonzero(~np.isnan(found), axis=1) >= FEWEST_RECENT
    maximum: Floats = np.fmax.reduce(found, axis=1)
    return np.where(enough, maximum, np.nan)


def deviation(x: Floats, median: Floats, spread: Floats) -> Floats:
    """By how many deviations a count is above or below. What counts by chance varies by its root, and a tenth or one
    is nothing to speak of however even the history is."""
    chance = np.sqrt(np.maximum(median, 1))
    return (x - median) / np.maximum(np.maximum(MAD_OF_NORMAL * spread, chance), 0.1 * median)


def ratio(x: Floats, median: Floats) -> Floats:
    positive = median > 0
    return np.where(positive, x / np.where(positive, median, 1), np.nan)


def share_ratio(x: Floats, median: Floats) -> Floats:
    return x / np.maximum(median, SMALLEST_SHARE)


def _same_weekday(keys: Ints, rows: Ints) -> Ints:
    """Places of the loads one to eight weeks before; -1: there is none."""
    wanted = keys[rows][:, None] - 7 * np.arange(1, WEEKS + 1)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def _last(keys: Ints, rows: Ints, count: int) -> Ints:
    """Places of the last loads within eight weeks before; -1: there are fewer."""
    places = rows[:, None] - np.arange(1, count + 1)
    return np.where(places >= first_of_window(keys, rows)[:, None], places, -1)


def _at(values: Floats, places: Ints) -> Floats:
    found = values[places]
    found[places < 0] = np.nan
    return found


def _robust(values: Floats, places: Ints) -> tuple[Floats, Floats, Ints]:
    """Median, median absolute deviation and number of the observed values."""
    found = _at(values, places)
    median, count = _median(found)
    spread, _ = _median(np.abs(found - median[:, None]))
    return median, spread, count


def _median(found: Floats) -> tuple[Floats, Ints]:
    """Along the second axis, without NaN (numpy's own nanmedian goes through masked arrays, 20 times slower)."""
    ordered = np.sort(found, axis=1)  # NaN comes last
    count = np.count_nonzero(~np.isnan(found), axis=1)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum(count[:, None] // 2, found.shape[1] - 1), axis=1)[:, 0]
    return (low + high) / 2, count
