"""Which runs the work that is due makes: a pure function, asked by schedules, sensors and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from analytics_dagster.defs.partitions import range_tags, tenant_month_key


@dataclass(frozen=True)
class RunPlan:
    """One run of a job: a partition, or all partitions from `first` to `last`."""

    job: str
    first: str | None = None
    last: str | None = None
    tenants: tuple[str, ...] = ()  # whose marts are restated; none: everybody's

    @property
    def tags(self) -> dict[str, str]:
        return range_tags(self.first, self.last) if self.first and self.last else {}

    @property
    def config(self) -> dict[str, Any]:
        return {"ops": {"dbt_tables": {"config": {"tenants": list(self.tenants)}}}} if self.tenants else {}

    def covers(self, day: date) -> bool:
        """Whether a daily run loads this day."""
        return (self.first or "") <= day.isoformat() <= (self.last or "")

    @property
    def title(self) -> str:
        if self.first is None:
            return self.job
        return f"{self.job} {self.first}" + (f" … {self.last}" if self.last != self.first else "")


def daily_runs(days: Sequence[date]) -> list[RunPlan]:
    """One run for each stretch of days without a gap."""
    ordered = sorted(set(days))
    stretches = groupby(enumerate(ordered), key=lambda item: item[1] - timedelta(days=item[0]))
    return [
        RunPlan("daily", stretch[0].isoformat(), stretch[-1].isoformat())
        for stretch in ([day for _, day in group] for _, group in stretches)
    ]


def tenant_runs(job: str, due: Sequence[str], registered: Sequence[str]) -> list[RunPlan]:
    """One run for each stretch of tenants, in the order in which they were registered: ranges follow it."""
    place = {tenant: number for number, tenant in enumerate(registered)}
    ordered = sorted(place[tenant] for tenant in set(due))
    stretches = groupby(enumerate(ordered), key=lambda item: item[1] - item[0])
    return [
        RunPlan(job, registered[stretch[0]], registered[stretch[-1]])
        for stretch in ([number for _, number in group] for _, group in stretches)
    ]


def month_runs(job: str, due: Sequence[tuple[str, date]], registered: Sequence[str]) -> list[RunPlan]:
    """As `tenant_runs`, month by month."""
    return [
        RunPlan(job, tenant_month_key(plan.first, month), tenant_month_key(plan.last, month))
        for month in sorted({month for _, month in due})
        for plan in tenant_runs(job, [tenant for tenant, of in due if of == month], registered)
        if plan.first and plan.last
    ]
