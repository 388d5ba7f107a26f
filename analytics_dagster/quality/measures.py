"""What a load is measured by: every measure's name, suite, meaning, and where its value comes from.

A share of events names the rows it is of and the two conditions; profiles are counted and samples of faulty events are
found by these same conditions. Computing is `profiling`'s (one load by itself) and `history`'s (against earlier ones).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# what dbt's macro decimal_property reads as a number; a test holds the two together
READABLE_AMOUNT = r"^[+-]?[0-9]{1,12}(\.[0-9]{1,20})?$"

Suite = Literal["raw_events", "staging_users", "staging_sessions", "staging_payments"]
# events: without test events; all: with them; payments: events about money, see `load_sql`
Rows = Literal["events", "all", "payments"]


@dataclass(frozen=True, slots=True)
class Share:
    """Which of the rows are in question, and which of these are counted: conditions in SQL."""

    rows: Rows
    of: str
    part: str
    wanted: bool = False  # the more the better: then the faulty events are those that are not counted

    @property
    def faulty(self) -> str:
        return f"({self.of}) and ({self.part}) is {'not true' if self.wanted else 'true'}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """With which absolute measure of earlier loads a load's own is compared, and how."""

    of: str
    how: Literal["deviation", "ratio", "share_ratio", "largest_ratio"]


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    suite: Suite
    says: str
    source: str | Share | Comparison | None  # SQL over the parts of `load_sql`; None: the mix of event names

    @property
    def kind(self) -> Literal["absolute", "relative"]:
        return "absolute" if isinstance(self.source, str | Share) else "relative"


def _of(suite: Suite, measures: Iterable[tuple[str, str, str | Share | Comparison | None]]) -> tuple[Measure, ...]:
    return tuple(Measure(name, suite, says, source) for name, says, source in measures)


ENGAGEMENT = "event_type in ('user_action', 'page_view')"
ACTOR = "coalesce(user_id, anonymous_id)"
MONEY = "event_name in ('payment_succeeded', 'payment_refunded')"  # what the marts count; a failed payment moves none
REFUND = "event_name = 'payment_refunded'"

RAW_EVENTS = _of(
    "raw_events",
    (
        ("received", "lines that came", "a.received"),
        ("accepted", "lines that were new and well-formed", "a.accepted"),
        ("quarantined", "lines that were refused", "a.quarantined"),
        ("duplicate_share", "of the lines, those seen before", "a.duplicate / a.received"),
        ("quarantined_share", "of the lines, those refused", "a.quarantined / a.received"),
        (
            "identified_share",
            "of engagement, what names a user or a visitor",
            Share("events", ENGAGEMENT, f"{ACTOR} is not null", wanted=True),
        ),
        (
            "future_share",
            "of the events, those more than a day after the load day's end",
            Share("events", "true", "occurred_at >= (load_day + 2)::timestamptz"),
        ),
        (
            "late_share",
            "of the events, those more than three days before the load day",
            Share("events", "true", "occurred_at < (load_day - 3)::timestamptz"),
        ),
        (
            "hours_behind",
            "hours from the newest event that is not from the future to the load day's end",
            "date_part('epoch', greatest((a.load_day + 1)::timestamptz, e.newest) - e.newest) / 3600",
        ),
        (
            "midnight_share",
            "of the events, those at midnight exactly (UTC): a date without a time",
            Share("events", "true", "occurred_at::time = time '00:00'"),
        ),
        ("busiest_hour_share", "of the events, those within the fullest hour (UTC)", "h.busiest / nullif(h.events, 0)"),
        (
            "bare_share",
            "of the events, those without any property",
            # the size is a cheap question that nearly all rows answer; comparing jsonb is not
            Share("events", "true", "pg_column_size(properties) <= 16 and properties = '{}'"),
        ),
        ("test_share", "of all events, test events", Share("all", "true", "is_test")),
        (
            "undeclared_share",
            "of the events, those whose name has no contract",
            Share(
                "events",
                "cardinality(%(declared)s::text[]) > 0",
                "event_name <> all (%(declared)s::text[])",
            ),
        ),
        ("largest_source_share", "of the events, those of the fullest source", "s.largest / nullif(s.events, 0)"),
        ("volume_deviation", "accepted lines against the usual, in deviations", Comparison("accepted", "deviation")),
        ("volume_ratio", "accepted lines to the usual", Comparison("accepted", "ratio")),
        ("mix_shift", "which share of the events would need another name for the usual mix", None),
        ("new_name_share", "of the events, those whose name no recent load had", None),
        (
            "quarantined_deviation",
            "refused lines against the usual, in deviations",
            Comparison("quarantined", "deviation"),
        ),
        ("duplicate_ratio", "the share of duplicates to the usual", Comparison("duplicate_share", "share_ratio")),
        ("late_ratio", "the share of late events to the usual", Comparison("late_share", "share_ratio")),
        (
            "busiest_hour_ratio",
            "the share of the fullest hour to the usual",
            Comparison("busiest_hour_share", "share_ratio"),
        ),
        ("bare_ratio", "the share of bare events to the usual", Comparison("bare_share", "share_ratio")),
    ),
)

STAGING_USERS = _of(
    "staging_users",
    (
        ("users", "users and visitors with engagement", "coalesce(u.users, 0)"),
        (
            "anonymous_share",
            "of engagement, what names a visitor and no user",
            Share("events", ENGAGEMENT, "user_id is null and anonymous_id is not null"),
        ),
        (
            "shared_visitor_share",
            "of the visitors, those that are said to be more than one user",
            "v.shared / nullif(v.visitors, 0)",
        ),
        (
            "dominant_actor_share",
            "of the events, those of the busiest user or visitor",
            "u.largest / nullif(h.events, 0)",
        ),
        ("events_per_user", "engagement events for each user", "u.engagement / nullif(u.users, 0)"),
        ("users_deviation", "users against the usual, in deviations", Comparison("users", "deviation")),
        ("anonymous_ratio", "the share of visitors' events to the usual", Comparison("anonymous_share", "share_ratio")),
        ("events_per_user_ratio", "events for each user to the usual", Comparison("events_per_user", "ratio")),
        (
            "dominant_actor_ratio",
            "the share of the busiest user to the usual",
            Comparison("dominant_actor_share", "share_ratio"),
        ),
    ),
)

STAGING_SESSIONS = _of(
    "staging_sessions",
    (
        (
            "sessions",
            "sessions within the load: engagement without a silence of over 30 minutes",
            "coalesce(u.sessions, 0)",
        ),
        ("events_per_session", "engagement events for each session", "u.engagement / nullif(u.sessions, 0)"),
        ("single_event_share", "of the sessions, those of one event", "u.single / nullif(u.sessions, 0)"),
        ("long_session_share", "of the sessions, those over 12 hours", "u.long / nullif(u.sessions, 0)"),
        (
            "zero_length_share",
            "of the sessions, those of several events at one instant",
            "u.motionless / nullif(u.sessions, 0)",
        ),
        ("sessions_deviation", "sessions against the usual, in deviations", Comparison("sessions", "deviation")),
        ("events_per_session_ratio", "events for each session to the usual", Comparison("events_per_session", "ratio")),
    ),
)

STAGING_PAYMENTS = _of(
    "staging_payments",
    (
        ("payments", "payments, failed payments and refunds", "coalesce(p.payments, 0)"),
        (
            "readable_amount_share",
            "of payments and refunds, those with a decimal amount",
            Share("payments", MONEY, "amount is not null", wanted=True),
        ),
        (
            "nonpositive_amount_share",
            "of payments and refunds with an amount, those of nothing or less",
            Share("payments", f"{MONEY} and amount is not null", "amount <= 0"),
        ),
        (
            "foreign_currency_share",
            "of the payments that state a currency, those in another than the tenant's",
            Share("payments", "currency is not null", "currency <> tenant_currency"),
        ),
        (
            "excess_precision_share",
            "of payments and refunds with an amount, those with more than four decimals",
            Share("payments", f"{MONEY} and amount is not null", "scale(trim_scale(amount)) > 4"),
        ),
        ("unattributed_share", "of the payments, those of nobody", Share("payments", "true", "actor is null")),
        (
            "repeated_payment_share",
            "of the payments, those that say again what the same actor did in the same second",
            Share("payments", "true", "is_repeat"),
        ),
        ("refund_share", "of the payments, refunds", Share("payments", "true", REFUND)),
        (
            "failed_share",
            "of the payments, failed ones",
            Share("payments", "true", "event_name = 'payment_failed'"),
        ),
        (
            "orphan_refund_share",
            "of the refunds to somebody, those to who never paid in this load or an earlier one",
            Share("payments", f"{REFUND} and actor is not null", "is_orphan"),
        ),
        ("revenue", "payments minus refunds", "coalesce(p.revenue, 0)"),
        ("median_amount", "what half of the payments do not exceed", "p.median_amount"),
        ("largest_amount", "the largest payment or refund", "p.largest_amount"),
        ("payments_deviation", "payments against the usual, in deviations", Comparison("payments", "deviation")),
        ("revenue_ratio", "revenue to the usual", Comparison("revenue", "ratio")),
        ("median_amount_ratio", "the median payment to the usual", Comparison("median_amount", "ratio")),
        (
            "largest_amount_ratio",
            "the largest payment or refund to the largest of recent loads",
            Comparison("largest_amount", "largest_ratio"),
        ),
        ("refund_ratio", "the share of refunds to the usual", Comparison("refund_share", "share_ratio")),
        ("failed_ratio", "the share of failed payments to the usual", Comparison("failed_share", "share_ratio")),
    ),
)

MEASURES = {
    measure.name: measure
    for suite in (RAW_EVENTS, STAGING_USERS, STAGING_SESSIONS, STAGING_PAYMENTS)
    for measure in suite
}
ABSOLUTE = tuple(name for name, measure in MEASURES.items() if measure.kind == "absolute")
RELATIVE = tuple(name for name, measure in MEASURES.items() if measure.kind == "relative")
SHARES = {name: measure.source for name, measure in MEASURES.items() if isinstance(measure.source, Share)}
COMPARISONS = {name: measure.source for name, measure in MEASURES.items() if isinstance(measure.source, Comparison)}


def events_of(name: str) -> Share | None:
    """The share of events that a measure is, or that it compares: the events to show when it fails."""
    measure = MEASURES.get(name)
    if measure is None:
        return None
    return SHARES.get(measure.source.of if isinstance(measure.source, Comparison) else name)
