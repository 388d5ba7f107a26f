"""The gate before a publication: tenants' marts are judged, and who fails a critical expectation is not published.

Its last publication stays as it is, and the load on which its marts stand is held, so that the next build takes it out.
Marts that fail without that load, too, hold no further one: it is not the load's fault, and a person has to look. When
a person releases a load that marts were held for, the next publication is made whatever they say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from analytics_dagster.quality.gate import is_platform_fault
from analytics_dagster.quality.holding import reasons
from analytics_dagster.quality.marts_frame import marts_frame
from analytics_dagster.quality.recording import record, take_turns
from analytics_dagster.quality.suites import MARTS_SUITE, judge, read_suites
from analytics_dagster.quality.thresholds import thresholds
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.warehouse import WarehouseUrl, connect

HELD_BEFORE = "select distinct tenant_id from quality.holds where stage = 'marts' and tenant_id = any(%(tenants)s)"

RELEASED = """
select distinct r.tenant_id
from quality.releases as r
left join tenancy.publications as p on p.tenant_id = r.tenant_id
where r.tenant_id = any(%(tenants)s) and r.how = 'person'
    and (p.published_at is null or r.released_at > p.published_at)
    and exists (select from jsonb_array_elements_text(r.reasons) as why where starts_with(why, %(suite)s))
"""


@dataclass(frozen=True)
class MartsReport:
    verdicts: tuple[Verdict, ...]
    refused: Mapping[str, tuple[str, ...]]  # tenants that must not be published, and why
    platform_fault: bool  # so many that it is not theirs: nobody is held for it

    @property
    def judged(self) -> int:
        return len({verdict.tenant_id for verdict in self.verdicts})


def judge_marts(
    url: WarehouseUrl, expectations_dir: Path, tenants: Sequence[str], *, run_id: str, fault_share: float
) -> MartsReport:
    suites = [suite for suite in read_suites(expectations_dir) if suite.name == MARTS_SUITE]
    with connect(url) as connection:
        take_turns(connection)
        frame = marts_frame(connection, tenants)
        verdicts = judge(frame, suites, thresholds(connection, tenants))
        failing = reasons(verdicts)
        let_go = _tenants(connection, RELEASED, tenants)
        refused = {tenant: why for (_, tenant), why in failing.items() if tenant not in let_go}
        fault = is_platform_fault(len(refused), len(frame), fault_share)
        spared = let_go | _tenants(connection, HELD_BEFORE, tenants) | (refused.keys() if fault else set())
        recorded = record(connection, "marts", run_id, verdicts, spared={load for load in failing if load[1] in spared})
    for decision in recorded.decisions:
        if decision.state == "released":  # this very load, by a person
            refused.pop(decision.tenant_id, None)
    return MartsReport(tuple(verdicts), refused, fault)


def _tenants(connection: psycopg.Connection, query: LiteralString, tenants: Sequence[str]) -> set[str]:
    parameters = {"tenants": list(tenants), "suite": f"{MARTS_SUITE}."}
    return {tenant for (tenant,) in connection.execute(query, parameters)}
