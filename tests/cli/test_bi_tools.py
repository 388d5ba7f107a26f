"""What tools that are not started here do with a login: SQLAlchemy's reflection, and Metabase's sync as it asks it.

Metabase is Java and no package of ours. Its driver learns tables and columns from the questions below (they are those
of its PostgreSQL driver, in our words), and then reads a sample of each table, column by column.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy
import yaml

from analytics_dagster.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

MODELS = PROJECT_ROOT / "dbt_project" / "models" / "marts"
MARTS = {
    model["name"]: model
    for file in sorted(MODELS.rglob("*.yml"))
    for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", [])
}
READERS = ("kirana", "tonewave", "--analyst")

# tables with their comments, and those among them of which a column may be read
TABLES = """
select n.nspname as schema, c.relname as name, d.description
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_description as d
    on c.oid = d.objoid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
left join pg_stat_user_tables as stat on n.nspname = stat.schemaname and c.relname = stat.relname
where
    n.nspname = 'marts' and c.relkind in ('r', 'p', 'v', 'f', 'm')
    and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
order by 1, 2
"""
COLUMNS = """
select
    c.table_name, c.column_name, c.udt_name, c.ordinal_position - 1 as position,
    col_description(format('%I.%I', c.table_schema::text, c.table_name::text)::regclass::oid, c.ordinal_position)
        as description
from information_schema.columns as c
where c.table_schema = 'marts'
order by c.table_name, position
"""
SAMPLE = 10_000


def personal(mart: str) -> set[str]:
    columns = MARTS[mart]["columns"]
    return {column["name"] for column in columns if column.get("config", {}).get("meta", {}).get("personal")}


def declared(mart: str, reader: str) -> list[str]:
    hidden = personal(mart) if reader == "--analyst" else set()
    return [column["name"] for column in MARTS[mart]["columns"] if column["name"] not in hidden]


@pytest.fixture(scope="module")
def engines(end_to_end) -> Iterator[dict[str, sqlalchemy.Engine]]:
    with ExitStack() as stack:
        found = {}
        for reader in READERS:
            login = end_to_end.json("bi", "grant", reader, "--json")
            stack.callback(end_to_end.cli, "bi", "revoke", login["user"])
            address = login["url"].replace("postgresql://", "postgresql+psycopg2://", 1)
            found[reader] = sqlalchemy.create_engine(address)
            stack.callback(found[reader].dispose)
        yield found


def asked(engine: sqlalchemy.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sqlalchemy.text(query)).all())


def tenants_of(mart: str, engine: sqlalchemy.Engine) -> set[str]:
    return {name for (name,) in asked(engine, f'select distinct tenant_id from marts."{mart}"')}


@pytest.mark.parametrize("reader", READERS)
def test_reflection_tells_tables_columns_keys_and_what_they_mean(engines, reader):
    inspector = sqlalchemy.inspect(engines[reader])
    assert inspector.default_schema_name == "marts"
    assert set(inspector.get_table_names(schema="marts")) == set(MARTS)
    assert inspector.get_view_names(schema="marts") == []
    comments = {
        name: comment["text"] for (_, name), comment in inspector.get_multi_table_comment(schema="marts").items()
    }
    keys = {
        name: key["constrained_columns"] for (_, name), key in inspector.get_multi_pk_constraint(schema="marts").items()
    }
    for (_, mart), columns in inspector.get_multi_columns(schema="marts").items():
        assert comments[mart].startswith("One row for each")
        assert keys[mart][0] == "tenant_id"
        # names are no secret, in a reflection by the catalogue; the rows are
        assert [column["name"] for column in columns] == [column["name"] for column in MARTS[mart]["columns"]]
        assert [column["name"] for column in columns if not column["comment"]] == []


@pytest.mark.parametrize("reader", READERS)
def test_a_sync_tells_what_may_be_read_and_what_it_means(engines, reader):
    tables = asked(engines[reader], TABLES)
    assert {(table.schema, table.name) for table in tables} == {("marts", name) for name in MARTS}
    assert [table.name for table in tables if not table.description] == []
    columns = asked(engines[reader], COLUMNS)
    assert [column for column in columns if not column.description] == []
    for mart in MARTS:
        assert [column.column_name for column in columns if column.table_name == mart] == declared(mart, reader)


@pytest.mark.parametrize("reader", READERS)
def test_a_sample_of_each_table_is_the_readers_own_rows(engines, reader, end_to_end):
    seen = set()
    for mart in MARTS:
        names = ", ".join(f'"{name}"' for name in declared(mart, reader))
        sample = asked(engines[reader], f'select {names} from "marts"."{mart}" limit {SAMPLE}')
        seen |= {row.tenant_id for row in sample}
        everything = end_to_end.rows(
            f'select count(*) from marts."{mart}" where tenant_id = %s or %s', [reader, reader == "--analyst"]
        )
        assert len(sample) == min(SAMPLE, everything[0][0]), mart
    if reader == "--analyst":
        assert {"kirana", "tonewave"} < seen
    else:
        assert seen == {reader}


def test_the_analyst_reads_no_personal_column(engines):
    with_people = [mart for mart in MARTS if personal(mart)]
    assert {"dim_users", "fct_payments"} <= set(with_people)
    for mart in with_people:
        table = sqlalchemy.Table(mart, sqlalchemy.MetaData(), autoload_with=engines["--analyst"], schema="marts")
        for name in personal(mart):
            with (
                engines["--analyst"].connect() as connection,
                pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"),
            ):
                connection.execute(sqlalchemy.select(table.c[name]).limit(1))
        assert tenants_of(mart, engines["--analyst"]) >= tenants_of(mart, engines["tonewave"])
