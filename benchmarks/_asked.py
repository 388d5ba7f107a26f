"""A figure that was asked for, and whether it is reached."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def reached(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def __str__(self) -> str:
        asked = f"at least {self.at_least}" if self.at_least is not None else f"at most {self.at_most}"
        verdict = "reached" if self.reached else "NOT reached"
        return f"{self.what:<44} {self.value:>8.2f}{self.unit}   asked: {asked}{self.unit:<4} {verdict}"
