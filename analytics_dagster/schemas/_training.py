"""How a model is trained: its framework and hyperparameters, its data, and each attempt.

Private as a module: all of it is imported from `analytics_dagster.schemas.ml`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    Checksum,
    Count,
    Distinct,
    Line,
    Number,
    QualityMetadata,
    Record,
    Slug,
    Text,
    TimeRange,
    refusal,
)
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id

Metrics = dict[Slug, Number]


class MLFramework(StrEnum):
    SCIKIT_LEARN = "scikit_learn"
    LIGHTGBM = "lightgbm"
    XGBOOST = "xgboost"
    TENSORFLOW = "tensorflow"
    PYTORCH = "pytorch"


class TrainingState(Lifecycle):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {cls.QUEUED: (cls.RUNNING, cls.FAILED), cls.RUNNING: (cls.SUCCEEDED, cls.FAILED)}


class MLHyperparameters(Contract):
    """The usual ones by name and type; whatever else a framework takes is in `additional`."""

    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_size: int | None = Field(default=None, ge=1, description="Rows of one step.")
    epochs: int | None = Field(default=None, ge=1, description="Passes over the training rows.")
    early_stopping_epochs: int | None = Field(default=None, ge=1, description="Epochs without progress before it ends.")
    max_depth: int | None = Field(default=None, ge=1)
    l2_regularisation: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    random_seed: int = Field(default=0, ge=0, lt=1 << 32, description="Training again gives the same.")
    additional: dict[Slug, bool | int | Number | Line] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.early_stopping_epochs is not None and self.early_stopping_epochs >= (self.epochs or 0):
            raise refusal(self, "early_stopping_epochs", "be fewer than epochs")
        if hidden := sorted(self.additional.keys() & type(self).model_fields.keys()):
            raise refusal(self, "additional", f"leave to their own fields: {', '.join(hidden)}")
        return self

    def as_params(self) -> dict[str, bool | int | float | str]:
        """Flat, without what is not set: the parameters of an MLflow run."""
        own = self.model_dump(exclude={"additional"}, exclude_none=True)
        return {**own, **self.additional}


class MLDataset(Record):
    """What a model learns from: rows of a time, split, and a label that is not among the features."""

    dataset_id: Identifier = Field(default_factory=new_id)
    name: Slug
    tenant_ids: Annotated[tuple[TenantId, ...], Distinct] = Field(min_length=1)
    feature_window: TimeRange = Field(description="When what the features tell of happened.")
    label: Slug
    label_window: TimeRange = Field(description="When what the label tells of happened: after the features.")
    features: Annotated[tuple[Slug, ...], Distinct] = Field(min_length=1)
    rows: Count = Field(description="training_rows + validation_rows + test_rows.")
    training_rows: int = Field(ge=1)
    validation_rows: Count
    test_rows: int = Field(ge=1, description="Seen by nobody before the model is judged.")
    checksum: Checksum = Field(description="SHA-256 of the content: two trainings saw the same, or did not.")
    quality: QualityMetadata | None = None

    @model_validator(mode="after")
    def _no_leak(self) -> Self:
        if self.label in self.features:
            raise refusal(self, "features", "not contain the label")
        if self.label_window.start < self.feature_window.end:
            raise refusal(self, "label_window", "start when the features end: a model does not see the future")
        parts = self.training_rows + self.validation_rows + self.test_rows
        if self.rows != parts:
            raise refusal(self, "rows", f"be {parts}, the sum of the splits")
        return self


class MLTraining(Stateful[TrainingState]):
    """One attempt to train, from the queue to its figures or its failure."""

    training_id: Identifier = Field(default_factory=new_id)
    model_name: Line
    framework: MLFramework
    dataset: MLDataset
    hyperparameters: MLHyperparameters
    state: TrainingState = TrainingState.QUEUED
    started_at: UtcDatetime | None = Field(default=None, description="In UTC; none while it is queued.")
    ended_at: UtcDatetime | None = Field(default=None, description="In UTC; none until it succeeded or failed.")
    test_metrics: Metrics = Field(default_factory=dict, description="On the test rows: exactly when it succeeded.")
    baseline_metrics: Metrics = Field(default_factory=dict, description="The same figures of the naive model.")
    failure: Text | None = Field(default=None, description="Why: exactly when it failed.")

    @model_validator(mode="after")
    def _state(self) -> Self:
        if self.state is TrainingState.QUEUED and self.started_at is not None:
            raise refusal(self, "started_at", "be empty while it is queued")
        if self.state in (TrainingState.RUNNING, TrainingState.SUCCEEDED) and self.started_at is None:
            raise refusal(self, "started_at", f"be there when it is {self.state}")
        if (self.ended_at is not None) != self.state.is_final:
            raise refusal(self, "ended_at", "be there exactly when it is over")
        if self.started_at is not None and self.ended_at is not None and self.ended_at < self.started_at:
            raise refusal(self, "ended_at", "not be before started_at")
        if bool(self.test_metrics) != (self.state is TrainingState.SUCCEEDED):
            raise refusal(self, "test_metrics", "be there exactly when it succeeded")
        if not self.baseline_metrics.keys() <= self.test_metrics.keys():
            raise refusal(self, "baseline_metrics", "be figures that the model has too")
        if (self.failure is not None) != (self.state is TrainingState.FAILED):
            raise refusal(self, "failure", "be there exactly when it failed")
        return self
