"""The ledger against the files: recomputed naively from what was written, every figure is the same."""

import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sample_naive import Recomputed, activity_day, actor, engaged, landing_lines, read_lines, sessions

from analytics_dagster.sample import Fault, Intended, intended_events
from analytics_dagster.schemas import AnalyticsEvent, AnalyticsEventType, TenantConfiguration

Tenants = Sequence[TenantConfiguration]


@pytest.fixture(scope="module", params=["tiny", "small"])
def sample(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def found(sample) -> Recomputed:
    return sample.found


def test_every_kpi_is_what_the_files_say(sample, found: Recomputed) -> None:
    assert {key: (kpi.value, kpi.unit) for key, kpi in sample.ledger.kpis.items()} == found.kpis
    assert sum(kpi.value for (_, _, metric), kpi in sample.ledger.kpis.items() if metric == "revenue") > 0


def test_every_account_is_what_the_files_say(sample, found: Recomputed) -> None:
    claimed = {
        key: Counter(
            received=account.received,
            accepted=account.accepted,
            duplicate=account.duplicate,
            quarantined=account.quarantined,
            **{fault.value: count for fault, count in account.faults.items()},
        )
        for key, account in sample.ledger.accounts.items()
    }
    # Counters are equal when only zeros differ
    assert claimed == found.accounts
    for account in sample.ledger.accounts.values():
        assert account.received == account.accepted + account.duplicate + account.quarantined


def test_usage_and_exposures_are_what_the_files_say(sample, found: Recomputed) -> None:
    assert {key: (u.events, u.active_users) for key, u in sample.ledger.usage.items()} == found.usage
    for experiment in sample.ledger.experiments:
        assert Counter(experiment.exposed) == found.exposed[experiment.tenant_id]


def test_intended_events_are_what_is_left_without_faults(sample, found: Recomputed, tenants: Tenants) -> None:
    meant = intended_events(sample.plan, tenants)
    served = [event for events in found.served.values() for _, event in events]
    tests = [event for events in found.tests.values() for event in events]
    written = [
        Intended(
            event.metadata.tenant_id,
            str(event.metadata.event_id),
            event.event_type,
            event.event_name,
            event.metadata.timestamp,
            event.metadata.user_id,
            event.metadata.anonymous_id,
            event.metadata.is_test,
            event.properties,
        )
        for event in [*served, *tests]
    ]
    assert sorted(meant, key=_identity) == sorted(written, key=_identity)
    assert all(any(event.is_test is told for event in meant) for told in (True, False))


def _identity(event: Intended) -> tuple[str, str]:
    return event.tenant_id, event.event_id


def test_summary_adds_up(sample, tenants: Tenants) -> None:
    summary = sample.ledger.summary
    accounts = sample.ledger.accounts.values()
    for outcome in ("received", "accepted", "duplicate", "quarantined"):
        assert getattr(summary, outcome) == sum(getattr(account, outcome) for account in accounts)
    assert summary.files == sum(1 for path in sample.landing.rglob("*") if path.is_file())
    assert summary.received == sum(1 for _ in landing_lines(sample.landing))
    assert summary.tenants == len(tenants)
    assert summary.users == sum(1 for _ in sample.ledger.users())
    assert abs(summary.received / sample.plan.events - 1) < 0.1


def test_every_fault_and_every_type_of_event_occurs(sample, found: Recomputed) -> None:
    faults = Counter[str]()
    for account in sample.ledger.accounts.values():
        faults.update({fault.value: count for fault, count in account.faults.items()})
    assert {fault.value for fault in Fault} == {fault for fault, count in faults.items() if count}
    served = [event for events in found.served.values() for _, event in events]
    assert {event.event_type for event in served} == set(AnalyticsEventType)
    assert {
        "track_play", "track_skip", "order_placed", "feature_used", "api_called", "article_read",
        "payment_succeeded", "payment_failed", "payment_refunded", "subscription_started",
        "subscription_renewed", "subscription_cancelled", "campaign_touched", "experiment_exposed",
        "support_ticket_opened",
    } <= {event.event_name for event in served}  # fmt: skip


def test_only_the_broken_release_looks_broken(sample) -> None:
    """The gate's rules with room to spare: nothing but the load in the ledger may be held."""
    nameless: dict[tuple[object, str], list[bool]] = {}
    for day, folder, line in landing_lines(sample.landing):
        try:
            event = AnalyticsEvent.model_validate_json(line)
        except ValueError:
            continue
        assert event.metadata.timestamp.date() <= day
        if folder == event.metadata.tenant_id and engaged(event):
            nameless.setdefault((day, folder), []).append(actor(event) is None)
    ((held_tenant, held_day),) = sample.ledger.held
    broken = nameless.pop((held_day, held_tenant))
    assert sum(broken) / len(broken) >= 0.9
    assert not any(map(any, (flags for (_, folder), flags in nameless.items() if folder != "ghost-label")))
    for (_, tenant_id), account in sample.ledger.accounts.items():
        assert tenant_id == "(unknown)" or account.quarantined <= account.accepted / 2


def test_the_broken_release_charges_a_hundred_times_as_much(sample) -> None:
    ((tenant_id, day),) = sample.ledger.held
    lines = [
        json.loads(line)
        for path in (sample.landing / day.isoformat() / tenant_id).iterdir()
        for line in read_lines(path)
    ]
    amounts = [Decimal(e["properties"]["amount"]) for e in lines if e["event_name"] == "payment_succeeded"]
    assert amounts
    assert min(amounts) >= 1900


def test_an_intended_session_arrives_in_one_load_and_never_spans_four_in_the_morning(
    found: Recomputed, tenants: Tenants
) -> None:
    crossing = 0
    for tenant in tenants:
        zone = ZoneInfo(tenant.time_zone)
        events = found.served[tenant.tenant_id]
        loads = {(actor(event), event.metadata.timestamp): day for day, event in events if engaged(event)}
        for moments in sessions([event for _, event in events], zone):
            assert activity_day(moments[0], zone) == activity_day(moments[-1], zone)
            assert all(b - a < timedelta(minutes=25) for a, b in pairwise(moments))
            crossing += moments[0].astimezone(zone).date() != moments[-1].astimezone(zone).date()
        by_actor: dict[str, list] = {}
        for who, moment in sorted(key for key in loads if key[0] is not None):
            by_actor.setdefault(who, []).append((moment, loads[who, moment]))
        for steps in by_actor.values():
            for (a, load_a), (b, load_b) in pairwise(steps):
                assert not timedelta(minutes=25) <= b - a <= timedelta(minutes=35)
                assert load_a == load_b or b - a > timedelta(minutes=35)
    assert crossing > 0


def test_no_two_files_are_the_same(sample) -> None:
    """Loading knows a file by its content: equal files would be taken for one that came twice."""
    digests = [
        hashlib.sha256(b"\n".join(read_lines(path))).digest() for path in sample.landing.rglob("*") if path.is_file()
    ]
    assert len(digests) == len(set(digests))


def test_users_join_before_they_leave_and_are_those_of_the_files(sample, found: Recomputed) -> None:
    users = {(user.tenant_id, user.user_id): user for user in sample.ledger.users()}
    for tenant_id, events in found.served.items():
        for _, event in events:
            if (who := actor(event)) is not None and engaged(event):
                user = users[tenant_id, who]
                day = event.metadata.timestamp.date()
                assert user.joined <= day + timedelta(days=2)
                assert user.left is None or day <= user.left + timedelta(days=2)
    assert any(user.left for user in users.values())
    assert all(user.left is None or user.joined <= user.left for user in users.values())


def test_a_cancelled_subscription_is_a_lost_subscriber(small) -> None:
    lost = sum(kpi.value for (_, _, metric), kpi in small.ledger.kpis.items() if metric == "lost_subscribers")
    new = sum(kpi.value for (_, _, metric), kpi in small.ledger.kpis.items() if metric == "new_subscribers")
    assert lost > 10
    assert new > 10


def test_some_change_their_plan_for_a_larger_one_and_some_for_a_smaller(small) -> None:
    changes = Counter[bool]()
    for events in small.found.served.values():
        prices = defaultdict(list)
        for _, event in sorted(events, key=lambda served: served[1].metadata.timestamp):
            if event.event_name == "payment_succeeded" and "plan" in event.properties:
                prices[event.metadata.user_id].append(Decimal(event.properties["amount"]))
        changes.update(
            after > before for paid in prices.values() for before, after in pairwise(paid) if after != before
        )
    assert min(changes[True], changes[False]) >= 5


def test_big_tenants_come_in_several_files_a_day_mostly_compressed(small) -> None:
    days = [day for day in small.landing.iterdir() if (day / "tonewave").is_dir()]
    counts = [sum(1 for _ in (day / "tonewave").iterdir()) for day in days]
    assert len(days) == small.plan.days
    assert sum(counts) / len(counts) >= 3
    names = [path.name for path in small.landing.rglob("*") if path.is_file()]
    compressed = sum(name.endswith(".gz") for name in names)
    assert 0.7 < compressed / len(names) < 1
    stamp = next(path for path in small.landing.rglob("*.gz")).read_bytes()[4:8]
    assert stamp == bytes(4)
    assert gzip.decompress(next(iter(small.landing.rglob("*.gz"))).read_bytes())


def test_one_tenant_is_ten_times_the_median(small) -> None:
    received = Counter[str]()
    for (_, tenant_id), account in small.ledger.accounts.items():
        received[tenant_id] += account.received
    del received["(unknown)"]
    median = sorted(received.values())[len(received) // 2]
    assert 7 < received["tonewave"] / median < 13


def test_files_of_a_day_folder_mix_tenants(sample) -> None:
    mixed = {line for _, folder, line in landing_lines(sample.landing) if folder is None}
    metadata = [json.loads(line)["metadata"] for line in mixed]
    # the same id for two tenants is not a duplicate
    assert len({m["event_id"] for m in metadata}) < len({(m["tenant_id"], m["event_id"]) for m in metadata})


def test_landing_holds_nothing_else(sample) -> None:
    assert {path.name for path in sample.landing.iterdir()} == {
        (sample.plan.first_day + timedelta(days=number)).isoformat() for number in range(sample.plan.days)
    }
    assert isinstance(sample.landing, Path)
