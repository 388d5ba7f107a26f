"""What readers can reach according to PostgreSQL's catalogue, and what of it breaks a rule of their isolation.

Nothing here is a list of our tables: a table, view or function is looked at because a reader has a right to it, in
whichever schema and whoever made it. That the policies do what they should is proven by logging in: `proof`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from analytics_dagster.warehouse.roles import ALL_TENANTS, ANALYST

# what may break a rule, and why it may
EXCEPTIONS: Mapping[str, str] = {
    "table tenancy.bi_roles is not FORCEd": "its owner must see whose roles there are; readers see their own line",
    "index tenancy.bi_roles_pkey does not begin with tenant_id": "roles' names are in pg_roles for everybody",
}
PERSONAL = ("user_id", "anonymous_id", "actor", "person_id", "properties")

# Everything that shows rows and to which one of the roles %(readers)s has a right, system catalogues left out.
RELATIONS = """
select
    c.oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as kind,
    exists (
        select from pg_attribute as a, unnest(%(readers)s::name[]) as r (name)
        where
            a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
            and has_column_privilege(r.name, c.oid, a.attnum, 'select')
    ) as has_tenant,
    c.relrowsecurity as secured,
    c.relforcerowsecurity as forced,
    exists (select from pg_policy as p where p.polrelid = c.oid) as has_policy,
    coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
        as invoker,
    exists (
        select from unnest(%(readers)s::name[]) as r (name)
        where c.relkind <> 'S' and has_table_privilege(r.name, c.oid, 'insert, update, delete, truncate, trigger')
    ) as writable,
    (
        select coalesce(array_agg(i.indexrelid::regclass::text order by 1), '{}')
        from pg_index as i
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and a.attname is distinct from 'tenant_id'
    ) as other_indexes
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where
    c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and exists (
        select from unnest(%(readers)s::name[]) as r (name)
        where
            has_schema_privilege(r.name, n.oid, 'usage')
            and case c.relkind
                when 'S' then has_sequence_privilege(r.name, c.oid, 'usage, select')
                else has_any_column_privilege(r.name, c.oid, 'select')
            end
    )
order by 2, 3
"""
DEFINERS = """
select p.oid::regprocedure::text
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where
    p.prosecdef
    and exists (
        select from unnest(%(readers)s::name[]) as r (name)
        where has_schema_privilege(r.name, n.oid, 'usage') and has_function_privilege(r.name, p.oid, 'execute')
    )
order by 1
"""
PERSONAL_COLUMNS = """
select format('%%s.%%s', c.oid::regclass, a.attname)
from pg_attribute as a
inner join pg_class as c on c.oid = a.attrelid
where
    c.relkind in ('r', 'p', 'v', 'm', 'f')
    and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    and a.attname = any(%(personal)s)
    and has_schema_privilege(%(analyst)s, c.relnamespace, 'usage')
    and has_column_privilege(%(analyst)s, c.oid, a.attnum, 'select')
order by 1
"""
READERS = """
select rolname::text from pg_roles where rolname = %(group)s
union
select r.rolname::text from tenancy.bi_roles as b inner join pg_roles as r on r.rolname = b.role_name
order by 1
"""


@dataclass(frozen=True)
class Relation:
    oid: int
    schema: str
    name: str
    kind: str
    has_tenant: bool  # which a reader may read, too
    secured: bool
    forced: bool
    has_policy: bool
    invoker: bool
    writable: bool
    other_indexes: Sequence[str]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def relations(connection: psycopg.Connection, readers: Sequence[str]) -> list[Relation]:
    """Whatever shows rows to one of these roles."""
    rows = connection.execute(RELATIONS.encode(), {"readers": list(readers)}).fetchall()
    return [Relation(*row) for row in rows]


def broken_rules(connection: psycopg.Connection) -> list[str]:
    """What the catalogue says against the isolation of tenants and of personal columns; empty when all is well."""
    readers = [name for (name,) in connection.execute(READERS.encode(), {"group": ALL_TENANTS})]
    definers = connection.execute(DEFINERS.encode(), {"readers": [*readers, ANALYST]}).fetchall()
    personal = connection.execute(PERSONAL_COLUMNS.encode(), {"analyst": ANALYST, "personal": list(PERSONAL)})
    broken = [
        *(rule for relation in relations(connection, readers) for rule in rules_broken_by(relation)),
        *(f"function {name} is SECURITY DEFINER" for (name,) in definers),
        *(f"column {name} is personal, and the analyst reads it" for (name,) in personal),
    ]
    return [rule for rule in broken if rule not in EXCEPTIONS]


def rules_broken_by(relation: Relation) -> list[str]:
    """The rules for what a tenant may read, as a pure function."""
    name = relation.full_name
    broken = [f"{name} may be written by readers"] if relation.writable else []
    if relation.kind == "S":
        return [f"sequence {name} counts all tenants' rows"]
    if not relation.has_tenant:
        broken.append(f"{name} shows no tenant_id: nothing tells whose its rows are")
    if relation.kind == "m":
        return [*broken, f"materialized view {name} knows no row-level security"]
    if relation.kind == "f":
        return [*broken, f"foreign table {name} knows no row-level security"]
    if relation.kind == "v":
        return broken if relation.invoker else [*broken, f"view {name} is not security_invoker"]
    if not relation.secured:
        broken.append(f"table {name} has no row-level security")
    elif not relation.has_policy:
        broken.append(f"table {name} has no policy")
    if not relation.forced:
        broken.append(f"table {name} is not FORCEd")
    # EXPLAIN ANALYZE counts the rows that an index finds and a policy removes: a condition on any column would be
    # answered for all tenants, row by row
    broken += [f"index {index} does not begin with tenant_id" for index in relation.other_indexes]
    return broken
