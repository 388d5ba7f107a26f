"""The scores of loads in quality.scores, and which of their days the mart of scores has to restate."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import psycopg

from analytics_dagster.quality.holding import Decision, score
from analytics_dagster.quality.verdicts import State, Verdict

Load = tuple[date, str]

REACH = 28  # scored loads, from the one that changed on, in whose figures of quality_daily it may count

SCORES = """
insert into quality.scores as known (tenant_id, load_day, score, judged, failed_critical, failed_warning, state)
select judged.tenant_id, judged.load_day, judged.score, judged.judged, judged.failed_critical, judged.failed_warning,
    judged.state
from unnest(%(days)s::date[], %(tenants)s::text[], %(states)s::text[], %(scores)s::numeric[], %(judged)s::integer[],
    %(critical)s::integer[], %(warning)s::integer[])
    as judged (load_day, tenant_id, state, score, judged, failed_critical, failed_warning)
on conflict (tenant_id, load_day) do update set score = excluded.score, judged = excluded.judged,
    failed_critical = excluded.failed_critical, failed_warning = excluded.failed_warning, state = excluded.state
where (known.score, known.judged, known.failed_critical, known.failed_warning, known.state)
    is distinct from
    (excluded.score, excluded.judged, excluded.failed_critical, excluded.failed_warning, excluded.state)
returning known.load_day, known.tenant_id
"""

LOAD_STATES = """
update quality.loads as known set state = decided.state
from unnest(%(days)s::date[], %(tenants)s::text[], %(states)s::text[]) as decided (load_day, tenant_id, state)
where known.tenant_id = decided.tenant_id and known.load_day = decided.load_day and known.state <> decided.state
"""

SCORE_STATES = """
update quality.scores as known set state = decided.state
from unnest(%(days)s::date[], %(tenants)s::text[], %(states)s::text[]) as decided (load_day, tenant_id, state)
where known.tenant_id = decided.tenant_id and known.load_day = decided.load_day and known.state <> decided.state
returning known.load_day, known.tenant_id
"""

# The moment is that of the newest change: a build forgets what was told before it began.
TOLD = """
insert into pipeline.build_changes (relation, tenant_id, key)
select distinct 'quality.scores', changed.tenant_id, days.load_day::text
from unnest(%(days)s::date[], %(tenants)s::text[]) as changed (load_day, tenant_id)
cross join lateral (
    (
        select scores.load_day from quality.scores
        where scores.tenant_id = changed.tenant_id and scores.load_day >= changed.load_day
        order by scores.load_day
        limit %(reach)s
    )
    union
    select changed.load_day  -- a score that is gone has to leave the mart, too
) as days
on conflict (relation, tenant_id, key) do update set told_at = excluded.told_at
"""


def write_scores(connection: psycopg.Connection, verdicts: Iterable[Verdict], decisions: Sequence[Decision]) -> None:
    """Of the loads that were judged by themselves."""
    by_load: dict[Load, list[Verdict]] = {}
    for verdict in verdicts:
        by_load.setdefault((verdict.load_day, verdict.tenant_id), []).append(verdict)
    scores = [score(by_load.get((each.load_day, each.tenant_id), ())) for each in decisions]
    changed = connection.execute(
        SCORES,
        {
            **keys((each.load_day, each.tenant_id) for each in decisions),
            "states": [each.state for each in decisions],
            "scores": [each.score for each in scores],
            "judged": [each.judged for each in scores],
            "critical": [each.failed_critical for each in scores],
            "warning": [each.failed_warning for each in scores],
        },
    ).fetchall()
    tell(connection, changed)


def write_states(connection: psycopg.Connection, states: Mapping[Load, State]) -> None:
    """Of loads whose content and verdicts stay what they are."""
    parameters = {**keys(states), "states": list(states.values())}
    connection.execute(LOAD_STATES, parameters)
    tell(connection, connection.execute(SCORE_STATES, parameters).fetchall())


def tell(connection: psycopg.Connection, changed: Collection[Load]) -> None:
    if changed:
        connection.execute(TOLD, {**keys(changed), "reach": REACH})


def keys(loads: Iterable[Load]) -> dict[str, Any]:
    """Two lists, for unnest."""
    kept = list(loads)
    return {"days": [day for day, _ in kept], "tenants": [tenant for _, tenant in kept]}
