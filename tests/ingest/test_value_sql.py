"""What the derivation of SQL does not know, it says or leaves to pydantic; what is added to a contract, it takes."""

import json
from typing import Annotated, Any

import pytest
from ingest_samples import contract, event
from pydantic import AfterValidator, Field

from analytics_dagster.ingest.blocks import Block
from analytics_dagster.ingest.checking import Checker, Origin
from analytics_dagster.ingest.contract_fields import event_fields
from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.queries import Queries
from analytics_dagster.ingest.value_sql import value_sql
from analytics_dagster.schemas.base import Contract, Identifier
from analytics_dagster.schemas.event_contract import EventRegistry

TENANTS = frozenset({"acme"})


@pytest.mark.parametrize(
    "annotation",
    [bytes, Any, Annotated[int, Field(gt=1)], Annotated[str, AfterValidator(str.strip)], tuple[int, ...]],
)
def test_a_type_that_is_not_known_stops_at_once(annotation: Any) -> None:
    with pytest.raises(TypeError, match="no SQL is known for"):
        value_sql(annotation)


def test_a_field_that_is_added_to_a_contract_becomes_a_column_with_rules() -> None:
    class Wider(Contract):
        session_id: Identifier | None = None
        retries: Annotated[int, Field(ge=0)]

    session, retries = event_fields(Wider)
    assert (session.column, session.nullable, session.needed) == ("f_session_id", True, False)
    assert [rule.name for rule in session.value.rules] == ["string_type", "string_too_short", "string_too_long"]
    assert [(rule.name, rule.expected) for rule in retries.value.rules] == [
        ("int_type", "Input should be a valid integer"),
        ("greater_than_equal", "Input should be greater than or equal to 0"),
    ]


def test_a_pattern_that_duckdb_cannot_read_is_judged_by_pydantic() -> None:
    registry = EventRegistry((contract("x", properties={"p": {"type": "text", "pattern": "^a{2,2000}$"}}),))
    lines = [json.dumps(event(p) | {"event_name": "x", "properties": {"p": p}}).encode() + b"\n" for p in ("a", "aaa")]
    checked = Checker(Intake(TENANTS, registry)).check([(Origin(1, None), Block(b"".join(lines), 1))])
    assert checked.accepted["event_id"].to_pylist() == ["aaa"]
    assert [reason.rule for line in checked.refused for reason in line.refusal.reasons] == ["string_pattern_mismatch"]


def test_queries_wait_for_the_next_load_of_the_same_tenants_and_contracts() -> None:
    registry = EventRegistry((contract("x"),))
    with Queries.lent(TENANTS, registry) as first, Queries.lent(TENANTS, registry) as at_the_same_time:
        assert at_the_same_time is not first
    with Queries.lent(TENANTS, registry) as again:
        assert again is first
    with Queries.lent(frozenset({"acme", "zeta"}), registry) as others:
        assert others not in (first, at_the_same_time)
