"""The rules that let a sharded PostgreSQL run the same SQL, on the SQL of every model as dbt compiles it.

Rows of two tenants never meet: each join, window, group and distinct has the tenant in it. Nothing is merged or rolled
up, nothing is recursive. What is said twice is compiled twice: for a first build and for a daily one.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from analytics_dagster.transform import build, prepare
from analytics_dagster.warehouse import WarehouseUrl

TENANT = "tenant_id"
REFERENCE = {"experiments", "funnels"}  # what is declared for all tenants: a copy of it is on every node


def broken_rules(sql: str) -> list[str]:
    """What a query does that a database sharded by tenant could not, or that could mix tenants."""
    found = []
    for statement in sqlglot.parse(sql, read="postgres"):
        assert statement is not None
        found += [f"merges: {_shown(node)}" for node in statement.find_all(exp.Merge)]
        found += [
            f"is recursive: {_shown(node)}" for node in statement.find_all(exp.With) if node.args.get("recursive")
        ]
        rollups = statement.find_all(exp.Rollup, exp.Cube, exp.GroupingSets)
        found += [f"rolls up: {_shown(node)}" for node in rollups]
        for node in statement.find_all(exp.Group):
            if not _names_tenant(node.expressions):
                found.append(f"groups tenants together: {_shown(node)}")
        for node in statement.find_all(exp.Window):
            if (
                not _is_defined_elsewhere(node)
                and _reads_tenants(node)
                and not _names_tenant(node.args.get("partition_by") or [])
            ):
                found.append(f"a window over tenants: {_shown(node)}")
        for node in statement.find_all(exp.Distinct):
            if isinstance(node.parent, exp.Select) and not _names_tenant(_told_apart_by(node)):
                found.append(f"distinct over tenants: {_shown(node.parent)}")
        for node in statement.find_all(exp.Join):
            if not _joins_by_tenant(node):
                found.append(f"joins tenants: {_shown(node)}")
    return found


def _is_defined_elsewhere(window: exp.Window) -> bool:
    """`over name`: the definition of the name is a window itself, and looked at there."""
    select = window.find_ancestor(exp.Select)
    named = {definition.this.name for definition in select.args.get("windows") or []} if select else set()
    return window.alias in named


def _reads_tenants(node: exp.Expression) -> bool:
    """Of a series alone, rows are nobody's."""
    select = node.find_ancestor(exp.Select)
    assert select is not None
    read = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or [])]
    return not all(_has_no_tenant(each) for each in read)


def _told_apart_by(node: exp.Distinct) -> list[exp.Expression]:
    on = node.args.get("on")
    if on is not None:
        return list(on.expressions)
    assert node.parent is not None
    return list(node.parent.expressions)


def _names_tenant(expressions: list[exp.Expression]) -> bool:
    return any(
        column.name == TENANT or isinstance(column.this, exp.Star)
        for expression in expressions
        for column in [*expression.find_all(exp.Column), *expression.find_all(exp.Star)]
        if isinstance(column, exp.Column | exp.Star)
    )


def _joins_by_tenant(join: exp.Join) -> bool:
    if isinstance(join.this, exp.Lateral) or _has_no_tenant(join.this):
        return True  # a lateral is held to its outer row by its own condition, which is looked at for itself
    using = [column.name for column in join.args.get("using") or []]
    condition = join.args.get("on")
    equal = condition.find_all(exp.EQ) if condition is not None else []
    return TENANT in using or any(
        isinstance(side, exp.Column) and side.name == TENANT and isinstance(other, exp.Column) and other.name == TENANT
        for pair in equal
        for side, other in [(pair.left, pair.right)]
    )


def _has_no_tenant(joined: exp.Expression) -> bool:
    """Values and series: rows that are nobody's."""
    if isinstance(joined, exp.Table):
        return isinstance(joined.this, exp.Func | exp.Anonymous) or joined.name in REFERENCE
    return isinstance(joined, exp.Values | exp.Unnest) or (
        isinstance(joined, exp.Subquery) and isinstance(joined.this, exp.Values)
    )


def _shown(node: exp.Expression) -> str:
    return node.sql(dialect="postgres")[:300]


@pytest.fixture(scope="module")
def compiled(owned_warehouse: WarehouseUrl, manifest: Path) -> dict[str, str]:
    """By the model's name, and whether it is that of a first or of a daily build."""
    folder = manifest.parent / "run" / "compiled"
    shutil.rmtree(folder, ignore_errors=True)  # unit tests leave what they compiled there, too
    prepare(owned_warehouse, manifest)
    found = dict(_compiled(folder, "first"))
    shutil.rmtree(folder)
    build(owned_warehouse, manifest, build_id="rules")
    return found | dict(_compiled(folder, "daily"))


def _compiled(folder: Path, kind: str) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("models/**/*.sql"):
        yield f"{path.stem} ({kind})", path.read_text()


def test_every_model_keeps_tenants_apart(compiled: dict[str, str]) -> None:
    assert {"kpi_daily (first)", "kpi_daily (daily)", "attribution (daily)", "stg_events (first)"} <= compiled.keys()
    broken = [f"{name} {rule}" for name, sql in sorted(compiled.items()) for rule in broken_rules(sql)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("select a.x from a inner join b on a.user_id = b.user_id", "joins tenants"),
        ("select a.x from a inner join b on a.tenant_id = b.user_id", "joins tenants"),
        ("select a.x from a cross join b", "joins tenants"),
        ("select day, count(*) from a group by day", "groups tenants together"),
        ("select tenant_id, day, count(*) from a group by rollup (tenant_id, day)", "rolls up"),
        ("select sum(x) over (partition by user_id order by day) from a", "a window over tenants"),
        ("select rank() over (order by x) from a", "a window over tenants"),
        ("select rank() over w from a window w as (order by x)", "a window over tenants"),
        ("select distinct user_id from a", "distinct over tenants"),
        ("select distinct on (user_id) tenant_id, user_id from a", "distinct over tenants"),
        ("with recursive r as (select 1 as n union all select n + 1 from r) select n from r", "is recursive"),
        ("merge into a using b on a.tenant_id = b.tenant_id when matched then delete", "merges"),
    ],
)
def test_a_query_that_could_mix_tenants_is_found(sql: str, rule: str) -> None:
    assert [found for found in broken_rules(sql) if found.startswith(rule)]


@pytest.mark.parametrize(
    "sql",
    [
        "select a.x from a inner join b on a.tenant_id = b.tenant_id and a.day = b.day",
        "select a.x from a cross join generate_series(1, 3) as n (n)",
        "select a.x from a cross join lateral (values (1), (2)) as n (n)",
        "select tenant_id, day, sum(x) over (partition by tenant_id order by day) from a group by tenant_id, day",
        "select sum(x) over w from a window w as (partition by tenant_id order by day)",
        "select sum(n) over (order by n) from generate_series(1, 9) as n (n)",
        "select a.x from a inner join funnels on a.kind = funnels.kind",
        "select distinct tenant_id, user_id from a",
        "select count(distinct user_id) from a group by tenant_id",
    ],
)
def test_a_query_that_keeps_them_apart_is_left_alone(sql: str) -> None:
    assert broken_rules(sql) == []
