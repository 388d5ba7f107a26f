"""From the stored profiles to the frame that bounds are learned from: loads that passed, with all their measures."""

import pandas as pd
import psycopg

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.history import frame
from analytics_dagster.quality.profiling import Profile

ENOUGH_DAYS = 21


class TooLittleHistoryError(AnalyticsError):
    """Bounds that are learned from a few days would hold the next Sunday."""


def good_loads(connection: psycopg.Connection) -> pd.DataFrame:
    """Held and flagged loads are no pattern; they stay in the history that the others are compared with."""
    rows = connection.execute(
        "select l.load_day, l.tenant_id, l.content, l.measures, l.state in ('passed', 'released')"
        " from quality.loads as l order by l.load_day, l.tenant_id"
    ).fetchall()
    good = [(load_day, tenant_id) for load_day, tenant_id, _, _, passed in rows if passed]
    days = len({load_day for load_day, _ in good})
    if days < ENOUGH_DAYS:
        raise TooLittleHistoryError(
            f"there are {days} loading days with loads that passed: {ENOUGH_DAYS} are needed to learn bounds from",
            remedy="load and judge more days: analytics-dagster run, or analytics-dagster backfill for past ones",
        )
    profiles = [
        Profile(
            load_day,
            tenant_id,
            content,
            {name: value for name, value in measures.items() if name != "mix"},
            measures.get("mix") or {},
        )
        for load_day, tenant_id, content, measures, _ in rows
    ]
    whole = frame(connection, profiles)
    keys = pd.MultiIndex.from_tuples(good)
    return whole[pd.MultiIndex.from_frame(whole[["load_day", "tenant_id"]]).isin(keys)].reset_index(drop=True)
