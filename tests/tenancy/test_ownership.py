"""Who owns a tenant's configuration: its file, or the registry alone; and what each change leaves in the history."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tenancy_samples import tenant

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy import Change, Registered, register
from analytics_dagster.tenancy.files import TenantFileError, configured, from_words, read_tenant_file
from analytics_dagster.tenancy.history import history
from analytics_dagster.tenancy.profile import limits_of, listed, profile
from analytics_dagster.tenancy.registry import Origin, add, change, entry
from analytics_dagster.warehouse import connect

HOSTILE = [
    "Robert'); drop table tenancy.tenants; --",
    "[red]bold[/red]",
    "\u202egnp.exe \u0645\u062a\u062c\u0631",
    "\x9b2J",
    "x" * 200,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_kept_as_it_is(connection, name):
    add(connection, tenant(name=name), actor="ada")
    assert [found.name for found in listed(connection)] == [name]
    assert profile(connection, "acme").history[0].after["name"] == name


@pytest.mark.parametrize("name", ["", "x" * 201, "\x1b[2Jgone", "two\nlines", "nul\0"])
def test_a_name_that_cannot_be(name):
    with pytest.raises(AnalyticsError, match="name: string should"):
        tenant(name=name)


def test_every_fault_is_named():
    with pytest.raises(AnalyticsError) as refused:
        configured({"tenant_id": "A", "kind": "movies", "colour": "red"}, where="tenant A")
    for fault in ("tenant_id: string", "kind: input", "colour: is not a field", "name: is missing", "plan: is missing"):
        assert fault in refused.value.problem


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ({"name": "123"}, {"name": "123"}),
        ({"retention_days": "90"}, {"retention_days": 90}),
        ({"retention_days": "ninety"}, {"retention_days": "ninety"}),
        ({"events_per_day": ""}, {"events_per_day": None}),
        ({"event_bytes": "4096"}, {"event_bytes": 4096}),
        ({"compliance_frameworks": "gdpr, sox"}, {"compliance_frameworks": ["gdpr", "sox"]}),
        ({"features_added": ""}, {"features_added": []}),
        ({"colour": "red"}, {"colour": "red"}),
    ],
)
def test_words_become_fields(words, fields):
    assert from_words(words) == fields


def test_a_file_from_anywhere(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(tenant().model_dump_json())
    assert read_tenant_file(file) == tenant()
    file.write_text("tenant_id: acme\ncolour: red\n")
    with pytest.raises(TenantFileError, match="colour: is not a field") as refused:
        read_tenant_file(file)
    assert refused.value.where == str(file)


def test_a_command_owns_what_it_added_until_a_file_takes_it_over(connection):
    add(connection, tenant(), actor="ada")
    assert entry(connection, "acme").origin is Origin.COMMAND
    after, changes = change(connection, "acme", {"tier": "standard", "name": "Acme"}, actor="bob")
    assert changes == (Change("acme", "tier", "free", "standard"),)
    assert after == tenant(tier="standard")
    assert change(connection, "acme", {"tier": "standard"}, actor="bob") == (after, ())

    outcome = register(connection, [tenant(currency="USD", tier="standard")])
    assert outcome == Registered((), ("acme",), (), (Change("acme", "currency", "EUR", "USD"),), taken_over=("acme",))
    assert register(connection, [tenant(currency="USD", tier="standard")]).unchanged == ("acme",)
    with pytest.raises(AnalyticsError, match=r"declared by the file acme.yaml") as refused:
        change(connection, "acme", {"tier": "free"}, actor="ada")
    assert "analytics-dagster prepare" in str(refused.value.remedy)
    told = [(found.action, found.actor) for found in history(connection, "acme")]
    assert told == [("taken over", "deployment"), ("changed", "bob"), ("added", "ada")]


def test_a_file_that_says_the_same_takes_over_too(connection):
    add(connection, tenant(), actor="ada")
    assert register(connection, [tenant()]) == Registered((), (), (), taken_over=("acme",))
    assert entry(connection, "acme").origin is Origin.FILE


def test_what_cannot_be_changed(connection):
    add(connection, tenant(), actor="ada")
    for fields, fault in (
        ({"tenant_id": "other"}, "is for ever"),
        ({"kind": "movies", "tier": "gold"}, "kind: .*tier: "),
        ({"time_zone": "Mars/Berlin"}, "time_zone"),
        ({"residency": "us"}, "region"),
    ):
        with pytest.raises(AnalyticsError, match=fault):
            change(connection, "acme", fields, actor="ada")
    with pytest.raises(AnalyticsError, match="no tenant 'nobody'"):
        change(connection, "nobody", {}, actor="ada")
    assert len(history(connection, "acme")) == 1


def test_two_adding_at_once(warehouse, committing):
    def again(_):
        try:
            with connect(warehouse) as connection:
                add(connection, tenant(), actor="ada")
        except AnalyticsError as error:
            return error.problem
        return "added"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(again, range(2))) == ["added", "tenant acme is registered already"]
    assert len(history(committing, "acme")) == 1


def test_limits_say_where_they_come_from():
    shown = {limit.name: (limit.value, limit.source) for limit in limits_of(tenant(event_bytes=512))}
    assert shown == {"events_per_day": (100_000, "tier"), "event_bytes": (512, "own")}


def test_a_list_is_filtered(connection):
    add(connection, tenant(), actor="ada")
    add(connection, tenant(tenant_id="beta", kind="shop", tier="standard"), actor="ada")
    connection.execute("update tenancy.tenants set status = 'suspended' where tenant_id = 'beta'")
    for filters, found in (
        ({}, ["acme", "beta"]),
        ({"status": "suspended"}, ["beta"]),
        ({"tier": "free"}, ["acme"]),
        ({"kind": "shop", "status": "active"}, []),
    ):
        assert [line.tenant_id for line in listed(connection, **filters)] == found


def test_the_profile_of_an_empty_tenant(connection):
    add(connection, tenant(), actor="ada")
    found = profile(connection, "acme")
    assert (found.status, found.origin, found.publication, found.last_days) == ("active", "command", None, [])
    with pytest.raises(AnalyticsError, match="no tenant 'nobody'"):
        profile(connection, "nobody")
