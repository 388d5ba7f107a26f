"""What several contracts are made of: traces, time ranges, places, money, quality and checksums.

Private as a module: its models are imported from `analytics_dagster.schemas`. Plain field types are in
`base`, lifecycles in `_lifecycle`.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from analytics_dagster.schemas.base import Contract, UtcDatetime, new_id, utc_now

CHECKSUM_PATTERN = r"^sha256:[0-9a-f]{64}$"
DECIMAL_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"
_DECIMAL = re.compile(DECIMAL_PATTERN[1:-1], re.ASCII)


def refusal(model: BaseModel, field: str, expected: str, rule: str = "inconsistent") -> ValidationError:
    """A rule between fields that is broken, told at the field that a person would correct."""
    problem = InitErrorDetails(
        type=PydanticCustomError(rule, "Input should {expected}", {"expected": expected}),
        loc=(field,),
        input=getattr(model, field),
    )
    return ValidationError.from_exception_data(type(model).__name__, [problem])


def repeated(items: Iterable[Any]) -> list[Any]:
    """What occurs more than once, each once, in the order in which it is noticed."""
    seen: list[Any] = []
    again: list[Any] = []
    for item in items:
        (again if item in seen and item not in again else seen).append(item)
    return again


def _distinct(items: Any) -> Any:
    if again := repeated(items):
        raise PydanticCustomError("repeated", "Input should name each once, not again: {again}", {"again": str(again)})
    return items


def _decimal_as_text(value: Any, info: ValidationInfo) -> Any:
    # a JSON number has been a binary fraction in some reader before this one
    if info.mode != "json":
        return value
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise PydanticCustomError("decimal_text", 'Input should be a decimal number as text, such as "9.99"')
    return Decimal(value)


def _writable(value: Decimal) -> Decimal:
    if not _DECIMAL.fullmatch(f"{value:f}"):
        raise PydanticCustomError("decimal_size", "Input should have at most 18 digits and 9 decimal places")
    return value


def _first_of_month(day: date) -> date:
    if day.day != 1:
        raise PydanticCustomError("month", "Input should be the first day of a month")
    return day


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Unit = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_/%]{0,39}|[A-Z]{3})$")]
Checksum = Annotated[str, StringConstraints(pattern=CHECKSUM_PATTERN)]
HttpsAddress = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+\S*$", max_length=2000)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]  # PostgreSQL's bigint
Number = Annotated[float, Field(allow_inf_nan=False)]  # JSON writes no other
Ratio = Annotated[float, Field(ge=0, le=1)]
Month = Annotated[date, AfterValidator(_first_of_month)]
Exact = Annotated[
    Decimal,
    Strict(),
    BeforeValidator(_decimal_as_text),
    AfterValidator(_writable),
    PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DECIMAL_PATTERN}),
]
Distinct = AfterValidator(_distinct)


class Ranked(StrEnum):
    """Words in ascending order: as plain text `critical` would come before `info`."""

    @property
    def rank(self) -> int:
        return list(type(self)).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < type(self)(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= type(self)(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > type(self)(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= type(self)(other).rank


class Record(Contract):
    """A contract whose identity and time are made up where it is made, and never where it is read."""

    @model_validator(mode="after")
    def _said_by_the_writer(self, info: ValidationInfo) -> Self:
        if info.mode != "json":
            return self
        made_up = [
            InitErrorDetails(
                type=PydanticCustomError("missing", "Field required from a writer"), loc=(name,), input=None
            )
            for name, field in type(self).model_fields.items()
            if field.default_factory in (new_id, utc_now) and name not in self.model_fields_set
        ]
        if made_up:
            raise ValidationError.from_exception_data(type(self).__name__, made_up)
        return self

    def changed(self, **changes: Any) -> Self:
        """A copy with other values, checked as a new one is."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_validate({**fields, **changes})


class Marked(Record):
    """What keeps rehearsal apart from reality."""

    is_test: bool = Field(default=False, description="Made by people who try something: kept, and left out of figures.")
    is_synthetic: bool = Field(default=False, description="Made by a simulator or a probe, and by no person.")

    @property
    def is_real(self) -> bool:
        return not (self.is_test or self.is_synthetic)


class TimeRange(Contract):
    """From `start`, which belongs to it, to `end`, which does not."""

    start: UtcDatetime = Field(description="The first moment, in UTC.")
    end: UtcDatetime = Field(description="The first moment after it, in UTC.")

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end <= self.start:
            raise refusal(self, "end", f"be after start, {self.start.isoformat()}")
        return self

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


class GeoLocation(Contract):
    """A place on the globe (WGS 84)."""

    latitude: float = Field(ge=-90, le=90, description="Degrees north of the equator.")
    longitude: float = Field(ge=-180, le=180, description="Degrees east of Greenwich.")
    accuracy_metres: float = Field(default=0, ge=0, le=20_037_508, description="Radius of doubt in metres.")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="ISO 3166-1 alpha-2."
    )


class TraceContext(Contract):
    """What belongs together: one business case (correlation), one request (W3C trace), one step of it (span)."""

    correlation_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")] = Field(
        description="The same for everything that one cause set off, over any number of requests."
    )
    trace_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, description="W3C trace id: 32 hexadecimal digits, not all zero."
    )
    span_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        default=None, description="W3C span id: 16 hexadecimal digits, not all zero."
    )
    parent_span_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        default=None, description="The span that started this one."
    )
    sampled: bool = Field(default=True, description="Whether the trace's details are kept.")

    @model_validator(mode="after")
    def _one_trace(self) -> Self:
        for field in ("trace_id", "span_id", "parent_span_id"):
            digits = getattr(self, field)
            if digits is not None and not digits.strip("0"):
                raise refusal(self, field, "not be zero, which means none")
        if (self.span_id is None) != (self.trace_id is None):
            raise refusal(self, "span_id", "come together with trace_id")
        if self.parent_span_id is not None and self.parent_span_id == self.span_id:
            raise refusal(self, "parent_span_id", "be another span")
        if self.parent_span_id is not None and self.span_id is None:
            raise refusal(self, "parent_span_id", "have a span_id under it")
        return self

    @property
    def traceparent(self) -> str | None:
        """The value of the W3C header of that name."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}" if self.trace_id else None


class Money(Contract):
    """An exact amount; amounts of one currency can be added."""

    amount: Exact = Field(description="In units of the currency (not cents), as decimal text on the wire.")
    currency: CurrencyCode = Field(description="ISO 4217.")

    def __add__(self, other: Self) -> Self:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} have no sum")
        return type(self)(amount=self.amount + other.amount, currency=self.currency)


class QualityMetadata(Contract):
    """How far a figure or a data set can be trusted, and at which moment that was found."""

    completeness: Ratio = Field(description="Share of the expected records that are there: 1 is all.")
    confidence: Ratio = Field(description="Probability that the content is right: 1 is certain.")
    freshness_seconds: float = Field(ge=0, allow_inf_nan=False, description="Age of the newest record, in seconds.")
    measured_at: UtcDatetime = Field(description="When these were measured, in UTC.")
    checksum: Checksum | None = Field(default=None, description="SHA-256 of the content that was measured.")

    def is_good(self, *, completeness: float = 1.0, confidence: float = 0.95, freshness_seconds: float) -> bool:
        return (
            self.completeness >= completeness
            and self.confidence >= confidence
            and self.freshness_seconds <= freshness_seconds
        )


def checksum(content: Contract, *, without: Collection[str] = ()) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces) of a contract."""
    fields = content.model_dump(mode="json", exclude=set(without))
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
