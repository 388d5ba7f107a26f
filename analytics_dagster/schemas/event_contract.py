"""What the properties of an event hold, by its name: the contract that a file of `events/` states.

A contract becomes a pydantic model, so that words, checks and JSON Schema of properties are made as those of
the event are. Unknown event names and additional properties are always allowed. Files are `event_files`'s.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, SchemaError

from analytics_dagster.schemas._parts import refusal
from analytics_dagster.schemas._tiers import TenantKind
from analytics_dagster.schemas.base import Contract, EventName, TenantId, UtcDatetime

# What the marts can read (macro decimal_property): twelve digits before the point keep any sum in numeric(38, 6).
AMOUNT_PATTERN = r"^-?[0-9]{1,12}(\.[0-9]{1,20})?$"
AMOUNT_LIMIT = 10**12

# Rust's and RE2's patterns mean the same by it: no flags, no set arithmetic, no class in a class
PLAIN_PATTERN = (
    r"^(?:[^\\\[(]|\\[dDwWsS.^$|?*+()\[\]{}\-/\\]|\[(?:[^\\\[\]&~-]|\\[dDwWsS.\-/\\\]]|-(?!-))+\]|\((?!\?)|\(\?:)*$"
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")]
PropertyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


@dataclass(frozen=True)
class Amount:
    """Checks a decimal, sent as text or as a number."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __call__(self, value: object) -> object:
        amount = _amount(value)
        if amount is None:
            raise PydanticCustomError(
                "amount_type", "Input should be a decimal number below 10^12, or text such as '9.99'"
            )
        if self.minimum is not None and amount < self.minimum:
            raise PydanticCustomError(
                "greater_than_equal", "Input should be greater than or equal to {least}", {"least": str(self.minimum)}
            )
        if self.maximum is not None and amount > self.maximum:
            raise PydanticCustomError(
                "less_than_equal", "Input should be less than or equal to {most}", {"most": str(self.maximum)}
            )
        return value


def _amount(value: object) -> Decimal | None:
    if isinstance(value, str) and re.fullmatch(AMOUNT_PATTERN[1:-1], value):
        return Decimal(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and -AMOUNT_LIMIT < value < AMOUNT_LIMIT:
        return Decimal(str(value))
    return None


class PropertyType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MONEY = "money"
    TIMESTAMP = "timestamp"
    OBJECT = "object"
    LIST = "list"


_WITH_LIMITS = (PropertyType.INTEGER, PropertyType.NUMBER, PropertyType.MONEY)


class PropertyContract(Contract):
    """One property. An optional one may be absent or null."""

    type: PropertyType
    description: Text
    required: bool = False
    personal: bool = Field(default=False, description="Whether it says something about a person.")
    one_of: tuple[Text, ...] | None = Field(default=None, min_length=1, description="Of text: the words allowed.")
    minimum: int | float | None = Field(default=None, description="Of integer, number and money.")
    maximum: int | float | None = Field(default=None, description="Of integer, number and money.")
    max_length: int | None = Field(default=None, ge=1, description="Of text, in characters.")
    pattern: Text | None = Field(default=None, description="Of text: a plain regular expression, found anywhere.")

    @field_validator("minimum", "maximum")
    @classmethod
    def _exact(cls, limit: float | None) -> float | None:
        if limit is not None and abs(limit) >= AMOUNT_LIMIT - 1:
            raise ValueError("should be below 10^12")
        return limit

    @field_validator("pattern")
    @classmethod
    def _plain(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            if not re.match(PLAIN_PATTERN, pattern):
                raise ValueError(r"should be plain: classes, groups, \d \w \s, no flags and no nested classes")
            try:
                create_model("Probe", value=(Annotated[str, StringConstraints(pattern=pattern)], ...))
            except SchemaError:
                raise ValueError("should be a regular expression") from None
        return pattern

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for name, types in (
            ("one_of", (PropertyType.TEXT,)),
            ("max_length", (PropertyType.TEXT,)),
            ("pattern", (PropertyType.TEXT,)),
            ("minimum", _WITH_LIMITS),
            ("maximum", _WITH_LIMITS),
        ):
            if getattr(self, name) is not None and self.type not in types:
                raise refusal(self, name, f"stand with {' or '.join(types)} only")
        if self.one_of and (self.pattern or self.max_length):
            raise refusal(self, "one_of", "stand alone: it says all about the text")
        if self.type is PropertyType.INTEGER:
            for name in ("minimum", "maximum"):
                if isinstance(getattr(self, name), float):
                    raise refusal(self, name, "be an integer")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refusal(self, "maximum", "not be below minimum")
        return self

    @property
    def annotation(self) -> Any:
        """What it is to pydantic."""
        limits: dict[str, Any] = {"ge": self.minimum, "le": self.maximum}
        match self.type:
            case PropertyType.TEXT if self.one_of:
                return Literal[self.one_of]
            case PropertyType.TEXT:
                return Annotated[str, StringConstraints(max_length=self.max_length, pattern=self.pattern)]
            case PropertyType.INTEGER:
                return Annotated[int, Field(**limits)]
            case PropertyType.NUMBER:
                return Annotated[float, Field(allow_inf_nan=False, **limits)]
            case PropertyType.MONEY:
                least, most = (None if limit is None else Decimal(str(limit)) for limit in (self.minimum, self.maximum))
                text = {"type": "string", "pattern": AMOUNT_PATTERN}
                number: dict[str, Any] = {
                    "type": "number",
                    **({"exclusiveMinimum": -AMOUNT_LIMIT} if self.minimum is None else {"minimum": self.minimum}),
                    **({"exclusiveMaximum": AMOUNT_LIMIT} if self.maximum is None else {"maximum": self.maximum}),
                }
                return Annotated[Any, AfterValidator(Amount(least, most)), WithJsonSchema({"anyOf": [text, number]})]
            case simple:
                return _SIMPLE[simple]


_SIMPLE: dict[PropertyType, Any] = {
    PropertyType.BOOLEAN: bool,
    PropertyType.TIMESTAMP: UtcDatetime,
    PropertyType.OBJECT: dict[str, Any],
    PropertyType.LIST: list[Any],
}


class EventContract(Contract):
    """What an event of a name means, and what its properties hold; of all tenants, or of some."""

    event_name: EventName
    description: Text
    kinds: tuple[TenantKind, ...] = Field(default=(), description="The kinds of tenants it applies to; none: all.")
    tenants: tuple[TenantId, ...] = Field(default=(), description="The tenants it applies to; none: by kinds.")
    properties: dict[PropertyName, PropertyContract] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.kinds and self.tenants:
            raise refusal(self, "tenants", "not stand beside kinds: name the tenants or their kinds")
        return self

    @property
    def scope(self) -> tuple[str, ...]:
        return self.tenants or self.kinds

    @cached_property
    def model(self) -> type[BaseModel]:
        """The properties as a model; fields have other names than properties, which may be named `copy` or `json`."""
        fields: dict[str, Any] = {}
        for number, (name, rules) in enumerate(self.properties.items()):
            annotation = rules.annotation if rules.required else rules.annotation | None
            extra: Any = {"personal": True} if rules.personal else None
            told = Field(
                default=... if rules.required else None,
                alias=name,
                title=name,
                description=rules.description,
                json_schema_extra=extra,
            )
            fields[f"field_{number}"] = (annotation, told)
        config = ConfigDict(strict=True, extra="allow", frozen=True, title=self.event_name)
        return create_model("EventProperties", __config__=config, __doc__=self.description, **fields)


@dataclass(frozen=True)
class EventRegistry:
    """All contracts. The most specific one applies: that of the tenant, else of its kind, else of all."""

    contracts: tuple[EventContract, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)  # of the tenants

    def knowing(self, kinds: Mapping[str, str]) -> "EventRegistry":
        return replace(self, kinds=kinds)

    def find(self, event_name: str, tenant_id: str) -> EventContract | None:
        scopes = self._by_name.get(event_name, {})
        for scope in (tenant_id, _of_kind(self.kinds.get(tenant_id)), ALL):
            if scope in scopes:
                return scopes[scope]
        return None

    def applied(self, tenants: AbstractSet[str]) -> Iterator[tuple[EventContract, AbstractSet[str]]]:
        """Each contract that applies to some of these tenants, and to which of them."""
        for name, scopes in self._by_name.items():
            if scopes.keys() == {ALL}:
                yield scopes[ALL], tenants
                continue
            to: dict[tuple[str, ...], tuple[EventContract, set[str]]] = {}
            for tenant in tenants:
                if contract := self.find(name, tenant):
                    to.setdefault(contract.scope, (contract, set()))[1].add(tenant)
            yield from to.values()

    @cached_property
    def _by_name(self) -> dict[str, dict[str, EventContract]]:
        found: dict[str, dict[str, EventContract]] = {}
        for contract in self.contracts:
            scopes = [*contract.tenants, *map(_of_kind, contract.kinds)] or [ALL]
            found.setdefault(contract.event_name, {}).update(dict.fromkeys(scopes, contract))
        return found


ALL = " all"  # no tenant has a name with a space


def _of_kind(kind: str | None) -> str:
    return f" kind {kind}"


NO_EVENT_CONTRACTS = EventRegistry()
