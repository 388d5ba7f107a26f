"""Tenants and events to bill, written straight into the warehouse's tables."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from psycopg.types.json import Jsonb

MAY = date(2025, 5, 1)
LOADED = date(2025, 6, 2)


@dataclass(frozen=True)
class Happened:
    """An accepted event, as far as billing looks at it."""

    at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    event_type: str = "user_action"
    is_test: bool = False
    load_day: date = LOADED
    tenant_id: str = "lofi-lounge"


@dataclass
class Books:
    """What a test puts into the warehouse."""

    connection: object
    written: int = field(default=0)

    def tenant(self, tenant_id="lofi-lounge", name="Lo-Fi Lounge", time_zone="UTC", currency="USD", plan="growth"):
        self.connection.execute(
            "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
            " configuration) values (%s, %s, 'music', 'standard', %s, %s, %s, 'eu-west', '{}')",
            [tenant_id, name, time_zone, currency, plan],
        )
        self.connection.commit()

    def events(self, *events):
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into raw.events values (%s, %s, %s, 'played', 'api', %s, %s, %s, %s, '{}', %s, 1, 1)",
                [
                    (e.tenant_id, str(self.written + n), e.event_type, e.at, e.user_id, e.anonymous_id, e.is_test,
                     e.load_day)
                    for n, e in enumerate(events)
                ],
            )  # fmt: skip
        self.written += len(events)
        for tenant_id, load_day in sorted({(e.tenant_id, e.load_day) for e in events}):
            batch = self.connection.execute(
                "insert into raw.batches (load_day, path, content_sha256, bytes)"
                " values (%s, 'f', gen_random_uuid(), 1) returning batch_id",
                [load_day],
            ).fetchone()[0]
            accepted = sum((e.tenant_id, e.load_day) == (tenant_id, load_day) for e in events)
            self.connection.execute(
                "insert into raw.accounts values (%s, %s, %s, %s, %s, 0, 0)",
                [batch, tenant_id, load_day, accepted, accepted],
            )
        self.connection.commit()

    def hold(self, load_day, *reasons, tenant_id="lofi-lounge"):
        self.connection.execute(
            "insert into quality.holds values (%s, %s, %s)", [load_day, tenant_id, Jsonb(list(reasons))]
        )
        self.connection.commit()

    def build(self):
        """What a build does with the holds: each tenant stands at its first one."""
        self.connection.execute("delete from pipeline.fronts")
        self.connection.execute(
            "insert into pipeline.fronts select tenant_id, min(load_day) from quality.holds group by tenant_id"
        )
        self.connection.commit()


def utc(*moment):
    return datetime(*moment, tzinfo=UTC)
