"""One simulation from its first line to its ledger: who comes when, how much each tenant gets.

Memory holds one person, the open files of one tenant and counters by day: nothing grows with the number
of events. What is published, and when a simulation is skipped, is decided in `simulate`.
"""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from random import Random

from analytics_dagster.sample.clock import DAY, MINUTE, as_date, day_number
from analytics_dagster.sample.faults import Fault
from analytics_dagster.sample.intended import Witness
from analytics_dagster.sample.landing import Landing
from analytics_dagster.sample.ledger import UNKNOWN, USERS, Experiment, Kpi, Ledger, Usage
from analytics_dagster.sample.life import Intent
from analytics_dagster.sample.lines import line, uuid, wire
from analytics_dagster.sample.people import Person
from analytics_dagster.sample.plan import SIZES, SamplePlan, SampleSummary, held_load
from analytics_dagster.sample.tenant_run import Loads, TenantRun
from analytics_dagster.sample.truth import Books
from analytics_dagster.schemas import AnalyticsChannelType as Channel
from analytics_dagster.schemas import AnalyticsEventType as Type
from analytics_dagster.schemas import TenantConfiguration

Progress = Callable[[int, int], None]

GHOST = "ghost-label"  # sends, and is registered nowhere

_GHOST_EVERY = 20  # loading days
_GHOST_SHARE = 1 / 1000
_FILES_A_DAY = 3
_SMALLEST_FILE = 25  # lines, unless there are no more


def generate(
    plan: SamplePlan,
    tenants: Sequence[TenantConfiguration],
    landing_dir: Path,
    ledger_dir: Path,
    progress: Progress | None,
    witness: Witness | None = None,
) -> Ledger:
    """Write all landing files and the users; the rest of the truth is returned. `witness` hears what is meant."""
    first, last = day_number(plan.first_day), day_number(plan.last_day)
    held_tenant, held_day = held_load(plan, tenants)
    names = [tenant.tenant_id for tenant in tenants]
    sizes = [SIZES.get(name, 1.0) for name in names]
    books = Books()
    kpis: dict[tuple[str, date, str], Kpi] = {}
    usage: dict[tuple[str, date], Usage] = {}
    experiments: list[Experiment] = []
    collector = Landing(landing_dir, "", _SMALLEST_FILE * 4)
    files = _ghost(plan, names, landing_dir, books)
    people = 0
    with (ledger_dir / USERS).open("w", encoding="utf-8", newline="") as file:
        register = csv.writer(file, lineterminator="\n")
        register.writerow(("tenant_id", "user_id", "joined", "left", "engagement"))
        for position, tenant in enumerate(tenants):
            name = tenant.tenant_id
            share = sizes[position] / sum(sizes)
            landing = Landing(landing_dir, name, _lines_a_file(plan.events * share / plan.days))
            loads = Loads(first, last, day_number(held_day) if name == held_tenant else None)
            run = TenantRun(tenant, plan.seed, loads, landing, books, [n for n in names if n != name], witness)

            def met(person: Person, name: str = name) -> None:
                left = as_date(person.left) if person.left <= last else ""
                joined = as_date(person.joined)
                register.writerow((name, person.actor, joined, left, round(person.engagement, 3)))
                if progress is not None:
                    progress(min(books.lines, plan.events), plan.events)

            run.housekeeping(collector)
            run.broken_release()
            people += run.people(round(plan.events * sum(sizes[: position + 1]) / sum(sizes)), met)
            landing.close()
            files += landing.files
            kpis |= {(name, day, metric): kpi for (day, metric), kpi in run.truth.kpis().items()}
            usage |= {(name, month): told for month, told in run.truth.usage().items()}
            experiments.append(_experiment(name, run))
    collector.close()
    return Ledger(
        plan=plan,
        summary=_summary(plan, len(tenants), people, files + collector.files, books),
        kpis=kpis,
        accounts={(as_date(day), name): account for (day, name), account in books.accounts.items()},
        held=frozenset({(held_tenant, held_day)}),
        usage=usage,
        experiments=tuple(experiments),
        path=ledger_dir,
    )


def _lines_a_file(lines_a_day: float) -> int:
    return max(_SMALLEST_FILE, round(lines_a_day / _FILES_A_DAY))


def _ghost(plan: SamplePlan, names: Sequence[str], landing_dir: Path, books: Books) -> int:
    """The files of a producer whose tenant nobody registered; how many."""
    ghost = GHOST
    while ghost in names:
        ghost += "-2"
    rng = Random(f"{plan.seed}/ghost")
    days = range(day_number(plan.first_day) + 5, day_number(plan.last_day) + 1, _GHOST_EVERY)
    landing = Landing(landing_dir, ghost, _SMALLEST_FILE)
    for day in days:
        for _ in range(max(1, round(plan.events * _GHOST_SHARE / len(days)))):
            at = day * DAY + rng.randrange(20 * 60 * MINUTE)
            told: dict[str, object] = {"track_id": f"trk-{rng.randrange(20_000):05d}", "completed": True}
            played = Intent(at, Type.USER_ACTION, "track_play", Channel.WEB_APP, told)
            books.quarantined(day, UNKNOWN, Fault.UNKNOWN_TENANT)
            landing.add(day, line(wire(played, ghost, None, uuid(rng))))
    landing.close()
    return landing.files


def _experiment(name: str, run: TenantRun) -> Experiment:
    persona = run.persona
    return Experiment(
        name,
        persona.experiment,
        persona.action,
        persona.effect,
        as_date(run.trial[0]),
        as_date(run.trial[-1]),
        run.truth.exposed,
    )


def _summary(plan: SamplePlan, tenants: int, users: int, files: int, books: Books) -> SampleSummary:
    total: Counter[str] = Counter()
    for account in books.accounts.values():
        total.update(
            received=account.received,
            accepted=account.accepted,
            duplicate=account.duplicate,
            quarantined=account.quarantined,
        )
    return SampleSummary(plan.first_day, plan.last_day, tenants, users, files, **total)
