"""The proof of isolation: a login for each tenant, as a BI tool has one, sees no row of anybody else.

The logins are made for the proof and dropped after it. What they look at is whatever the catalogue says that they can
reach, in every schema. `publication` counts what a tenant is served; here nothing is counted: where the smallest and
the largest tenant_id that a login sees are its tenant's, so are all between, and an index answers that at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import psycopg
from psycopg import sql

from analytics_dagster.errors import WarehouseError
from analytics_dagster.tenancy.bi import recognise
from analytics_dagster.tenancy.lifecycle import Status
from analytics_dagster.tenancy.reach import Relation, relations
from analytics_dagster.tenancy.registry import tenants_by_status
from analytics_dagster.warehouse.connection import connect
from analytics_dagster.warehouse.logins import Limits, create_login, drop_login, end_sessions, new_password, shut_login
from analytics_dagster.warehouse.roles import PROBES, ensure_tenant_role
from analytics_dagster.warehouse.url import WarehouseUrl

MOST = 50
LOCK = "analytics-dagster proof of isolation"
LIMITS = Limits(connections=1)


@dataclass(frozen=True)
class Probe:
    login: str
    tenant_id: str


@dataclass(frozen=True)
class Seen:
    """What one login sees in one relation: the smallest and the largest tenant_id. A row without one counts as the
    largest, and as nobody's."""

    relation: str
    lowest: str | None
    highest: str | None

    @property
    def has_rows(self) -> bool:
        return self.lowest is not None

    def is_only(self, tenant_id: str) -> bool:
        return {self.lowest, self.highest} <= {tenant_id, None}


@dataclass(frozen=True)
class Proof:
    tenants: Sequence[str]
    relations: Sequence[str]  # that at least one of the logins can reach
    with_rows: int  # (tenant, relation)s in which a login saw rows: its own, if there is no problem
    problems: Sequence[str]


def sample(tenants: Sequence[str], on: date, most: int = MOST) -> list[str]:
    """All of them, or as many of them as allowed, others each day: every tenant has its turn."""
    ordered = sorted(tenants)
    if len(ordered) <= most:
        return ordered
    first = on.toordinal() * most % len(ordered)
    return sorted((ordered + ordered)[first : first + most])


def prove(url: WarehouseUrl, tenants: Sequence[str]) -> Proof:
    """Log in as a reader of each tenant, and look at all that is there."""
    reached: set[str] = set()
    problems: list[str] = []
    with_rows = 0
    password = new_password()
    with _probes(url, tenants, password) as probes:
        for probe in probes:
            with _logged_in(url, probe, password) as reader:
                if _tenant_of(reader) != probe.tenant_id:
                    problems += _unless_suspended(url, probe.tenant_id)
                there = [relation for relation in relations(reader, [probe.login]) if relation.kind != "S"]
                seen = _look_at(reader, [relation for relation in there if relation.has_tenant])
            reached.update(relation.full_name for relation in there)
            with_rows += sum(one.has_rows for one in seen)
            problems += [f"{relation.full_name}: no tenant_id" for relation in there if not relation.has_tenant]
            problems += [
                f"{one.relation}: the login of {probe.tenant_id} sees rows of {one.lowest} to {one.highest}"
                for one in seen
                if not one.is_only(probe.tenant_id)
            ]
    return Proof(tuple(tenants), sorted(reached), with_rows, sorted(set(problems)))


def _tenant_of(reader: psycopg.Connection) -> str | None:
    row = reader.execute("select tenancy.current_tenant()").fetchone()
    return row[0] if row else None


def _unless_suspended(url: WarehouseUrl, tenant_id: str) -> list[str]:
    """A login that is nobody's sees nothing, and would prove nothing."""
    with connect(url) as owner:
        active = tenant_id in tenants_by_status(owner, Status.ACTIVE)
    return [f"the login of {tenant_id} is taken for somebody else"] if active else []


def _look_at(reader: psycopg.Connection, there: Sequence[Relation]) -> list[Seen]:
    if not there:
        return []
    question = sql.SQL(" union all ").join(
        sql.SQL(
            "select {name}, (select {tenant} from {of} order by tenant_id limit 1),"
            " (select {tenant} from {of} order by tenant_id desc limit 1)"
        ).format(
            name=sql.Literal(relation.full_name),
            tenant=sql.SQL("coalesce(tenant_id::text, 'nobody (null)')"),
            of=sql.Identifier(relation.schema, relation.name),
        )
        for relation in there
    )
    return [Seen(*row) for row in reader.execute(question).fetchall()]


@contextmanager
def _logged_in(url: WarehouseUrl, probe: Probe, password: str) -> Iterator[psycopg.Connection]:
    try:
        with connect(replace(url, user=probe.login, password=password)) as reader:
            yield reader
    except WarehouseError as error:
        raise WarehouseError(
            f"the isolation is not proven, because its login is refused: {error.problem}",
            where=error.where,
            remedy=f"let roles {PROBES}* log in with a password from here, as BI tools do (pg_hba.conf)",
        ) from None


@contextmanager
def _probes(url: WarehouseUrl, tenants: Sequence[str], password: str) -> Iterator[list[Probe]]:
    """One login for each tenant, all made in one transaction and gone in another; left-overs of a killed run, too."""
    with connect(url, autocommit=True) as owner:
        owner.execute("select pg_advisory_lock(hashtext(%s))", [LOCK])  # until this connection is closed
        prefix = _prefix(owner)
        _drop_probes(owner, prefix)
        probes = [Probe(f"{prefix}{number}", tenant_id) for number, tenant_id in enumerate(tenants)]
        try:
            with owner.transaction():
                for probe in probes:
                    role = ensure_tenant_role(owner, probe.tenant_id)
                    create_login(owner, probe.login, role, password, LIMITS)
                    recognise(owner, probe.login, role)
            yield probes
        finally:
            _drop_probes(owner, prefix)


def _prefix(owner: psycopg.Connection) -> str:
    """Roles belong to the whole server, and a neighbouring database may prove its own isolation meanwhile."""
    row = owner.execute("select oid from pg_database where datname = current_database()").fetchone()
    return f"{PROBES}{row[0] if row else 0}_"


def _drop_probes(owner: psycopg.Connection, prefix: str) -> None:
    found = owner.execute("select rolname::text from pg_roles where starts_with(rolname, %s)", [prefix]).fetchall()
    with owner.transaction():
        owner.execute("delete from tenancy.bi_roles where starts_with(role_name::text, %s)", [prefix])
        for (login,) in found:
            shut_login(owner, login)
    for (login,) in found:
        end_sessions(owner, login)
    with owner.transaction():
        for (login,) in found:
            drop_login(owner, login)
