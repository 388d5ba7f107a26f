"""Runs everything that is due, in its order, in this process: what `analytics-dagster run` starts.

It is a process of its own, because Dagster captures the standard output of a step and the launching terminal
draws its progress there; it reports on the pipe whose number it is given.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from analytics_dagster import deployment, due
from analytics_dagster.definitions import defs
from analytics_dagster.defs.partitions import day_of
from analytics_dagster.defs.progress_log import say
from analytics_dagster.defs.requests import RunPlan, daily_runs, month_runs, tenant_runs
from analytics_dagster.defs.signs_of_life import end_abandoned_runs
from analytics_dagster.defs.tenant_partitions import tenant_keys
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.settings import Settings, settings
from analytics_dagster.warehouse import WarehouseUrl, connect, warehouse_url

Say = Callable[[dict[str, object]], None]

# the first builds what is due, the second without the loads whose marts failed; files may land meanwhile
LAPS = 3


class Launcher:
    """Asks what is due, runs it, and asks again: each stage makes the next one due."""

    def __init__(self, instance: dg.DagsterInstance, url: WarehouseUrl, settings: Settings, fd: int) -> None:
        # keeps its connections: else each of thousands of events opens two, which is half of the time it takes
        instance.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=20)
        self.instance = instance
        self.url = url
        self.settings = settings
        self.fd = fd

    def run_all(self) -> bool:
        """Everything that is due; False when a run failed. What stands on a failed stage is not started."""
        end_abandoned_runs(self.instance, self.url)
        if not (self._run_each(self._deployment()) and self._build_and_publish()):
            return False
        modelled = self._run_each(self._training()) and self._run_each(
            tenant_runs("score", self._due().scores, self._registered())
        )
        reported = self._run_each(month_runs("monthly", self._due().months, self._registered()))
        return modelled and reported

    def deploy(self) -> bool:
        """Only what must be there before Dagster's daemon can work by itself."""
        end_abandoned_runs(self.instance, self.url)
        return self._run_each(self._deployment())

    def backfill(self, first: date, last: date, tenants: Sequence[str]) -> bool:
        """Judge these loading days again and restate the marts that they touch, in one run; all or some tenants'."""
        end_abandoned_runs(self.instance, self.url)
        return self._run(RunPlan("daily", first.isoformat(), last.isoformat(), tuple(tenants)))

    def _build_and_publish(self) -> bool:
        """Marts that fail hold a load when they are about to be published: they are built without it, and published."""
        for _ in range(LAPS):
            if not (
                self._run_each(daily_runs(self._due().load_days))
                and self._run_each(tenant_runs("publish", self._due().publications, self._registered()))
            ):
                return False
            if not self._due().load_days:
                break
        return True

    def _run_each(self, plans: Sequence[RunPlan]) -> bool:
        return all(self._run(plan) for plan in plans)

    def _run(self, plan: RunPlan) -> bool:
        job = defs.resolve_job_def(plan.job)
        steps = len(job.graph.node_dict)
        say(self.fd, {"kind": "run_start", "title": plan.title, "steps": steps})
        result = job.execute_in_process(
            instance=self.instance,
            tags={**job.tags, **plan.tags},
            run_config={"loggers": {"progress": {"config": {"fd": self.fd}}}, **plan.config},
            raise_on_error=False,
        )
        say(
            self.fd,
            {
                "kind": "run_success" if result.success else "run_failure",
                "title": plan.title,
                "run_id": result.run_id,
                "reasons": _reasons(result),
            },
        )
        return result.success

    def _deployment(self) -> list[RunPlan]:
        with connect(self.url) as connection:
            is_due = deployment.is_due(connection, deployment.fingerprint(self.settings))
        return [RunPlan("deploy")] if is_due else []

    def _training(self) -> list[RunPlan]:
        with connect(self.url) as connection:
            return [RunPlan("train")] if due.training_due(connection) else []

    def _due(self) -> due.Due:
        with connect(self.url) as connection:
            return due.work_due(connection, pending_files(self.settings.landing_dir).names)

    def _registered(self) -> Sequence[str]:
        with connect(self.url) as connection:
            return tenant_keys(self.instance, connection)


def _reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    """What made the run fail, in the words of the error that was raised first."""
    steps = [
        f"{event.step_key}: {_first_words(event.step_failure_data.error)}"
        for event in result.all_events
        if event.is_step_failure
    ]
    # without a failed step, the run failed before its first one: at a resource, or a logger
    return steps or [_first_words(event.job_failure_data.error) for event in result.all_events if event.is_job_failure]


def _first_words(error: Any) -> str:  # Dagster does not export the type
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"


def main(arguments: Sequence[str]) -> int:
    what, fd, *words = arguments
    with dg.DagsterInstance.get() as instance:
        launcher = Launcher(instance, warehouse_url(settings()), settings(), int(fd))
        match what, words:
            case "backfill", [first, last, *tenants]:
                done = launcher.backfill(day_of(first), day_of(last), tenants)
            case "deploy", _:
                done = launcher.deploy()
            case _:
                done = launcher.run_all()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
