"""The life of a tenant as a pure function: active, suspended and back, and offboarded for ever.

What each move does to roles, keys and publications is in `moving`.
"""

from collections.abc import Mapping
from enum import StrEnum

from analytics_dagster.errors import AnalyticsError


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


class Move(StrEnum):
    SUSPEND = "suspend"
    RESUME = "resume"
    OFFBOARD = "offboard"


STEPS: Mapping[tuple[Status, Move], Status] = {
    (Status.ACTIVE, Move.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Move.RESUME): Status.ACTIVE,
    (Status.ACTIVE, Move.OFFBOARD): Status.OFFBOARDED,
    (Status.SUSPENDED, Move.OFFBOARD): Status.OFFBOARDED,
}


class TenantStatusError(AnalyticsError):
    """A tenant's status does not allow what was asked."""


def after(status: Status, move: Move, *, tenant_id: str) -> Status:
    """What a tenant is after a move, or the reason why it cannot make it."""
    if status is Status.OFFBOARDED:
        raise offboarded(tenant_id)
    step = STEPS.get((status, move))
    if step is None:
        allowed = " or ".join(move for of, move in STEPS if of is status)
        raise TenantStatusError(
            f"tenant {tenant_id} is {status} already", remedy=f"nothing is left to do; it may {allowed}"
        )
    return step


def offboarded(tenant_id: str) -> TenantStatusError:
    return TenantStatusError(
        f"tenant {tenant_id} was offboarded, and that is final",
        remedy=f"analytics-dagster tenant show {tenant_id} says when and why; an id is never used again, so let the"
        " customer return under another one",
    )
