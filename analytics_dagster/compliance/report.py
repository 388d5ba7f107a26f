"""The monthly compliance report: the record as a page that an auditor can keep, and the one call that makes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster import documents
from analytics_dagster.compliance.evidence import evidence
from analytics_dagster.compliance.findings import ENDED_BADLY, ENDED_WELL, FRAMEWORKS, findings
from analytics_dagster.compliance.record import Evidence, RunRecord
from analytics_dagster.warehouse import WarehouseUrl, connect

STORE = """
insert into compliance.reports (tenant_id, month, content, sha256) values (%s, %s, %s, %s)
on conflict (tenant_id, month) do update set content = excluded.content, sha256 = excluded.sha256
"""


@dataclass(frozen=True)
class ComplianceReport:
    path: Path
    sha256: str
    content: dict[str, Any]


@dataclass(frozen=True)
class JobRuns:
    job: str
    runs: int
    ended_well: int
    ended_badly: int


def render(evidence: Evidence) -> str:
    return documents.render(
        __package__,
        "report.html.j2",
        evidence=evidence,
        tenant=evidence.tenant,
        findings=findings(evidence),
        frameworks=[FRAMEWORKS[framework] for framework in evidence.tenant.compliance_frameworks],
        last_day=documents.last_day(evidence.month),
        jobs=_by_job(evidence.runs),
        unsuccessful=[run for run in evidence.runs if run.status in ENDED_BADLY],
    )


def report(
    url: WarehouseUrl,
    tenant_id: str,
    month: date,
    runs: Sequence[RunRecord],
    reports_dir: Path,
    *,
    today: date | None = None,
) -> ComplianceReport:
    """Gather, keep and write the evidence; again, and it takes the place of the earlier report."""
    path = documents.document_path(reports_dir, "compliance", month, tenant_id)
    with connect(url) as reading:
        # one snapshot: a load that ends meanwhile is in all figures or in none
        reading.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        gathered = evidence(reading, tenant_id, month, runs, today=today)
    page, content = render(gathered), gathered.as_json()
    with connect(url) as writing, writing.transaction():
        writing.execute(STORE, [tenant_id, month, Jsonb(content), documents.sha256_of(page)])
        # before the commit: the row is locked, so row and file come from the same writer
        written = documents.write(path, page)
    return ComplianceReport(written.path, written.sha256, content)


def _by_job(runs: Sequence[RunRecord]) -> list[JobRuns]:
    jobs = sorted({run.job for run in runs})
    return [
        JobRuns(
            job,
            sum(run.job == job for run in runs),
            sum(run.job == job and run.status == ENDED_WELL for run in runs),
            sum(run.job == job and run.status in ENDED_BADLY for run in runs),
        )
        for job in jobs
    ]
