"""An event as it was meant: what happened to whom and when, before it is written down and anything goes wrong with it.

Who wants to know the truth of single events (tests do) gives `generate` a witness; nobody else keeps them. How an
event is written down is in `lines`, what goes wrong in `faults`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from analytics_dagster.sample.clock import moment
from analytics_dagster.sample.life import Intent
from analytics_dagster.sample.people import Person
from analytics_dagster.sample.wording import Properties
from analytics_dagster.schemas import AnalyticsChannelType as Channel


class Intended(NamedTuple):
    """Of a load that is served; test traffic too, since it is counted."""

    tenant_id: str
    event_id: str
    event_type: str
    event_name: str
    at: datetime
    user_id: str | None
    anonymous_id: str | None
    is_test: bool
    properties: Properties


TESTER = "qa-robot"  # on whatever device it borrows

Witness = Callable[[Intended], None]


def intended(tenant_id: str, event_id: str, intent: Intent, person: Person | None, *, is_test: bool) -> Intended:
    user_id, device = (person.user_id, person.anonymous_id) if person else (None, None)
    if intent.source is Channel.BACKEND and user_id is not None:
        device = None  # a backend knows the account, not where it is used
    return Intended(
        tenant_id=tenant_id,
        event_id=event_id,
        event_type=intent.type,
        event_name=intent.name,
        at=moment(intent.at),
        user_id=TESTER if is_test else user_id,
        anonymous_id=device,
        is_test=is_test,
        properties=intent.properties,
    )
