"""The vectorised check as SQL, derived from the contracts: DuckDB over `lines` (position, claimed_tenant, line).

Two queries. `good` is cheap and vouches: it says which lines are certainly good, and has their columns. `faulty` is
asked about the others: it names by number the faults of a line, or nothing where SQL cannot be certain. DuckDB's
JSON reader takes more than JSON (trailing commas, NaN, numbers of any size, any depth) and two equal keys: whatever
could be one of these is left to `verdict`.
"""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

import pyarrow as pa
from pydantic_core import PydanticKnownError

from analytics_dagster.ingest.contract_fields import Field, Path, event_fields, json_path, json_paths, property_fields
from analytics_dagster.ingest.value_sql import ValueSql, plain_text, quoted
from analytics_dagster.schemas import AnalyticsEvent
from analytics_dagster.schemas.event_columns import event_columns
from analytics_dagster.schemas.event_contract import EventRegistry

OBJECTS = 3  # the event, its metadata, its properties: keys of deeper ones are not compared here
FEW_KEYS = 5
ARRAYS = 64  # far below the depth that the contract's reader goes to

# Every way to write a comma that nothing follows. Tabs are searched for by themselves: with them it takes 3 x the time.
DOUBTFUL_COMMA = r",(?: ?[}\]\r]|  )"
DOUBTFUL_SIGNS = ("\t", "\\u0000")

# Numbers that may be beyond range.
DOUBTFUL_NUMBER = r"-?(?:[0-9]{19}|[0-9]+(?:\.[0-9]+)?[eE]|[nN]a|[iI]nf)"

# DuckDB makes joins of `in`, which carry every column along: a fifth of the query's time. And a plan is made while
# `lines` is empty, so it takes that for the smaller side of the join with the tenants, and loses the order of lines.
SETTINGS = "set disabled_optimizers = 'in_clause,build_side_probe_side'"

DOUBT = -1
EXTRA, MISSING, TENANT = "extra_forbidden", "missing", "tenant"  # of EXTRA and TENANT, the line tells the rest
_EXTRA_WORDS, _MISSING_WORDS = PydanticKnownError("extra_forbidden").message(), PydanticKnownError("missing").message()

_FIELDS = event_fields(AnalyticsEvent)
_EVENT = Field((), "event", ValueSql(lambda _: "true", ()), needed=True, nullable=False, inside=_FIELDS)
_ALL = list(_EVENT.with_inside())[1:]
_OBJECTS = [field for field in _EVENT.with_inside() if field.inside]
_IMPLIED = [field for field in _OBJECTS if any(inside.needed and not inside.nullable for inside in field.inside)]
_ASKED = [field for field in _ALL if field not in _IMPLIED]  # of a line that may be good
_AT = {field.path: field for field in _ALL}
_TENANT, _NAME, _PROPERTIES = _AT["metadata", "tenant_id"], _AT["event_name",], _AT["properties",]
_KEYS = [*(field.path for field in _OBJECTS), _PROPERTIES.path]


@dataclass(frozen=True)
class Fault:
    """What a number of `faulty` stands for."""

    path: Path
    rule: str
    expected: str = ""


class ContractSql:
    """The queries for some tenants and the contracts of their events; `tenants` is a table that they read."""

    def __init__(self, registered: AbstractSet[str], registry: EventRegistry) -> None:
        self.faults: list[Fault] = []
        applied = [(contract, tenants) for contract, tenants in registry.applied(registered) if contract.properties]
        self._names = [contract.event_name for contract, _ in applied]
        self._properties = [property_fields(contract.model) for contract, _ in applied]
        self._make_profiles(sorted(registered), [tenants for _, tenants in applied])
        self.good = self._good()
        self.faulty = self._faulty()

    def _make_profiles(self, registered: Sequence[str], applied: Sequence[AbstractSet[str]]) -> None:
        """Tenants to whom the same contracts apply have one profile."""
        profiles: dict[tuple[int, ...], int] = {}
        own = [tuple(n for n, tenants in enumerate(applied) if tenant in tenants) for tenant in registered]
        numbers = [profiles.setdefault(contracts, len(profiles)) for contracts in own]
        self._profiles = [[p for contracts, p in profiles.items() if n in contracts] for n in range(len(applied))]
        self._all_profiles = len(profiles)
        self.tenants = pa.table(
            {"tenant_id": pa.array(registered, pa.string()), "profile": pa.array(numbers, pa.int32())}
        )

    # --- what both begin with ---

    def _told(self, account: str, *, with_all: bool) -> str:
        """One row for each line: its values as JSON text, the contract of its properties and their values."""
        whole = f", {_keys(_KEYS)} as keys, json_extract(event, '$')::varchar as compact" if with_all else ""
        none = "contains(line, '\\') or not starts_with(line, '{') or" if with_all else ""
        fields = _ALL if with_all else _ASKED
        names = ", ".join(f"value[{place}] as {field.column}" for place, field in enumerate(fields, start=1))
        own = self._by_contract(
            [f"json_extract({_PROPERTIES.column}, {json_paths(found, 1)})::varchar[]" for found in self._properties]
        )
        return f"""
        plain as (
            -- filters could be tried in any order, and json_extract fails on what is no JSON: a case keeps them apart
            select position, claimed_tenant, case when {none}
                strlen(line) - strlen(replace(line, '{{', '')) > {OBJECTS}
                or (contains(line, '[') and strlen(line) - strlen(replace(line, '[', '')) > {ARRAYS})
                or regexp_matches(line, '{DOUBTFUL_COMMA}') or {_has_one_of(DOUBTFUL_SIGNS)}
                then null when json_valid(line) then line end as event
            from lines
        ),
        parsed as (
            select position, claimed_tenant, event,
                json_extract(event, {json_paths(fields)})::varchar[] as value{whole}
            from plain
        ),
        named as (select * exclude (value), {names} from parsed),
        owned as (
            select named.*, tenants.profile, {self._contract()} as contract
            from named left join tenants on tenants.tenant_id = {account}
        ),
        told as (select *, {own} as own from owned)
        """  # noqa: S608 - composed of the contracts' words, never of data

    def _contract(self) -> str:
        cases = []
        for number, (name, profiles) in enumerate(zip(self._names, self._profiles, strict=True)):
            own = "" if len(profiles) == self._all_profiles else f" and profile in ({', '.join(map(str, profiles))})"
            cases.append(f"when {_NAME.column} = {quoted(json.dumps(name))}{own} then {number}")
        return f"case when profile is null then null {' '.join(cases)} end::integer"

    def _by_contract(self, values: Sequence[str], otherwise: str = "null") -> str:
        cases = " ".join(f"when {number} then {value}" for number, value in enumerate(values))
        return f"case contract {cases} else {otherwise} end" if cases else otherwise

    # --- good ---

    def _good(self) -> str:
        tenant, properties = plain_text(_TENANT.column), _PROPERTIES.column
        conditions = [
            f"case when {_is_all_known()} then true else {_has_known_keys()} end",
            _distinct_if_few("own_keys"),
            f"(claimed_tenant is null or claimed_tenant = {tenant})",
            "profile is not null",  # a registered tenant's name needs no other look
            *(field.sure for field in _ASKED if field is not _TENANT),
            f"({properties} is null or not {_has_doubtful_number(properties)})",
            self._by_contract([" and ".join(field.sure for field in fields) for fields in self._properties], "true"),
        ]
        # Neither a filter nor an order: a filter would be moved below what parses, to parse anew for each condition.
        return f"""
        with {self._told(tenant, with_all=False)}
        select position, coalesce({" and ".join(conditions)}, false) as good, {", ".join(_row())}
        from (select *, json_keys({properties}) as own_keys from told)
        """  # noqa: S608 - as above

    # --- faulty ---

    def _faulty(self) -> str:
        tenant = plain_text(_TENANT.column)
        wrong_tenant = (
            f"case when {_TENANT.sound} and (claimed_tenant <> {tenant}"  # noqa: S608 - as above
            f" or not exists (select 1 from tenants as t where t.tenant_id = {tenant}))"
            f" then {self._number(Fault(_TENANT.path, TENANT))} end"
        )
        event = f"[{', '.join(self._codes(_EVENT, 1))}]"
        own = self._by_contract(
            [f"[{', '.join(self._code(field) for field in fields)}]" for fields in self._properties], "[]"
        )
        is_object = f"coalesce({_PROPERTIES.column}[1], '{{') = '{{'"
        numbers = f"{event} || case when {is_object} then {own} else [] end || [{wrong_tenant}]"
        certain = [
            *(_distinct(f"keys[{place}]") for place in range(1, len(_KEYS) + 1)),
            f"not {_has_doubtful_number('compact')}",
        ]
        # whether a line is decided is told, not filtered: see `good`
        return f"""
        with {self._told(f"coalesce(claimed_tenant, {tenant})", with_all=True)}
        select position, coalesce(event is not null and {" and ".join(certain)}, false) as certain,
            list_filter({numbers}, lambda number: number is not null) as faults
        from told
        """  # noqa: S608 - as above

    def _codes(self, parent: Field, place: int) -> Iterator[str]:
        """In the order in which pydantic tells faults: of each field, and of those inside it; then of what is extra."""
        for field in parent.inside:
            yield self._code(field)
            if field.inside:
                for code in self._codes(field, _OBJECTS.index(field) + 1):
                    yield f"case when {field.column}[1] = '{{' then {code} end"
        extra = self._number(Fault(parent.path, EXTRA, _EXTRA_WORDS))
        yield f"case when len(keys[{place}]) > {_present(parent)} then {extra} end"

    def _code(self, field: Field) -> str:
        v = field.column
        absent = str(self._number(Fault(field.path, MISSING, _MISSING_WORDS))) if field.needed else "null"
        cases = [f"when {v} is null then {absent}"]
        if field.nullable:
            cases.append(f"when {v} = 'null' then null")
        cases.append(f"when {field.value.doubtful(v)} then {DOUBT}")
        cases += [
            f"when {rule.broken(v)} then {self._number(Fault(field.path, rule.name, rule.expected))}"
            for rule in field.value.rules
        ]
        return f"case {' '.join(cases)} end"

    def _number(self, fault: Fault) -> int:
        self.faults.append(fault)
        return len(self.faults) - 1


def _row() -> Iterator[str]:
    for column in event_columns():
        value = _AT[column.path].column
        match column.type:
            case "timestamptz":
                value = f"try_cast({plain_text(value)} as timestamptz)"
            case "boolean":
                value = f"coalesce({value} = 'true', false)"
            case "jsonb":
                value = f"coalesce({value}, '{{}}')"
            case _:
                value = plain_text(value)
        yield f"{value} as {column.name}"


def _has_one_of(signs: Sequence[str]) -> str:
    return " or ".join(f"contains(line, {quoted(sign)})" for sign in signs)


def _present(parent: Field, certain: Sequence[Field] = ()) -> str:
    """How many of its fields there are."""
    told = " + ".join(f"({field.column} is not null)::integer" for field in parent.inside if field not in certain)
    return f"{told} + {sum(field in certain for field in parent.inside)}"


def _is_all_known() -> str:
    """The line is as long as what is known of it, so it holds nothing else: no other key, and none twice. Sure only
    where it is written without spaces; most are, and to read it for its keys takes a tenth of the check.

    JSON as DuckDB writes it is never longer than it was, but for numbers: so properties have to stand there as such.
    """
    # an object of n fields has n - 1 commas and two braces
    objects = len(_OBJECTS) + sum(len(f"{field.key},") for field in _OBJECTS if field is not _EVENT)
    values = " + ".join(f"coalesce(strlen({field.column}) + {len(f'{field.key},')}, 0)" for field in _ASKED)
    text = f"({_PROPERTIES.column} is null or contains(event, {_PROPERTIES.column}))"
    return f"strlen(event) - ({objects} + {values}) between 0 and 1 and {text}"  # a line break is shorter than any key


def _has_known_keys() -> str:
    """The same, of any line."""
    counts = f"list_transform({_keys([field.path for field in _OBJECTS])}, lambda names: len(names))"
    return f"{counts} = [{', '.join(_present(field, _IMPLIED) for field in _OBJECTS)}]"


def _keys(paths: Sequence[Path]) -> str:
    return f"json_keys(event, [{', '.join(json_path(path) for path in paths)}])"


def _has_doubtful_number(json_text: str) -> str:
    """In JSON as DuckDB writes it, without spaces. A search that begins with one sign takes a third of the time."""
    in_arrays = f"regexp_matches({json_text}, '[,\\[]{DOUBTFUL_NUMBER}')"
    return (
        f"(regexp_matches({json_text}, ':{DOUBTFUL_NUMBER}')"
        f" or case when contains({json_text}, '[') then {in_arrays} else false end)"
    )


def _distinct(keys: str) -> str:
    return f"({keys} is null or len({keys}) = list_unique({keys}))"


def _distinct_if_few(keys: str) -> str:
    """The same. Few keys are compared with one another: a third of the time, where there are many lines."""
    pairs = combinations((f"{keys}[{number}]" for number in range(1, FEW_KEYS + 1)), 2)
    apart = " and ".join(f"({one} = {other}) is not true" for one, other in pairs)
    return f"case when len({keys}) <= {FEW_KEYS} then {apart} else {_distinct(keys)} end"
