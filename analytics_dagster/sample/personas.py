"""How the people of each kind of tenant behave, as data: rhythm, actions, prices, the experiment.

Tuning the sample means changing a figure here. Who a single person is belongs to `people`, what they
do day by day to `life`, what an event says in its properties to `wording`.
"""

from dataclasses import dataclass, field

from analytics_dagster.schemas import AnalyticsEventType as Type
from analytics_dagster.schemas import TenantKind

NIGHT_OWLS = (6, 4, 3, 2, 1, 1, 2, 4, 5, 4, 4, 4, 5, 5, 4, 5, 6, 8, 9, 10, 10, 10, 10, 9)
SHOPPERS = (2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 6, 5, 5, 6, 7, 9, 11, 12, 10, 7, 4)
OFFICE = (1, 0.5, 0.2, 0.2, 0.2, 0.5, 2, 5, 10, 13, 13, 11, 7, 10, 12, 12, 10, 7, 4, 3, 2, 2, 2, 1)
READERS = (2, 1, 1, 1, 2, 4, 8, 11, 9, 6, 4, 4, 7, 6, 4, 3, 4, 6, 7, 7, 8, 8, 6, 4)


@dataclass(frozen=True)
class Step:
    """A thing done in a session besides the primary action."""

    name: str
    type: Type
    weight: float


@dataclass(frozen=True)
class Persona:
    action: str  # the event that the kind of tenant exists for
    metric: str  # what kpi_daily calls its count
    action_share: float  # of the steps of a session
    steps: tuple[Step, ...]
    rejection: str  # the step that grows as somebody loses interest
    sessions_per_day: float
    steps_per_session: float
    pause: tuple[int, int]  # seconds between two steps
    hours: tuple[float, ...]  # weight of the local hours 0..23
    weekdays: tuple[float, ...]  # Monday first
    leaving: float  # chance a day, at average engagement
    subscribing: float
    anonymous: float  # share of visitors that are never known by name
    prices: dict[str, int]  # of a month, in hundredths
    order: int = 0  # median amount of an order, in hundredths
    experiment: str = ""
    effect: float = 0.0  # the treated take the primary action so much more often
    services: tuple[str, ...] = field(default=("app_error",))  # system events beside the sessions

    def plan_after(self, plan: str) -> str:
        """What somebody takes instead: the next larger one, and the smallest instead of the largest."""
        plans = list(self.prices)
        return plans[(plans.index(plan) + 1) % len(plans)]


PERSONAS = {
    TenantKind.MUSIC: Persona(
        action="track_play",
        metric="plays",
        action_share=0.52,
        steps=(
            Step("track_skip", Type.USER_ACTION, 3),
            Step("page_viewed", Type.PAGE_VIEW, 3),
            Step("search_performed", Type.USER_ACTION, 2),
            Step("playlist_changed", Type.USER_ACTION, 1),
        ),
        rejection="track_skip",
        sessions_per_day=0.36,
        steps_per_session=4.6,
        pause=(60, 280),
        hours=NIGHT_OWLS,
        weekdays=(0.9, 0.9, 0.95, 1.0, 1.2, 1.3, 1.1),
        leaving=0.005,
        subscribing=0.5,
        anonymous=0.03,
        prices={"solo": 999, "duo": 1399, "family": 1699},
        experiment="autoplay_next",
        effect=0.15,
    ),
    TenantKind.SHOP: Persona(
        action="order_placed",
        metric="orders",
        action_share=0.10,
        steps=(
            Step("product_viewed", Type.PAGE_VIEW, 6),
            Step("search_performed", Type.USER_ACTION, 2),
            Step("cart_changed", Type.USER_ACTION, 2),
            Step("cart_abandoned", Type.USER_ACTION, 0.5),
        ),
        rejection="cart_abandoned",
        sessions_per_day=0.27,
        steps_per_session=4.4,
        pause=(15, 150),
        hours=SHOPPERS,
        weekdays=(1.0, 0.9, 0.9, 1.0, 1.1, 1.3, 1.3),
        leaving=0.0045,
        subscribing=0.12,
        anonymous=0.25,
        prices={"club": 490, "club_plus": 990},
        order=3_200,
        experiment="one_page_checkout",
        effect=0.25,
    ),
    TenantKind.SAAS: Persona(
        action="feature_used",
        metric="feature_uses",
        action_share=0.62,
        steps=(
            Step("page_viewed", Type.PAGE_VIEW, 5),
            Step("report_exported", Type.USER_ACTION, 1),
            Step("comment_added", Type.USER_ACTION, 1),
            Step("action_undone", Type.USER_ACTION, 0.6),
        ),
        rejection="action_undone",
        sessions_per_day=0.42,
        steps_per_session=4.8,
        pause=(20, 420),
        hours=OFFICE,
        weekdays=(1.2, 1.3, 1.3, 1.25, 1.1, 0.25, 0.2),
        leaving=0.004,
        subscribing=0.75,
        anonymous=0.0,
        prices={"starter": 1900, "team": 4900, "business": 9900},
        experiment="guided_setup",
        effect=0.10,
        services=("api_called", "app_error"),
    ),
    TenantKind.CONTENT: Persona(
        action="article_read",
        metric="reads",
        action_share=0.40,
        steps=(
            Step("page_viewed", Type.PAGE_VIEW, 6),
            Step("article_shared", Type.USER_ACTION, 1),
            Step("search_performed", Type.USER_ACTION, 1),
            Step("article_closed", Type.USER_ACTION, 1),
        ),
        rejection="article_closed",
        sessions_per_day=0.38,
        steps_per_session=3.8,
        pause=(25, 260),
        hours=READERS,
        weekdays=(1.1, 1.05, 1.05, 1.05, 1.0, 0.85, 0.9),
        leaving=0.0055,
        subscribing=0.3,
        anonymous=0.2,
        prices={"digital": 790, "digital_print": 1990},
        experiment="shorter_teasers",
        effect=0.20,
    ),
}


@dataclass(frozen=True)
class Chances:
    """What happens to everybody alike, as probabilities."""

    campaign_a_day: float = 0.012
    service_event_a_day: float = 0.07  # on days with a session
    long_pause: float = 0.02  # between two steps
    offline: float = 0.01  # of the sessions arrive days later
    order_refunded: float = 0.05
    payment_failed: float = 0.06
    renewal_refunded: float = 0.04
    ticket: float = 0.004  # a step; more as somebody loses interest:
    ticket_of_the_leaving: float = 0.07
    older: float = 0.6  # had joined before the window
    fading: float = 0.85  # of the leavers lose interest before they leave
    pausing: float = 0.35  # look for a while as if they did, and stay
    known_device: float = 0.3


CHANCES = Chances()

# What the same thing costs elsewhere, so that amounts look like amounts of that currency.
PRICE_LEVELS = {"INR": 20, "BRL": 3, "JPY": 100}


def price_level(currency: str) -> int:
    return PRICE_LEVELS.get(currency, 1)
