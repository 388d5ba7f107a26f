"""Models: their versions and how far each has come, what they predict, and which is better.

How they are trained is in `_training`, whose contracts are imported from here. Features and scores of the
running platform are in the `ml` domain; the registry itself is MLflow's.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    Count,
    Exact,
    Line,
    Money,
    Number,
    Record,
    Slug,
    Text,
    TimeRange,
    refusal,
    repeated,
)
from analytics_dagster.schemas._training import (
    MLDataset,
    MLFramework,
    MLHyperparameters,
    MLTraining,
    TrainingState,
)
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now

__all__ = [
    "ExperimentState",
    "ExperimentVariant",
    "FeatureContribution",
    "MLDataset",
    "MLExperiment",
    "MLFramework",
    "MLHyperparameters",
    "MLModel",
    "MLModelType",
    "MLPrediction",
    "MLTraining",
    "ModelState",
    "TrainingState",
]

Version = Annotated[int, Field(ge=1)]


class MLModelType(StrEnum):
    CHURN = "churn"
    LIFETIME_VALUE = "lifetime_value"
    RECOMMENDATION = "recommendation"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    FORECASTING = "forecasting"
    ANOMALY_DETECTION = "anomaly_detection"
    CLUSTERING = "clustering"


PROBABILITIES = frozenset({MLModelType.CHURN, MLModelType.CLASSIFICATION, MLModelType.ANOMALY_DETECTION})


class ModelState(Lifecycle):
    """draft → trained → staging → production → archived; what is not good enough is archived at once."""

    DRAFT = "draft"
    TRAINED = "trained"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {
            cls.DRAFT: (cls.TRAINED, cls.ARCHIVED),
            cls.TRAINED: (cls.STAGING, cls.ARCHIVED),
            cls.STAGING: (cls.PRODUCTION, cls.ARCHIVED),
            cls.PRODUCTION: (cls.ARCHIVED,),
        }


class ExperimentState(Lifecycle):
    PLANNED = "planned"
    RUNNING = "running"
    CONCLUDED = "concluded"
    STOPPED = "stopped"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {cls.PLANNED: (cls.RUNNING, cls.STOPPED), cls.RUNNING: (cls.CONCLUDED, cls.STOPPED)}


class MLModel(Stateful[ModelState]):
    """One version of a model, and how far it has come."""

    model_id: Identifier = Field(default_factory=new_id)
    name: Line
    version: Version = 1
    tenant_id: TenantId | None = Field(default=None, description="For whom; none: for all tenants.")
    framework: MLFramework
    model_type: MLModelType
    hyperparameters: MLHyperparameters
    created_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    state: ModelState = ModelState.DRAFT
    training: MLTraining | None = Field(default=None, description="How it was made: from state trained on.")
    approved_by: Identifier | None = Field(default=None, description="Who let it into production.")

    @model_validator(mode="after")
    def _earned(self) -> Self:
        past_draft = self.state not in (ModelState.DRAFT, ModelState.ARCHIVED)
        if past_draft and (self.training is None or self.training.state is not TrainingState.SUCCEEDED):
            raise refusal(self, "training", f"have succeeded before it is {self.state}")
        if self.training is not None:
            if self.training.model_name != self.name:
                raise refusal(self, "training", "be of this model, by model_name")
            if (self.training.framework, self.training.hyperparameters) != (self.framework, self.hyperparameters):
                raise refusal(self, "training", "have the framework and the hyperparameters of the model")
        if self.state is ModelState.PRODUCTION and self.approved_by is None:
            raise refusal(self, "approved_by", "say who let it into production")
        return self


class FeatureContribution(Contract):
    """How much one feature moved a score."""

    feature: Slug
    contribution: Number = Field(description="What it added to the score; negative: took away.")


class MLPrediction(Record):
    """What one version of a model says of one thing, as of a day, and why."""

    prediction_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    model_name: Line
    model_version: Version
    model_type: MLModelType
    entity_id: Identifier = Field(description="Of whom or of what, such as a user_id.")
    as_of: date = Field(description="The last local day that the features know.")
    predicted_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    score: Number = Field(description="A probability for churn, classification and anomalies; else the value itself.")
    low: Number = Field(description="Lower end of the 90 % interval; the score itself where there is none.")
    high: Number = Field(description="Upper end of the 90 % interval; the score itself where there is none.")
    horizon_days: int = Field(ge=1, le=3650, description="How far it looks ahead, in days.")
    expected_value: Money | None = Field(default=None, description="In money: exactly for lifetime value.")
    contributions: tuple[FeatureContribution, ...] = Field(default=(), description="Strongest first.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model_type in PROBABILITIES:
            for field in ("score", "low", "high"):
                if not 0 <= getattr(self, field) <= 1:
                    raise refusal(self, field, f"be a probability, for {self.model_type}")
        if self.low > self.score:
            raise refusal(self, "low", "be at most the score")
        if self.high < self.score:
            raise refusal(self, "high", "be at least the score")
        if (self.expected_value is not None) != (self.model_type is MLModelType.LIFETIME_VALUE):
            raise refusal(self, "expected_value", "be there exactly for lifetime_value")
        if again := repeated(item.feature for item in self.contributions):
            raise refusal(self, "contributions", f"name each feature once, not again: {', '.join(again)}")
        # east of Greenwich the local day begins before that of UTC
        if self.as_of > self.predicted_at.date() + timedelta(days=1):
            raise refusal(self, "as_of", "not be after the prediction")
        return self


class ExperimentVariant(Contract):
    """One of the ways that are compared, and its share of the traffic."""

    name: Slug
    share: Exact = Field(gt=Decimal(0), le=Decimal(1), description="Of the traffic; all variants' shares add up to 1.")
    is_control: bool = False
    model_version: Version | None = Field(default=None, description="None: no model, the way it was before.")


class MLExperiment(Stateful[ExperimentState]):
    """Variants against a control, on one figure that was chosen before."""

    experiment_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    name: Slug
    hypothesis: Text
    primary_metric: Slug
    minimum_users: int = Field(ge=1, description="In each variant, before it may be concluded.")
    window: TimeRange
    variants: tuple[ExperimentVariant, ...] = Field(min_length=2, max_length=10)
    state: ExperimentState = ExperimentState.PLANNED
    users: dict[Slug, Count] = Field(default_factory=dict, description="By variant, as seen until now.")
    winner: Slug | None = Field(default=None, description="Exactly when it is concluded; the control may win.")

    @model_validator(mode="after")
    def _fair(self) -> Self:
        names = [variant.name for variant in self.variants]
        if again := repeated(names):
            raise refusal(self, "variants", f"have names of their own, not again: {', '.join(again)}")
        if sum(variant.share for variant in self.variants) != 1:
            raise refusal(self, "variants", "have shares that add up to 1")
        if sum(variant.is_control for variant in self.variants) != 1:
            raise refusal(self, "variants", "have exactly one control")
        if not self.users.keys() <= set(names):
            raise refusal(self, "users", "be of the variants")
        return self

    @model_validator(mode="after")
    def _concluded(self) -> Self:
        if (self.winner is not None) != (self.state is ExperimentState.CONCLUDED):
            raise refusal(self, "winner", "be there exactly when it is concluded")
        if self.winner is not None:
            names = [variant.name for variant in self.variants]
            if self.winner not in names:
                raise refusal(self, "winner", f"be one of {', '.join(names)}")
            if min(self.users.get(name, 0) for name in names) < self.minimum_users:
                raise refusal(self, "users", f"be at least {self.minimum_users} in each variant to conclude")
        return self
