"""What a tenant has judged otherwise than the suites say: a bound or a severity of one expectation.

Which expectations there are is in `expectations/`; that a threshold fits one of them is checked by `quality`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from analytics_dagster.schemas._parts import Number, refusal
from analytics_dagster.schemas.base import Contract

ExpectationKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}\.[a-z][a-z0-9_]{0,79}$")]


class QualityThreshold(Contract):
    """What changes of one expectation; the rest stays as in its suite."""

    min_value: Number | None = Field(default=None, description="Instead of the suite's lower bound.")
    max_value: Number | None = Field(default=None, description="Instead of the suite's upper bound.")
    severity: Literal["critical", "warning", "info"] | None = Field(
        default=None, description="Critical holds the load, warning and info only tell."
    )
    off: bool = Field(default=False, description="It is not judged for this tenant.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        changes = [name for name in ("min_value", "max_value", "severity") if getattr(self, name) is not None]
        if self.off and changes:
            raise refusal(self, "off", f"stand alone: {', '.join(changes)} of what is not judged means nothing")
        if not self.off and not changes:
            raise refusal(self, "off", "be true, or min_value, max_value or severity be given: this changes nothing")
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise refusal(self, "min_value", "not be above max_value: nothing could pass")
        return self

    @model_serializer(mode="wrap")
    def _only_what_changes(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {field: value for field, value in written(self).items() if value is not None and value is not False}
