"""What goes wrong with a tenant's money of a day."""

from collections.abc import Callable, Sequence

from analytics_dagster.sample.lines import uuid
from analytics_dagster.sample.spoiling import Catalogue, Event, Line, Scene, each, told

PAYMENTS = ("payment_succeeded", "payment_failed", "payment_refunded")

incident = Catalogue()


def payments(lines: Sequence[Line], change: Callable[[Event], Event]) -> list[Line]:
    return each(lines, lambda event: change(event) if event["event_name"] in PAYMENTS else event)


def paid(event: Event, **properties: object) -> Event:
    return {**event, "properties": {**event["properties"], **properties}}


@incident(
    "Amounts come as text with a currency.",
    "readable_amount_share quarantined_share quarantined_deviation payments_deviation revenue_ratio",
)
def amounts_as_text(lines: Sequence[Line], scene: Scene) -> list[Line]:
    def worded(event: Event) -> Event:
        amount = str(event["properties"].get("amount", "0")).replace(".", ",")
        return paid(event, amount=f"{scene.currency} {amount}")

    return payments(lines, worded)


@incident("Every payment is of nothing.", "nonpositive_amount_share median_amount_ratio")
def amounts_of_zero(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return payments(lines, lambda event: paid(event, amount="0.00"))


@incident(
    "Amounts have the wrong sign.",
    "nonpositive_amount_share quarantined_share quarantined_deviation payments_deviation revenue_ratio",
)
def amounts_negative(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return payments(lines, lambda event: paid(event, amount=f"-{event['properties'].get('amount', '1.00')}"))


@incident("Amounts are in hundredths.", "median_amount_ratio largest_amount_ratio revenue_ratio")
def amounts_in_hundredths(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    def hundredths(event: Event) -> Event:
        return paid(event, amount=str(event["properties"].get("amount", "0")).replace(".", "") + ".00")

    return payments(lines, hundredths)


@incident("Amounts are binary fractions written out.", "excess_precision_share")
def amounts_imprecise(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return payments(lines, lambda event: paid(event, amount=f"{event['properties'].get('amount', '1.00')}0000000003"))


@incident("Payments are told in another currency.", "foreign_currency_share")
def foreign_currency(lines: Sequence[Line], scene: Scene) -> list[Line]:
    other = "JPY" if scene.currency != "JPY" else "EUR"
    return payments(lines, lambda event: paid(event, currency=other))


@incident(
    "The payment provider is down: no payment goes through.",
    "failed_share failed_ratio revenue_ratio payments_deviation",
)
def payments_failed(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return payments(lines, lambda event: {**event, "event_name": "payment_failed"})


@incident(
    "A script gives back what was paid.",
    "refund_share refund_ratio revenue_ratio orphan_refund_share",
)
def refunds_storm(lines: Sequence[Line], scene: Scene) -> list[Line]:
    back: list[Line] = [
        told({**one, "event_name": "payment_refunded"}, event_id=uuid(scene.rng))
        for one in lines
        if not isinstance(one, bytes) and one["event_name"] == "payment_succeeded"
    ]
    return [*lines, *back]


@incident(
    "Each payment is told three times, under ids of its own.",
    "repeated_payment_share payments_deviation revenue_ratio",
)
def payments_repeated(lines: Sequence[Line], scene: Scene) -> list[Line]:
    again = [one for one in lines if not isinstance(one, bytes) and one["event_name"] in PAYMENTS]
    return [*lines, *(told(one, event_id=uuid(scene.rng)) for one in [*again, *again])]


@incident("Payments do not say whose they are.", "unattributed_share")
def payments_of_nobody(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return payments(lines, lambda event: told(event, user_id=None, anonymous_id=None))


@incident("The payments of the day are missing.", "payments_deviation revenue_ratio mix_shift")
def payments_missing(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return [one for one in lines if isinstance(one, bytes) or one["event_name"] not in PAYMENTS]
