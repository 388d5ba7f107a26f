"""Who a person is: when they joined, how engaged they are, whether and when they will leave.

Drawn once, from the person's own random numbers. What they then do each day is in `life`.
"""

import math
from dataclasses import dataclass
from random import Random

from analytics_dagster.sample.personas import CHANCES, Persona
from analytics_dagster.schemas import AnalyticsChannelType as Channel

OLDEST = 400  # days before the window in which the first have joined
_CHANGING = 4  # one of so many would rather have another plan
_FADED = 0.82  # of their vigour, people lose before they leave


@dataclass(frozen=True)
class Person:
    index: int
    user_id: str | None
    anonymous_id: str | None
    device: str
    source: Channel
    engagement: float  # 1 is average
    joined: int  # the number of the local day
    left: int  # their last day; everybody leaves once, most of them after the window
    fading: int | None  # the day from which it shows; some leave without any sign
    pause: range  # a holiday or an exam: looks like fading for a while, and is not
    subscribed: int | None
    plan: str
    changes_plan: bool  # at their second payment of the window
    variant: str  # of the experiment
    familiar: tuple[int, ...]

    @property
    def actor(self) -> str:
        return self.user_id or self.anonymous_id or ""

    def present(self, day: int) -> bool:
        return self.joined <= day <= self.left

    def vigour(self, day: int) -> float:
        """1 on an ordinary day; it sinks over the weeks before somebody leaves."""
        if self.fading is None or day < self.fading:
            return 1.0
        # fast at first: interest goes before the habit does
        return 1.0 - _FADED * math.sqrt((day - self.fading + 1) / (self.left - self.fading + 1))

    def appetite(self, day: int) -> float:
        return 0.25 if day in self.pause else self.vigour(day)


def draw_person(persona: Persona, index: int, first: int, last: int, rng: Random) -> Person:
    days = last - first + 1
    visitor = rng.random() < persona.anonymous
    engagement = min(3.0, max(0.2, rng.lognormvariate(-0.15, 0.55)))
    older = rng.random() < CHANCES.older
    joined = first - 1 - int(OLDEST * rng.random()) if older else first + int(days * rng.random())
    left = _leaving_day(persona, max(joined, first), engagement, visitor=visitor, rng=rng)
    fading = left - 14 - int(10 * rng.random()) if rng.random() < CHANCES.fading else None
    pause_from = first + int(days * rng.random()) if rng.random() < CHANCES.pausing else last + 1
    subscriber = not visitor and rng.random() < persona.subscribing
    device, source = _DEVICES[int(len(_DEVICES) * rng.random())]
    return Person(
        index=index,
        # tenants number their people alike, so that a join without the tenant shows at once
        user_id=None if visitor else f"user-{index:06d}",
        anonymous_id=f"device-{rng.getrandbits(40):010x}" if visitor or rng.random() < CHANCES.known_device else None,
        device=device,
        source=source,
        engagement=engagement,
        joined=joined,
        left=left,
        fading=fading,
        pause=range(pause_from, pause_from + 6 + int(9 * rng.random())),
        subscribed=joined + int(8 * rng.random() ** 2) if subscriber else None,
        plan=rng.choice(list(persona.prices)),
        changes_plan=index % _CHANGING == 0,
        variant=rng.choice("AB"),
        familiar=tuple(int(20_000 * rng.random()) for _ in range(8)),
    )


def _leaving_day(persona: Persona, since: int, engagement: float, *, visitor: bool, rng: Random) -> int:
    hazard = persona.leaving * (4 if visitor else 1) / math.sqrt(engagement)
    return since + int(rng.expovariate(hazard))


_DEVICES = (
    ("android", Channel.MOBILE_APP),
    ("iphone", Channel.MOBILE_APP),
    ("browser", Channel.WEB_APP),
    ("browser", Channel.WEB_APP),
    ("desktop", Channel.DESKTOP_APP),
)
