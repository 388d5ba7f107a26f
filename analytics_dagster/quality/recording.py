"""What a judgement leaves behind, in one transaction: its verdicts, the states of the loads, their scores, who is held.

Both stages come here: `loads`, before a build, and `marts`, before a publication. What becomes of a load is decided in
holding.py; judgements, and releases by a person, take turns. A mart of the scores is told which days changed.
"""

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from analytics_dagster.quality.holding import Decision, Known, Stage, decide_load, decide_marts, reasons
from analytics_dagster.quality.profiling import Profile
from analytics_dagster.quality.scores import Load, keys, tell, write_scores, write_states
from analytics_dagster.quality.verdicts import Verdict

LOCK = "analytics-dagster quality gate"

RESULTS = """
copy quality.results (load_day, tenant_id, expectation, severity, observed, expected, passed, judgement_id, suite, note,
    sample) from stdin
"""

KNOWN = """
select asked.load_day, asked.tenant_id, loads.content, loads.state, holds.stage, coalesce(holds.reasons, '[]'),
    exists (
        select from quality.releases
        where releases.tenant_id = asked.tenant_id and releases.load_day = asked.load_day and releases.how = 'person'
            and releases.content is not distinct from
                case when %(stage)s = 'marts' then loads.content else asked.content end
    )
from unnest(%(days)s::date[], %(tenants)s::text[], %(contents)s::text[]) as asked (load_day, tenant_id, content)
left join quality.loads on loads.tenant_id = asked.tenant_id and loads.load_day = asked.load_day
left join quality.holds on holds.tenant_id = asked.tenant_id and holds.load_day = asked.load_day
"""

LOADS = """
insert into quality.loads (tenant_id, load_day, content, measures, state, judgement_id)
select judged.tenant_id, judged.load_day, judged.content, judged.measures::jsonb, judged.state, %(judgement)s
from unnest(%(days)s::date[], %(tenants)s::text[], %(contents)s::text[], %(measures)s::text[], %(states)s::text[])
    as judged (load_day, tenant_id, content, measures, state)
on conflict (tenant_id, load_day) do update set content = excluded.content, measures = excluded.measures,
    state = excluded.state, judgement_id = excluded.judgement_id
"""

# a hold that stays keeps the moment at which it began
HOLDS = """
insert into quality.holds (load_day, tenant_id, reasons, stage)
select held.load_day, held.tenant_id, held.reasons::jsonb, held.stage
from unnest(%(days)s::date[], %(tenants)s::text[], %(reasons)s::text[], %(stages)s::text[])
    as held (load_day, tenant_id, reasons, stage)
on conflict (load_day, tenant_id) do update set reasons = excluded.reasons, stage = excluded.stage
"""

NO_MORE_HELD = """
delete from quality.holds
using unnest(%(days)s::date[], %(tenants)s::text[]) as passed (load_day, tenant_id)
where holds.tenant_id = passed.tenant_id and holds.load_day = passed.load_day
returning holds.load_day, holds.tenant_id, holds.reasons::text, holds.held_at
"""

ENDED = """
insert into quality.releases (tenant_id, load_day, content, reasons, held_at, how)
select ended.tenant_id, ended.load_day, loads.content, ended.reasons::jsonb, ended.held_at, 'passed'
from unnest(%(days)s::date[], %(tenants)s::text[], %(reasons)s::text[], %(held_at)s::timestamptz[])
    as ended (load_day, tenant_id, reasons, held_at)
left join quality.loads on loads.tenant_id = ended.tenant_id and loads.load_day = ended.load_day
order by ended.load_day, ended.tenant_id
"""

# The lines of a load were taken away, and nothing came instead.
VANISHED = """
select load_day, tenant_id from (
    select load_day, tenant_id from quality.loads union select load_day, tenant_id from quality.holds
) as known
where load_day = any(%(load_days)s::date[]) and (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s::text[]))
except
select load_day, tenant_id from raw.accounts where load_day = any(%(load_days)s::date[]) and received > 0
"""
FORGET = [
    f"""
    delete from quality.{table} as known
    using unnest(%(days)s::date[], %(tenants)s::text[]) as gone (load_day, tenant_id)
    where known.tenant_id = gone.tenant_id and known.load_day = gone.load_day
    """  # noqa: S608 - a constant of ours
    for table in ("loads", "scores")
]


@dataclass(frozen=True)
class Recorded:
    judgement_id: int | None  # None: there was nothing to judge
    decisions: tuple[Decision, ...]


def take_turns(connection: psycopg.Connection) -> None:
    """Until the transaction ends: what is decided here rests on what the others decided."""
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])


def record(
    connection: psycopg.Connection,
    stage: Stage,
    run_id: str,
    verdicts: Sequence[Verdict],
    *,
    profiles: Sequence[Profile] = (),
    load_days: Collection[date] = (),
    tenants: Collection[str] | None = None,
    spared: Collection[Load] = (),
) -> Recorded:
    """Write a judgement down, and what becomes of its loads.

    Stage `loads` gives the profile of each load that it judged, and the days and tenants that it looked at: a load of
    which nothing is there any more is forgotten. Stage `marts` gives verdicts only; for `spared` loads nobody is held.
    """
    with connection.transaction():
        take_turns(connection)
        _forget_vanished(connection, load_days, tenants)
        contents = {(profile.load_day, profile.tenant_id): profile.content for profile in profiles}
        loads = sorted(contents.keys() | {(verdict.load_day, verdict.tenant_id) for verdict in verdicts})
        if not loads:
            return Recorded(None, ())
        judgement = _judgement(connection, stage, run_id)
        _write_results(connection, judgement, verdicts)
        decisions = _decide(connection, stage, loads, contents, reasons(verdicts), frozenset(spared))
        if stage == "loads":
            _write_loads(connection, judgement, profiles, decisions)
            write_scores(connection, verdicts, decisions)
        else:
            states = {(each.load_day, each.tenant_id): each.state for each in decisions if each.state is not None}
            write_states(connection, states)
        _write_holds(connection, decisions)
    return Recorded(judgement, decisions)


def _judgement(connection: psycopg.Connection, stage: Stage, run_id: str) -> int:
    row = connection.execute(
        "insert into quality.judgements (run_id, stage) values (%s, %s) returning judgement_id", [run_id, stage]
    ).fetchone()
    return int(row[0]) if row else 0


def _write_results(connection: psycopg.Connection, judgement: int, verdicts: Iterable[Verdict]) -> None:
    with connection.cursor() as cursor, cursor.copy(RESULTS) as copy:
        for v in verdicts:
            told = (v.load_day, v.tenant_id, v.expectation, v.severity, v.observed, v.expected, v.passed)
            copy.write_row((*told, judgement, v.suite, v.note, json.dumps(v.sample) if v.sample else "[]"))


def _decide(
    connection: psycopg.Connection,
    stage: Stage,
    loads: Collection[Load],
    contents: dict[Load, str],
    critical: dict[Load, tuple[str, ...]],
    spared: frozenset[Load],
) -> tuple[Decision, ...]:
    rows = connection.execute(
        KNOWN, {**keys(loads), "stage": stage, "contents": [contents.get(load) for load in loads]}
    ).fetchall()
    known = {
        (day, tenant): Known(content, state, held_by, tuple(map(str, why)), released)
        for day, tenant, content, state, held_by, why, released in rows
    }
    if stage == "loads":
        return tuple(decide_load(*load, contents[load], critical.get(load, ()), known[load]) for load in loads)
    return tuple(decide_marts(*load, critical.get(load, ()), known[load], spared=load in spared) for load in loads)


def _write_loads(
    connection: psycopg.Connection, judgement: int, profiles: Iterable[Profile], decisions: Iterable[Decision]
) -> None:
    of = {(profile.load_day, profile.tenant_id): profile for profile in profiles}
    judged = [(of[each.load_day, each.tenant_id], each.state) for each in decisions]
    connection.execute(
        LOADS,
        {
            "judgement": judgement,
            "days": [profile.load_day for profile, _ in judged],
            "tenants": [profile.tenant_id for profile, _ in judged],
            "contents": [profile.content for profile, _ in judged],
            "measures": [json.dumps(_measures(profile)) for profile, _ in judged],
            "states": [state for _, state in judged],
        },
    )


def _measures(profile: Profile) -> dict[str, Any]:
    """JSON has no word for what is no number."""
    known = {name: value for name, value in profile.measures.items() if value is not None and math.isfinite(value)}
    return {**known, "mix": profile.mix}


def _write_holds(connection: psycopg.Connection, decisions: Sequence[Decision]) -> None:
    held = [each for each in decisions if each.state == "held"]
    connection.execute(
        HOLDS,
        {
            "days": [each.load_day for each in held],
            "tenants": [each.tenant_id for each in held],
            "reasons": [json.dumps(each.reasons) for each in held],
            "stages": [each.held_by for each in held],
        },
    )
    _end_holds(connection, [(each.load_day, each.tenant_id) for each in decisions if each.state != "held"])


def _end_holds(connection: psycopg.Connection, loads: Collection[Load]) -> None:
    ended = connection.execute(NO_MORE_HELD, keys(loads)).fetchall()
    if ended:
        days, tenants, why, since = (list(column) for column in zip(*ended, strict=True))
        connection.execute(ENDED, {"days": days, "tenants": tenants, "reasons": why, "held_at": since})


def _forget_vanished(
    connection: psycopg.Connection, load_days: Collection[date], tenants: Collection[str] | None
) -> None:
    scope = {"load_days": list(load_days), "tenants": None if tenants is None else list(tenants)}
    gone = connection.execute(VANISHED, scope).fetchall()
    if not gone:
        return
    _end_holds(connection, gone)
    for forget in FORGET:
        connection.execute(forget, keys(gone))
    tell(connection, gone)
