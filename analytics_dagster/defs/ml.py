"""Models: trained weekly on all tenants' past, and scores for each tenant."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg

from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import tenants
from analytics_dagster.defs.previews import markdown_frame
from analytics_dagster.defs.publication import tenant_marts
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.tenant_partitions import served
from analytics_dagster.due import last_built_day
from analytics_dagster.ml.journal import record_scoring, record_training
from analytics_dagster.ml.reports import NoModelError, NotEnoughDataError, ScoreReport, TrainingReport
from analytics_dagster.tenancy import standing
from analytics_dagster.warehouse import WarehouseUrl

Train = Callable[[WarehouseUrl, Path], TrainingReport]
Score = Callable[[WarehouseUrl, list[str]], ScoreReport]
ALL_TENANTS = dg.AssetDep(tenant_marts, partition_mapping=dg.AllPartitionMapping())
KINDS = {"scikitlearn", "mlflow"}


@dg.asset(group_name="models", owners=OWNERS, kinds=KINDS, deps=[ALL_TENANTS])
def churn_model(warehouse: Warehouse) -> dg.MaterializeResult:
    """Who will stop using the product: trained on the past, tested on a later time that it never saw."""
    from analytics_dagster.ml.churn import train_churn

    return _train("churn", train_churn, warehouse)


@dg.asset(group_name="models", owners=OWNERS, kinds=KINDS, deps=[ALL_TENANTS])
def lifetime_value_model(warehouse: Warehouse) -> dg.MaterializeResult:
    """What a user will bring in the coming weeks: tested against the plain repetition of the last weeks."""
    from analytics_dagster.ml.lifetime_value import train_lifetime_value

    return _train("lifetime_value", train_lifetime_value, warehouse)


@dg.asset(
    group_name="models",
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=tenants,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[churn_model, tenant_marts],
)
def churn_scores(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
    """How likely each of a tenant's active users is to leave, by the model in use."""
    from analytics_dagster.ml.scoring import score_churn

    _score(context, score_churn, warehouse)


@dg.asset(
    group_name="models",
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=tenants,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[lifetime_value_model, tenant_marts],
)
def lifetime_value_scores(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
    """What each of a tenant's users is expected to pay in the coming weeks, by the model in use."""
    from analytics_dagster.ml.scoring import score_lifetime_value

    _score(context, score_lifetime_value, warehouse)


def _train(name: str, train: Train, warehouse: Warehouse) -> dg.MaterializeResult:
    try:
        report = train(warehouse.url, warehouse.settings.artifacts_dir)
    except NotEnoughDataError as error:
        # a young platform is no failure: the reason is kept, and training is due again in a week
        with warehouse.connect() as connection:
            record_training(connection, name, last_built_day(connection) or date.min, None, str(error))
        return dg.MaterializeResult(metadata={"not trained": str(error)})
    with warehouse.connect() as connection:
        record_training(connection, name, last_built_day(connection) or report.as_of, report.version)
    return dg.MaterializeResult(
        metadata={
            "version": report.version,
            "version in use": report.champion,
            "learned up to": str(max(report.train_cutoffs)),
            "tested after": str(report.test_cutoff),
            "rows": report.train_rows + report.test_rows,
            **report.metrics,
            "most telling": markdown_frame(["feature", "loss without it"], list(report.top_features.items())),
            "by group": markdown_frame(
                ["group", *next(iter(report.groups.values()), {})],
                [(name, *(round(value, 3) for value in of.values())) for name, of in report.groups.items()],
            ),
        }
    )


def _score(context: dg.AssetExecutionContext, score: Score, warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        tenant_ids = served(context, connection, [(key, key) for key in context.partition_keys])
    try:
        report = score(warehouse.url, tenant_ids)
    except NoModelError as error:
        # there was too little to learn from; the scores become due when there is a model
        context.add_asset_metadata({"not scored": str(error)})
        return
    for tenant_id, rows in report.rows.items():
        with warehouse.connect() as connection:
            stands_on = standing.as_of(connection, tenant_id) or last_built_day(connection)
            as_of = report.as_of.get(tenant_id) or stands_on or date.min
            record_scoring(connection, tenant_id, report.model, as_of, rows)
        context.add_asset_metadata(
            {"dagster/partition_row_count": rows, "as of": str(as_of), "model version": report.version},
            partition_key=tenant_id,
        )
