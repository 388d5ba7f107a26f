"""The four kinds of pages: what each shows of the facts, and in which order."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from statistics import fmean
from typing import Any

from markupsafe import Markup, escape

from analytics_dagster import documents
from analytics_dagster.quality.data_docs import drawing, places, wording
from analytics_dagster.quality.data_docs.facts import Facts, Judged, Run, Tenant
from analytics_dagster.quality.data_docs.reading import RUNS_LISTED
from analytics_dagster.quality.suite_files import Suite

STAGES = {"loads": "loads", "marts": "published marts"}
ORDER = {"held": 0, "flagged": 1, "released": 2, "passed": 3}
SEVERITIES = {"critical": 0, "warning": 1, "info": 2}
FAILS_LISTED = 3
LOADS_LISTED = 28


class Links:
    """Relative addresses of those pages that are there, or are written now: no link of the site is dead."""

    def __init__(self, up: str, pages: Collection[str]) -> None:
        self.up = up
        self._pages = pages
        self._names: dict[tuple[str, str], Markup] = {}

    def named(self, verdict: Judged) -> Markup:
        """An expectation by its name, with a link to what it asks."""
        key = verdict.suite, verdict.expectation
        if key not in self._names:
            href, said = self.suite(*key), escape(wording.sentence(verdict.expectation))
            self._names[key] = Markup('<a href="{}">{}</a>').format(href, said) if href else said
        return self._names[key]

    def tenant(self, tenant_id: str) -> str | None:
        return self._to(places.tenant_page(tenant_id))

    def run(self, judgement_id: int | None) -> str | None:
        return None if judgement_id is None else self._to(places.run_page(judgement_id))

    def suite(self, suite: str, expectation: str | None = None) -> str | None:
        page = self._to(places.suite_page(suite))
        return page and (f"{page}#{places.slug(expectation)}" if expectation else page)

    def _to(self, page: str) -> str | None:
        return f"{self.up}{page}" if page in self._pages else None


class Pages:
    """Renders pages out of one reading of the tables."""

    def __init__(self, facts: Facts, suites: Sequence[Suite], pages: Collection[str]) -> None:
        self.facts = facts
        self.suites = {suite.name: suite for suite in suites}
        self._names = {tenant.tenant_id: tenant.name for tenant in facts.tenants}
        self._links = {up: Links(up, pages) for up in ("", "../")}

    def index(self) -> str:
        facts = self.facts
        tenants = sorted(facts.tenants, key=lambda t: (ORDER.get(t.stands, len(ORDER)), t.tenant_id))
        scores = [tenant.score for tenant in tenants if tenant.score is not None]
        return self._render(
            "index.html.j2",
            up="",
            last_day=facts.last_day,
            tenants=[self._line(tenant) for tenant in tenants],
            held=sum(tenant.held_since is not None for tenant in tenants),
            flagged=sum(tenant.stands == "flagged" for tenant in tenants),
            clean=sum(tenant.newest is not None and tenant.tenant_id not in facts.failing for tenant in tenants),
            mean_score=fmean(scores) if scores else 0,
            suites=[self._suite_line(suite) for suite in self.suites],
            runs=list(facts.runs.values())[:RUNS_LISTED],
            newest_judgement=facts.newest_judgement,
        )

    def tenant(self, tenant: Tenant) -> str:
        facts = self.facts
        days = facts.days.get(tenant.tenant_id, [])
        links = self._links["../"]
        recent = facts.recent.get(tenant.tenant_id, [])
        verdicts = facts.verdicts.get(tenant.tenant_id, [])
        holds = facts.holds.get(tenant.tenant_id, [])
        held = {hold.load_day for hold in holds}
        grave = [v for v in verdicts if v.load_day in held and v.severity == "critical" and not v.passed]
        return self._render(
            "tenant.html.j2",
            tenant=tenant,
            days=days,
            newest_days=days[::-1][:LOADS_LISTED],
            average=fmean(day.score for day in recent) if recent else None,
            calendar=facts.last_day and drawing.calendar(days, facts.last_day, lambda day: links.run(day.judgement_id)),
            holds=holds,
            why={day: [verdict for verdict in grave if verdict.load_day == day] for day in held},
            releases=facts.releases.get(tenant.tenant_id, []),
            verdicts=_by_suite(tenant, verdicts),
        )

    def run(self, run: Run) -> str:
        failures = self.facts.failures.get(run.judgement_id, [])
        return self._render(
            "run.html.j2",
            run=run,
            shown=len(failures),
            failures=[
                {"tenant_id": tenant, "name": self._name_of(tenant), "verdicts": list(group)}
                for tenant, group in groupby(failures, key=lambda verdict: verdict.tenant_id)
            ],
        )

    def suite(self, suite: str) -> str:
        facts = self.facts
        judged = sum(tenant.newest is not None for tenant in facts.tenants)
        failing: dict[str, list[str]] = {}
        for tenant, verdicts in facts.failing.items():
            for name in {verdict.expectation for verdict in verdicts if verdict.suite == suite}:
                failing.setdefault(name, []).append(tenant)
        return self._render(
            "suite.html.j2",
            suite=suite,
            judged=judged,
            anchor=places.slug,
            expectations=[
                {
                    "asked": line,
                    "failing": failing.get(line.name, []),
                    "lately": facts.failed_lately.get((suite, line.name), []),
                    "bars": self._strip(suite, line.name, judged),
                }
                for line in self.suites[suite].expectations
            ],
        )

    def _line(self, tenant: Tenant) -> Mapping[str, Any]:
        failing = sorted(
            {verdict.expectation: verdict for verdict in self.facts.failing.get(tenant.tenant_id, [])}.values(),
            key=lambda verdict: (SEVERITIES[verdict.severity], verdict.expectation),
        )
        days = self.facts.recent.get(tenant.tenant_id, [])
        return {
            "tenant": tenant,
            "fails": failing[:FAILS_LISTED],
            "more": max(len(failing) - FAILS_LISTED, 0),
            "spark": drawing.sparkline(days, self.facts.last_day) if self.facts.last_day else "",
        }

    def _suite_line(self, suite: str) -> Mapping[str, Any]:
        asked = self.suites[suite].expectations
        failing = [any(v.suite == suite for v in verdicts) for verdicts in self.facts.failing.values()]
        return {
            "name": suite,
            "expectations": len(asked),
            "critical": sum(line.severity == "critical" for line in asked),
            "failing": sum(failing),
        }

    def _strip(self, suite: str, expectation: str, judged: int) -> str:
        if self.facts.last_day is None:
            return ""
        return drawing.strip(self.facts.failed_daily.get((suite, expectation), {}), self.facts.last_day, of=judged)

    def _name_of(self, tenant_id: str) -> str:
        return self._names.get(tenant_id, tenant_id)

    def _render(self, template: str, *, up: str = "../", **values: Any) -> str:
        shared: dict[str, Callable[..., str]] = {
            "observed": lambda verdict: wording.amount(wording.measure_in(verdict.expected), verdict.observed),
            "wanted": lambda verdict: wording.asked(verdict.expected),
            "name_of": self._name_of,
            "days_of": days_of,
        }
        links = self._links[up]
        return documents.render(
            __package__, template, links=links, named=links.named, say=wording, stages=STAGES, **shared, **values
        )


def days_of(run: Run) -> str:
    if run.first_day is None or run.last_day is None:
        return "–"
    return str(run.first_day) if run.first_day == run.last_day else f"{run.first_day} – {run.last_day}"


def _by_suite(tenant: Tenant, verdicts: list[Judged]) -> list[Mapping[str, Any]]:
    """The verdicts on the newest load and on the marts, a group for each suite; of older held loads the holds tell."""
    counting = [v for v in verdicts if v.stage == "marts" or v.load_day == tenant.newest]
    of_suite = attrgetter("stage", "suite")
    return [
        {
            "suite": suite,
            "stage": stage,
            "load_day": group[0].load_day,
            "judgement_id": group[0].judgement_id,
            "passed": sum(verdict.passed for verdict in group),
            "verdicts": sorted(group, key=lambda v: (v.passed, SEVERITIES[v.severity], v.expectation)),
        }
        for (stage, suite), lines in groupby(sorted(counting, key=of_suite), key=of_suite)
        if (group := list(lines))
    ]
