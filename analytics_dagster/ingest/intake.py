"""Who may send, and what their events must hold: all that judging a line depends on, besides the line.

Read once for a load or a replay, so that all of it is judged alike.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import psycopg

from analytics_dagster.schemas.event_contract import NO_EVENT_CONTRACTS, EventRegistry
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.tenancy.limits import tenant_limits


@dataclass(frozen=True)
class Intake:
    registered: AbstractSet[str]  # whose events are taken in: a suspended tenant's, too
    contracts: EventRegistry = NO_EVENT_CONTRACTS
    offboarded: AbstractSet[str] = frozenset()  # whose events are refused, in their own account
    event_bytes: Mapping[str, int] = field(default_factory=dict)  # each tenant's limit

    def account_of(self, claimed_tenant: str | None, named_tenant: str | None = None) -> str | None:
        """Whose fault a refused line is. A folder speaks for its tenant alone: nobody can have another one held."""
        tenant = named_tenant if claimed_tenant is None else claimed_tenant
        return tenant if tenant in self.registered or tenant in self.offboarded else None


def intake_of_today(connection: psycopg.Connection, contracts: EventRegistry) -> Intake:
    kinds: dict[str, str] = dict(connection.execute("select tenant_id, kind from tenancy.tenants").fetchall())
    return Intake(
        registered=frozenset(tenants_by_status(connection, Status.ACTIVE, Status.SUSPENDED)),
        contracts=contracts.knowing(kinds),
        offboarded=frozenset(tenants_by_status(connection, Status.OFFBOARDED)),
        event_bytes={tenant: limits.event_bytes for tenant, limits in tenant_limits(connection).items()},
    )
