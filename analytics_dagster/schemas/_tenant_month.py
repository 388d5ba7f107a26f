"""A tenant over a time: what it used, what it owes, what it achieved.

Private as a module: all of it is imported from `analytics_dagster.schemas.tenant`.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, localcontext
from typing import Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    Count,
    CurrencyCode,
    Exact,
    Line,
    Month,
    QualityMetadata,
    Record,
    Slug,
    refusal,
)
from analytics_dagster.schemas._tiers import TenantKind
from analytics_dagster.schemas.analytics import AnalyticsEventType
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now


class TenantUsageMetrics(Contract):
    """What a tenant used in a month of its own time zone: what is billed, and what its limits look at."""

    tenant_id: TenantId
    month: Month
    events: Count = Field(description="Served events: accepted, not test, not held.")
    events_by_type: dict[AnalyticsEventType, Count] = Field(description="They add up to `events`.")
    active_users: Count = Field(description="Distinct actors with an engagement event in the month.")
    busiest_day_events: Count = Field(description="Events received on the busiest local day.")
    days_over_limit: int = Field(ge=0, le=31, description="Days with more events than the limit: marked, not dropped.")
    stored_bytes: Count = Field(description="At the end of `as_of`.")
    as_of: date = Field(description="The last loading day that counts; in or after the month.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.events_by_type.values())
        if self.events != total:
            raise refusal(self, "events", f"be {total}, the sum of events_by_type")
        engagement = (AnalyticsEventType.USER_ACTION, AnalyticsEventType.PAGE_VIEW)
        if self.active_users > sum(self.events_by_type.get(kind, 0) for kind in engagement):
            raise refusal(self, "active_users", "be at most the engagement events")
        if self.as_of < self.month:
            raise refusal(self, "as_of", "not be before the month")
        return self


class BillingState(Lifecycle):
    """draft → issued → paid; what was issued is never changed: it is voided, or adjusted in a later month."""

    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {cls.DRAFT: (cls.ISSUED, cls.VOID), cls.ISSUED: (cls.PAID, cls.VOID)}


class BillingLine(Contract):
    """Rounding happens here and nowhere else: quantity x unit_price = amount + residue."""

    description: Line
    metric: Slug | None = Field(default=None, description="What was measured; none for a fixed fee.")
    quantity: Exact
    unit_price: Exact = Field(description="In the invoice's currency, for one.")
    amount: Exact = Field(decimal_places=2, description="In the invoice's currency, rounded.")
    residue: Exact = Field(description="What rounding took away, in the invoice's currency.")
    adjusts: Month | None = Field(default=None, description="The invoiced month whose late events this is about.")

    @model_validator(mode="after")
    def _exact(self) -> Self:
        with localcontext(prec=60):
            product = self.quantity * self.unit_price
            if product != self.amount + self.residue:
                raise refusal(self, "residue", f"be {product - self.amount:f}: what quantity x unit_price leaves")
        if abs(self.residue) >= 1:
            raise refusal(self, "residue", "be less than one unit of the currency")
        return self


class TenantBilling(Stateful[BillingState]):
    """The invoice of a tenant for a month."""

    invoice_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    month: Month
    plan: Slug
    currency: CurrencyCode
    lines: tuple[BillingLine, ...] = Field(min_length=1)
    total: Exact = Field(decimal_places=2, description="In `currency`: the sum of the lines.")
    state: BillingState = BillingState.DRAFT
    issued_on: date | None = Field(default=None, description="From state issued on; after the month began.")
    due_on: date | None = Field(default=None, description="Together with issued_on, and not before it.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum((line.amount for line in self.lines), Decimal(0))
        if self.total != total:
            raise refusal(self, "total", f"be {total}, the sum of the lines")
        if any(line.adjusts is not None and line.adjusts >= self.month for line in self.lines):
            raise refusal(self, "lines", "adjust months before this one only")
        return self

    @model_validator(mode="after")
    def _issued(self) -> Self:
        issued = self.issued_on is not None
        if (self.state is BillingState.DRAFT and issued) or (
            self.state in (BillingState.ISSUED, BillingState.PAID) and not issued
        ):
            raise refusal(self, "issued_on", f"{'be empty' if issued else 'be there'} when it is {self.state}")
        if self.issued_on is not None and self.issued_on <= self.month:
            raise refusal(self, "issued_on", "be after the month began")
        if (self.due_on is None) == issued:
            raise refusal(self, "due_on", "come together with issued_on")
        if self.issued_on is not None and self.due_on is not None and self.due_on < self.issued_on:
            raise refusal(self, "due_on", "not be before issued_on")
        return self


class TenantAnalytics(Record):
    """A tenant's KPIs of one local day, as marts.kpi_daily has them."""

    tenant_id: TenantId
    kind: TenantKind
    day: date = Field(description="The tenant's local date.")
    currency: CurrencyCode
    active_users: Count = Field(description="Distinct actors with an engagement event.")
    sessions: Count = Field(description="That began on this day.")
    engagement_seconds: Count = Field(description="Duration of these sessions, in whole seconds.")
    primary_actions: Count = Field(description="Plays, orders, feature uses or reads, by kind.")
    revenue: Exact = Field(description="Payments less refunds, in `currency`; negative where refunds prevail.")
    new_subscribers: Count
    lost_subscribers: Count
    computed_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    quality: QualityMetadata = Field(description="Whether all loads of the day are in, and how old they are.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sessions and not self.active_users:
            raise refusal(self, "sessions", "be 0 without active users")
        if self.engagement_seconds and not self.sessions:
            raise refusal(self, "engagement_seconds", "be 0 without sessions")
        return self

    @property
    def metrics(self) -> Mapping[str, Decimal]:
        """By the names of kpi_daily."""
        counted = {
            "active_users": self.active_users,
            "sessions": self.sessions,
            "engagement_seconds": self.engagement_seconds,
            self.kind.primary_metric: self.primary_actions,
            "new_subscribers": self.new_subscribers,
            "lost_subscribers": self.lost_subscribers,
        }
        return {**{name: Decimal(value) for name, value in counted.items()}, "revenue": self.revenue}
