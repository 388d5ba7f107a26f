"""The file that the loaders are measured with, and its clean CSV: made by DuckDB in seconds, the same each time.

An event is a pure function of its number, so a repeat is the same number again, in this file or in an older one.
Of every hundred lines of a file one is malformed and one is a repeat: what a load must count is known beforehand.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST_DAY = date(2026, 1, 1)
EVENTS_A_DAY = 1_000_000  # of all tenants: event 20,000,000 happens twenty days after the first
MALFORMED, REPEAT, REPEAT_OF_HISTORY = 36, 72, 12  # the place of each in every hundred lines

# share in percent, tenant, kind
TENANTS = (
    (54, "tonewave", "music"),
    (15, "kirana", "shop"),
    (12, "ledgerly", "saas"),
    (8, "harbour-post", "content"),
    (5, "lofi-lounge", "music"),
    (3, "corner-shop", "shop"),
    (2, "folha-livre", "content"),
    (1, "bergsoft", "saas"),
)

# share in percent, event name, event type, properties; what stands between @ is filled in
NAMES = {
    "music": (
        (62, "track_play", "user_action", '"track_id":"trk-@item@","duration_seconds":@small@,"completed":@flag@'),
        (14, "track_skip", "user_action", '"track_id":"trk-@item@","position_seconds":@small@'),
        (14, "page_viewed", "page_view", '"path":"/discover/@item@","title":"Neu für dich · Entdecken"'),
        (6, "search_performed", "user_action", '"words":3,"results":@small@,"filters":["album","artist"]'),
        (4, "payment_succeeded", "transaction", '"amount":"@money@","currency":"EUR","plan":"duo"'),
    ),
    "shop": (
        (55, "product_viewed", "page_view", '"product_id":"sku-@item@","list":"offers","position":@small@'),
        (25, "cart_changed", "user_action", '"product_id":"sku-@item@","quantity":@small@'),
        (12, "order_placed", "transaction", '"order_id":"ord-@id@","items":@small@,"coupon":null'),
        (8, "payment_succeeded", "transaction", '"amount":"@money@","currency":"INR"'),
    ),
    "saas": (
        (60, "feature_used", "user_action", '"feature":"forecast","duration_ms":@small@,"seat":"s-@item@"'),
        (25, "api_called", "system", '"quantity":@small@,"endpoint":"/v1/entries"'),
        (15, "report_exported", "user_action", '"format":"xlsx","rows":@small@,"report_id":"@id@"'),
    ),
    "content": (
        (60, "article_read", "user_action", '"article_id":"art-@item@","read_seconds":@small@,"section":"mundo"'),
        (30, "page_viewed", "page_view", '"path":"/section/@item@","title":"Notícias — últimas \\"24 h\\""'),
        (10, "comment_added", "user_action", '"length":@small@,"article_id":"art-@item@"'),
    ),
}
DEVICE = ',"device":"@device@","session":"@id@"'

FILLED_IN = {
    "item": "lpad(((e * 7919) % 20000)::varchar, 5, '0')",
    "small": "(1 + pick3 % 240)",
    "flag": "case when pick3 % 4 = 0 then 'false' else 'true' end",
    "money": "format('{}.{:02d}', 2 + pick3 % 60, pick3 % 100)",
    "id": "digest[3:12]",
    "device": "(['phone', 'tablet', 'desktop', 'speaker', 'car'])[1 + pick2 % 5]",
}

LINES = """
with numbered as (
    select n, n % 100 as place, <number> as e from range(<events>) as lines (n)
),
picked as (
    select
        n, place, e,
        md5(e::varchar) as digest,
        (hash(e) // 64)::bigint as pick1,
        (hash(e) // 64 // 10000)::bigint as pick2,
        (hash(e) // 64 // 1000000)::bigint as pick3
    from numbered
),
who as (
    select
        *,
        <tenant> as tenant_id,
        <kind> as kind,
        -- in the order of time but for seconds, and one in fifty comes hours or days late
        timestamp '<first day>' + to_milliseconds(
            (e * <milliseconds>)::bigint - pick3 % 60000 - case when pick2 % 50 = 0 then pick3 % 250000000 else 0 end
        ) as occurred_at,
        'u-' || lpad((least(pick2 % 30000, pick3 % 30000))::varchar, 6, '0') as somebody
    from picked
),
what as (
    select *, <name> as event_name, <type> as event_type from who
),
event as (
    select
        n, place, pick3, tenant_id, event_name, event_type, occurred_at,
        format('{}-{}-4{}-a{}-{}', digest[1:8], digest[9:12], digest[14:16], digest[18:20], digest[21:32]) as event_id,
        case when event_type in ('transaction', 'system') then 'backend'
            else (['mobile_app', 'mobile_app', 'web_app', 'desktop_app'])[1 + pick2 % 4] end as source,
        case when event_type = 'transaction' or pick3 % 6 > 0 then somebody end as user_id,
        case when event_type <> 'transaction' and pick3 % 6 < 3 then 'a-' || digest[5:24] end as anonymous_id,
        source <> 'backend' and pick2 % 100 = 0 as is_test,
        '{' || <properties> || <device> || '}' as properties
    from what
),
sent as (
    select
        *,
        '{"metadata":{"event_id":"' || event_id || '","tenant_id":"' || tenant_id || '","source":"' || source
            || '","timestamp":"'
            -- phones tell local time, servers leave out what is empty
            || case when source = 'mobile_app'
                then strftime(occurred_at + interval 330 minute, '%Y-%m-%dT%H:%M:%S.%g+05:30')
                else strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ') end || '"'
            || case when user_id is not null then ',"user_id":"' || user_id || '"'
                when source <> 'backend' then ',"user_id":null' else '' end
            || coalesce(',"anonymous_id":"' || anonymous_id || '"', '')
            || case when source <> 'backend' then ',"is_test":' || is_test else '' end
            || '},"event_type":"' || event_type || '","event_name":"' || event_name
            || '","properties":' || properties || '}' as line
    from event
),
lines as (
    select
        *,
        n + 1 as number,
        case when place <> <malformed> then line
            when pick3 % 6 = 0 then line[1:150]  -- the writer died in the middle of it
            when pick3 % 6 = 1 then 'ERROR upload worker: connection reset by peer'
            when pick3 % 6 = 2 then replace(line, '"timestamp":"', '"timestamp":"about ')
            when pick3 % 6 = 3 then replace(line, '"event_type":"', '"event_type":"odd_')
            when pick3 % 6 = 4 then replace(line, '"tenant_id":"', '"tenant_id":"Ghost of ')
            else replace(line, '"event_name":', '"event_nmae":') end as spoilt
    from sent
)
"""

COLUMNS = (
    "tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test, properties,"
    " batch_id, line_number, load_day"
)


@dataclass(frozen=True)
class EventFile:
    """Lines for the event numbers from `first` on; with a `history`, one in a hundred repeats a number below it."""

    events: int
    first: int = 0
    history: int = 0

    def __post_init__(self) -> None:
        assert self.events % 100 == 0, "the shares are exact in whole hundreds"
        assert not self.history or self.events <= self.history <= self.first, "history is older, and not smaller"

    @property
    def day(self) -> date:
        """The loading day."""
        return FIRST_DAY + timedelta(days=self.first // EVENTS_A_DAY + 1)

    @property
    def accepted(self) -> int:
        """Where the history is not loaded, its repeats are accepted."""
        return self.events - self.quarantined - self.repeats

    @property
    def quarantined(self) -> int:
        return self.events // 100

    @property
    def repeats(self) -> int:
        return self.events // 100

    @property
    def repeats_of_history(self) -> int:
        return self.events // 100 if self.history else 0

    def write_lines(self, path: Path, *, malformed: bool = True) -> Path:
        """As producers sent them."""
        good_only = "" if malformed else f"where place <> {MALFORMED}"
        return self._copy(f"select spoilt from lines {good_only}", path, ", quote '', escape '', delimiter '\x01'")

    def write_clean(self, path: Path, *, batch_id: int = 1) -> Path:
        """What is left when the malformed lines and the repeats within the file are gone, as raw.events has it."""
        rows = (
            f"select tenant_id, event_id, event_type, event_name, source, occurred_at::timestamp::varchar || '+00',"
            f" user_id, anonymous_id, is_test, properties, {batch_id}, number, date '{self.day}'"
            f" from lines where place not in ({MALFORMED}, {REPEAT})"
        )
        return self._copy(rows, path, "")

    def land(self, landing_dir: Path) -> Path:
        """Write the lines as a file of its loading day; it may mix tenants, because no folder claims one."""
        folder = landing_dir / self.day.isoformat()
        folder.mkdir(parents=True)
        return self.write_lines(folder / "events.ndjson")

    def _copy(self, query: str, path: Path, options: str) -> Path:
        with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(path.parent)}) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute(f"copy ({self._lines()} {query}) to '{path}' (format csv, header false{options})")
        return path

    def _lines(self) -> str:
        """The query that ends with `lines`: one row for each line, taken apart and as text."""
        number = f"case when place = {REPEAT} then {self.first} + n - 1 - 100 * (hash(n) % (1 + n // 100))::bigint"
        if self.history:
            step = 100 * (self.history // self.events)
            number += f" when place = {REPEAT_OF_HISTORY} then {step} * (n // 100) + 50"
        words = {
            "events": str(self.events),
            "number": f"{number} else {self.first} + n end",
            "first day": FIRST_DAY.isoformat(),
            "milliseconds": str(86_400_000 / EVENTS_A_DAY),
            "tenant": _by_share("pick1 // 100 % 100", [(share, f"'{tenant}'") for share, tenant, _ in TENANTS]),
            "kind": _by_share("pick1 // 100 % 100", [(share, f"'{kind}'") for share, _, kind in TENANTS]),
            "name": _by_kind(1),
            "type": _by_kind(2),
            "properties": _by_kind(3),
            "device": _filled(DEVICE),
            "malformed": str(MALFORMED),
        }
        query = LINES
        for word, meaning in words.items():
            query = query.replace(f"<{word}>", meaning)
        return query


def _by_share(roll: str, values: list[tuple[int, str]]) -> str:
    """The SQL value that a roll from 0 to 99 falls on."""
    whens, below = "", 0
    for share, value in values:
        below += share
        whens += f" when {roll} < {below} then {value}"
    assert below == 100, "shares are percents"  # noqa: PLR2004
    return f"case{whens} end"


def _by_kind(place: int) -> str:
    """The SQL of a part of an event that depends on the tenant's kind: name, type or properties."""
    kinds = ""
    for kind, names in NAMES.items():
        parts = [(row[0], _filled(str(row[place]))) for row in names]
        kinds += f" when kind = '{kind}' then {_by_share('pick1 % 100', parts)}"
    return f"case{kinds} end"


def _filled(text: str) -> str:
    parts = text.split("@")
    return " || ".join(FILLED_IN[part] if odd % 2 else f"'{part}'" for odd, part in enumerate(parts) if part)
