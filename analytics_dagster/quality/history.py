"""A load against the earlier ones of its tenant: the frame that expectations judge, a row for each load.

Only earlier loads count, and the given ones count for later ones among them: a month that is judged in one run is
judged like the same month day by day. What is usual is `usual`'s to say.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
from psycopg import sql

from analytics_dagster.quality import usual
from analytics_dagster.quality.measures import ABSOLUTE, COMPARISONS, RELATIVE
from analytics_dagster.quality.mix import Mixes, MixReader, shifts
from analytics_dagster.quality.profiling import Profile

KEYS = ["load_day", "tenant_id"]

Floats = npt.NDArray[np.float64]

# what later loads are compared with; nothing else of a stored profile is read
COMPARED = tuple(sorted({comparison.of for comparison in COMPARISONS.values()}))
PLACE = {name: place for place, name in enumerate(COMPARED)}

# Of fewer events, shares and means are chance. A count says something where it should have been more.
FEWEST_EVENTS = 20
COUNTED = {*(name for name, of in COMPARISONS.items() if of.how == "deviation"), "volume_ratio"}

LOADS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Past:
    """Loads in the order of tenant and day, the judged ones among them."""

    keys: npt.NDArray[np.int64]  # of tenant and day, ascending
    values: Floats  # a column for each of COMPARED
    mixes: Mixes


def frame(connection: psycopg.Connection, profiles: Sequence[Profile]) -> pd.DataFrame:
    """A row for each profile, by day and tenant: every measure and `history`, the number of earlier loads in eight
    weeks. NaN: nothing to observe, or too little history to compare with."""
    loads = sorted(profiles, key=lambda load: (load.load_day, load.tenant_id))
    columns: dict[str, Any] = {
        "load_day": [load.load_day for load in loads],
        "tenant_id": [load.tenant_id for load in loads],
    }
    for name in ABSOLUTE:
        columns[name] = np.array([_number(load.measures.get(name)) for load in loads], dtype=np.float64)
    if not loads:
        columns |= {name: np.empty(0) for name in RELATIVE} | {"history": np.empty(0, dtype=np.int64)}
        return pd.DataFrame(columns)
    codes = {tenant: code for code, tenant in enumerate(sorted({load.tenant_id for load in loads}))}
    past = _past(connection, loads, codes)
    rows = np.searchsorted(past.keys, [usual.key(codes[load.tenant_id], load.load_day) for load in loads])
    columns |= _compared(past, rows)
    few = columns["accepted"] < FEWEST_EVENTS
    shift, new = shifts(past.keys, past.mixes, rows)
    columns |= {"mix_shift": np.where(few, np.nan, shift), "new_name_share": np.where(few, np.nan, new)}
    columns["history"] = rows - usual.first_of_window(past.keys, rows)
    return pd.DataFrame({name: columns[name] for name in (*KEYS, *ABSOLUTE, *RELATIVE, "history")})


def _compared(past: Past, rows: npt.NDArray[np.int64]) -> dict[str, Floats]:
    found: dict[str, list[Floats]] = {name: [] for name in COMPARISONS}
    for start in range(0, len(rows), LOADS_AT_ONCE):  # so that a year of many tenants fits into memory
        some = rows[start : start + LOADS_AT_ONCE]
        own = past.values[some]
        centre, spread = usual.usual(past.keys, past.values, some)
        few = own[:, PLACE["accepted"]] < FEWEST_EVENTS
        never_more = few & ~(centre[:, PLACE["accepted"]] >= FEWEST_EVENTS)
        for name, comparison in COMPARISONS.items():
            place = PLACE[comparison.of]
            x, median = np.where(never_more if name in COUNTED else few, np.nan, own[:, place]), centre[:, place]
            match comparison.how:
                case "deviation":
                    found[name].append(usual.deviation(x, median, spread[:, place]))
                case "ratio":
                    found[name].append(usual.ratio(x, median))
                case "share_ratio":
                    found[name].append(usual.share_ratio(x, median))
                case "largest_ratio":
                    found[name].append(usual.ratio(x, usual.largest(past.keys, past.values[:, place], some)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _past(connection: psycopg.Connection, loads: Sequence[Profile], codes: Mapping[str, int]) -> Past:
    """The stored loads that any of these may be compared with, and these themselves."""
    keys, values, mixes = array("q"), array("d"), MixReader()
    for load in loads:
        keys.append(usual.key(codes[load.tenant_id], load.load_day))
        values.extend(_number(load.measures.get(name)) for name in COMPARED)
        mixes.add(load.mix)
    given = set(keys)
    scope = {
        "tenants": list(codes),
        "first": loads[0].load_day - timedelta(days=usual.WINDOW_DAYS),
        "last": loads[-1].load_day,
    }
    # eight weeks of a thousand tenants are 50 MB as an answer, and much more as objects: a part of it at a time
    with connection.transaction(), connection.cursor("earlier_loads") as cursor:
        cursor.itersize = 2000
        for tenant_id, load_day, mix, *measures in cursor.execute(STORED, scope, binary=True):
            key = usual.key(codes[tenant_id], load_day)
            if key not in given:
                keys.append(key)
                values.extend(measures)
                mixes.add(mix or {})
    unordered = np.array(keys, dtype=np.int64)
    order = np.argsort(unordered)
    table = np.array(values, dtype=np.float64).reshape(-1, len(COMPARED))
    return Past(unordered[order], table[order], mixes.ordered(order))


# A record unpacks a profile once; asking it for each measure would do that for each.
STORED = sql.SQL(
    "select l.tenant_id, l.load_day, m.mix, {names} from quality.loads as l"
    " cross join lateral jsonb_to_record(l.measures) as m (mix jsonb, {columns})"
    " where l.tenant_id = any(%(tenants)s) and l.load_day >= %(first)s and l.load_day < %(last)s"
).format(
    names=sql.SQL(", ").join(sql.SQL("coalesce({}, 'NaN')").format(sql.Identifier("m", name)) for name in COMPARED),
    columns=sql.SQL(", ").join(sql.SQL("{} float8").format(sql.Identifier(name)) for name in COMPARED),
)


def _number(measure: float | None) -> float:
    return np.nan if measure is None else float(measure)
