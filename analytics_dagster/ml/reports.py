"""What training and scoring hand back, and the errors that they end with.

Plain dataclasses that an asset can show; nothing heavy is imported here, and nothing is computed.
"""

from dataclasses import dataclass, field
from datetime import date

from analytics_dagster.errors import AnalyticsError


class NotEnoughDataError(AnalyticsError):
    """The history is too short, too small or too uniform to learn from; the problem says what is missing."""


class NoModelError(AnalyticsError):
    """There is no champion to score with, or its files are gone."""


class UnknownTenantError(AnalyticsError):
    """A tenant was asked for that is not registered."""


@dataclass(frozen=True)
class TrainingReport:
    model: str
    version: int
    champion: int  # the version that scores from now on; the new one, or the one that was better
    run_id: str
    as_of: date  # the last day that any label looked at
    train_cutoffs: tuple[date, ...]  # a cut-off is the last day that features may see
    test_cutoff: date
    horizon_days: int
    train_rows: int
    test_rows: int
    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]  # by tenant, or by currency
    top_features: dict[str, float]  # how much the test metric suffers when the feature is shuffled

    @property
    def promoted(self) -> bool:
        return self.champion == self.version


@dataclass(frozen=True)
class ScoreReport:
    model: str
    version: int
    rows: dict[str, int] = field(default_factory=dict)  # by tenant, zeros included
    as_of: dict[str, date] = field(default_factory=dict)  # by tenant that has scores

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())
