"""Lifecycles that only move forward: an enum of states that knows which may follow which, and its model.

What a state asks of the other fields is said by the contract that has it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from pydantic import Field

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas._parts import Record
from analytics_dagster.schemas.base import UtcDatetime, utc_now


class LifecycleError(AnalyticsError):
    """A move that the lifecycle does not have."""


class Lifecycle(StrEnum):
    """A closed set of states; `steps` says which may follow each."""

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        raise NotImplementedError

    @property
    def may_become(self) -> tuple[Self, ...]:
        return tuple(type(self)(word) for word in self.steps().get(self, ()))

    @property
    def is_final(self) -> bool:
        return not self.may_become


State = TypeVar("State", bound=Lifecycle)


class Stateful(Record, Generic[State]):
    state: State
    state_since: UtcDatetime = Field(default_factory=utc_now, description="When it came to this state, in UTC.")

    def moved_to(self, state: State, *, at: datetime | None = None, **filled: Any) -> Self:
        """The same in a later state, with the fields that this state asks for."""
        moment = at or utc_now()
        if state not in self.state.may_become:
            followers = ", ".join(self.state.may_become)
            raise LifecycleError(
                f"{self.state} does not become {state}",
                where=type(self).__name__,
                remedy=f"move it to {followers}" if followers else f"{self.state} is final: make a new one",
            )
        if moment < self.state_since:
            raise LifecycleError(
                f"{moment.isoformat()} is before it became {self.state}",
                where=type(self).__name__,
                remedy=f"give a time from {self.state_since.isoformat()} on",
            )
        return self.changed(state=state, state_since=moment, **filled)
