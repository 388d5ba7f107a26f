"""The query that vouches for lines: DuckDB over an Arrow table `lines` (position, claimed_tenant, line).

A line it returns is one that the contract accepts; of the others it says nothing. DuckDB's JSON reader takes
more than JSON (trailing commas, NaN, numbers of any size, any depth) and two equal keys: whatever could be
one of these is not vouched for. Values are looked at as JSON text, quotes included: `"a"` is not `1`.
"""

from collections.abc import Iterable

from analytics_dagster.schemas import AnalyticsChannelType, AnalyticsEventType
from analytics_dagster.schemas.base import EVENT_NAME_PATTERN, IDENTIFIER_LENGTH

OBJECTS = 3  # the event, its metadata, its properties: keys of deeper ones are not compared here
ARRAYS = 64  # far below the depth that the contract's reader goes to

# Every way to write a comma that nothing follows, and a NUL. Plain searches: one pattern takes 3 x their time.
DOUBTFUL = (",}", ",]", ", }", ", ]", ",  ", ",\r", ", \r", "\t", "\\u0000")

# Numbers that may be beyond range, in JSON as DuckDB writes it: without spaces.
DOUBTFUL_NUMBER = r"[:,\[]-?(?:[0-9]{19}|[0-9]+(?:\.[0-9]+)?[eE]|[nN]a|[iI]nf)"

# Years at the rim of what the contract allows, and more digits than microseconds, are left to the contract.
TIMESTAMP = (
    r"(19[89][0-9]|20[0-8][0-9])-[01][0-9]-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)

_EVENT = ("metadata", "event_type", "event_name", "properties")
_METADATA = ("event_id", "tenant_id", "source", "timestamp", "user_id", "anonymous_id", "is_test")
_PATHS = [f"$.{field}" for field in _EVENT] + [f"$.metadata.{field}" for field in _METADATA]


def _text(column: str) -> str:
    """The text inside the quotes; right only where nothing is escaped."""
    return f"substring(nullif({column}, 'null'), 2, length({column}) - 2)"


def _one_of(column: str, words: Iterable[str]) -> str:
    quoted = ", ".join(f"'\"{word}\"'" for word in words)
    return f"{column} in ({quoted})"


def _matches(column: str, pattern: str) -> str:
    return f"regexp_full_match({column}, '\"{pattern.removeprefix('^').removesuffix('$')}\"')"


def _identifier(column: str) -> str:
    # without a backslash there is no control character either; bytes are never fewer than characters
    return (
        f"({column}[1] = '\"' and not contains({column}, '\\')"
        f" and strlen({column}) between 3 and {IDENTIFIER_LENGTH + 2})"
    )


def _present(columns: Iterable[str]) -> str:
    return " + ".join(f"({column} is not null)::integer" for column in columns)


_CONDITIONS = (
    "metadata[1] = '{'",
    "coalesce(properties[1], '{') = '{'",
    # no other key, and none twice
    f"len(keys[1]) = {_present(_EVENT)}",
    f"len(keys[2]) = {_present(_METADATA)}",
    "(keys[3] is null or len(keys[3]) = list_unique(keys[3]))",
    # what the values may be
    "list_contains($registered, tenant_id)",
    f"(claimed_tenant is null or claimed_tenant = {_text('tenant_id')})",
    _identifier("event_id"),
    f"(coalesce(user_id, 'null') = 'null' or {_identifier('user_id')})",
    f"(coalesce(anonymous_id, 'null') = 'null' or {_identifier('anonymous_id')})",
    "coalesce(is_test, 'false') in ('true', 'false')",
    _one_of("source", AnalyticsChannelType),
    _one_of("event_type", AnalyticsEventType),
    _matches("event_name", EVENT_NAME_PATTERN),
    _matches("timestamp", TIMESTAMP),
    f"(properties is null or not regexp_matches(properties, '{DOUBTFUL_NUMBER}'))",
)

# Filters could be tried in any order, and json_extract fails on what is no JSON: a case keeps them apart.
# Materialized, or the optimizer parses each line again for every condition: 4 x the time.
SURELY_GOOD = f"""
with plain as (
    select
        position,
        claimed_tenant,
        case
            when strlen(line) - strlen(replace(line, '{{', '')) <= {OBJECTS}
                and strlen(line) - strlen(replace(line, '[', '')) <= {ARRAYS}
                and {" and ".join(f"not contains(line, '{sign}')" for sign in DOUBTFUL)}
                and json_valid(line)
            then line
        end as line
    from lines
),
parsed as (
    select
        position,
        claimed_tenant,
        json_extract(line, {_PATHS})::varchar[] as value,
        json_keys(line, ['$', '$.metadata', '$.properties']) as keys
    from plain
),
named as materialized (
    select
        position,
        claimed_tenant,
        keys,
        {", ".join(f"value[{place}] as {name}" for place, name in enumerate(_EVENT + _METADATA, start=1))}
    from parsed
),
vouched as (
    select *, try_cast({_text("timestamp")} as timestamptz) as occurred_at
    from named
    where {" and ".join(_CONDITIONS)}
)
select
    position,
    {_text("tenant_id")} as tenant_id,
    {_text("event_id")} as event_id,
    {_text("event_type")} as event_type,
    {_text("event_name")} as event_name,
    {_text("source")} as source,
    occurred_at,
    {_text("user_id")} as user_id,
    {_text("anonymous_id")} as anonymous_id,
    coalesce(is_test = 'true', false) as is_test,
    coalesce(properties, '{{}}') as properties
from vouched
where occurred_at is not null
order by position
"""  # noqa: S608 - composed of the words above and of the contract's, never of data
