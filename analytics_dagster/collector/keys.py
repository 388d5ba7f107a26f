"""Write keys: made for a tenant, shown once, kept as a hash, revoked by number.

The key alone says whose an event is. It is 192 random bits, so a plain SHA-256 of it cannot be guessed back.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from analytics_dagster.collector.limits import TokenBucket
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy import Status, tenants_by_status

PREFIX = "adk_"
HINT_LENGTH = len(PREFIX) + 4


@dataclass(frozen=True)
class KeyInfo:
    """What may be shown of a key."""

    key_id: int
    tenant_id: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class WriteKey:
    """A key in use: whose it is, whether its tenant may send, how fast."""

    key_id: int
    tenant_id: str
    tenant_active: bool
    bucket: TokenBucket


def create_key(connection: psycopg.Connection, tenant_id: str) -> str:
    """A new key of a registered tenant: the only moment at which it can be seen."""
    key = PREFIX + secrets.token_urlsafe(24)
    try:
        with connection.transaction():
            _require_not_offboarded(connection, tenant_id)
            connection.execute(
                "insert into tenancy.write_keys (tenant_id, key_sha256, hint) values (%s, %s, %s)",
                [tenant_id, _digest(key).hex(), key[:HINT_LENGTH]],
            )
    except psycopg.errors.ForeignKeyViolation:
        known = sorted(tenants_by_status(connection, Status.ACTIVE, Status.SUSPENDED))
        raise AnalyticsError(
            f"there is no tenant {tenant_id!r}",
            remedy=f"registered are {', '.join(known)}"
            if known
            else "register one first: analytics-dagster tenant add",
        ) from None
    return key


def _require_not_offboarded(connection: psycopg.Connection, tenant_id: str) -> None:
    """The row is kept until the end of the transaction: an offboarding revokes all keys, and none may come after it."""
    row = connection.execute(
        "select status from tenancy.tenants where tenant_id = %s for share", [tenant_id]
    ).fetchone()
    if row == (Status.OFFBOARDED,):
        raise AnalyticsError(f"tenant {tenant_id} was offboarded", remedy="let it return under another id")


def list_keys(connection: psycopg.Connection) -> list[KeyInfo]:
    with connection.cursor(row_factory=class_row(KeyInfo)) as cursor:
        return cursor.execute(
            "select key_id, tenant_id, hint, created_at, revoked_at from tenancy.write_keys order by key_id"
        ).fetchall()


def revoke_key(connection: psycopg.Connection, key_id: int) -> KeyInfo:
    """Revoking again changes nothing, not even the time."""
    connection.execute(
        "update tenancy.write_keys set revoked_at = coalesce(revoked_at, clock_timestamp()) where key_id = %s", [key_id]
    )
    found = [key for key in list_keys(connection) if key.key_id == key_id]
    if not found:
        raise AnalyticsError(f"there is no write key {key_id}", remedy="see analytics-dagster collect key list")
    return found[0]


def usable_keys(connection: psycopg.Connection) -> dict[bytes, tuple[int, str, bool]]:
    """digest -> (key_id, tenant_id, is the tenant active) of every key that is not revoked."""
    rows = connection.execute(
        "select k.key_sha256, k.key_id, k.tenant_id, t.status = 'active' from tenancy.write_keys as k"
        " join tenancy.tenants as t on t.tenant_id = k.tenant_id where k.revoked_at is null"
    )
    return {bytes.fromhex(digest): (key_id, tenant_id, active) for digest, key_id, tenant_id, active in rows}


class KeyRing:
    """The usable keys in memory. When they cannot be read again, those that are known stay."""

    def __init__(self, read: Callable[[], Mapping[bytes, tuple[int, str, bool]]], events_per_second: float) -> None:
        self._read = read
        self._rate = events_per_second
        self._keys: dict[bytes, WriteKey] = {}

    def refresh(self) -> None:
        buckets = {key.key_id: key.bucket for key in self._keys.values()}
        self._keys = {
            digest: WriteKey(key_id, tenant_id, active, buckets.get(key_id) or TokenBucket(self._rate))
            for digest, (key_id, tenant_id, active) in self._read().items()
        }

    def find(self, key: str) -> WriteKey | None:
        return self._keys.get(_digest(key))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
