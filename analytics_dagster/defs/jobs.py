"""Which assets run together: each job has one kind of partition."""

import dagster as dg

from analytics_dagster.defs import (
    billing,
    compliance,
    expectations,
    ingest,
    ml,
    publication,
    quality,
    tenants,
    transform,
)
from analytics_dagster.defs.labels import EXCLUSIVE

IN_PROCESS = dg.in_process_executor  # a step in a process of its own costs 3.6 s, here 0.1 s

deploy = dg.define_asset_job(
    "deploy",
    # what is said of the views is found out when something is loaded
    dg.AssetSelection.assets(tenants.tenants, transform.dbt_views)
    - dg.AssetSelection.checks(expectations.expectations_of_loads),
    description="Registers the tenants of tenants/ and makes the views: after each change of code or registry.",
    tags=EXCLUSIVE,
    executor_def=IN_PROCESS,
)
daily = dg.define_asset_job(
    "daily",
    dg.AssetSelection.assets(ingest.raw_events, quality.quality_gate, transform.dbt_tables)
    | dg.AssetSelection.checks(expectations.expectations_of_loads),
    description="Loads the landing files of a day, judges them, and restates the marts that they touch.",
    tags=EXCLUSIVE,
    executor_def=IN_PROCESS,
)
publish = dg.define_asset_job(
    "publish",
    dg.AssetSelection.assets(publication.tenant_marts),
    description="Publishes tenants' marts with the proof of their isolation.",
    executor_def=IN_PROCESS,
)
train = dg.define_asset_job(
    "train",
    dg.AssetSelection.assets(ml.churn_model, ml.lifetime_value_model),
    description="Trains the models and registers them.",
    executor_def=IN_PROCESS,
)
score = dg.define_asset_job(
    "score",
    dg.AssetSelection.assets(ml.churn_scores, ml.lifetime_value_scores),
    description="Scores the users of tenants with the models in use.",
    executor_def=IN_PROCESS,
)
monthly = dg.define_asset_job(
    "monthly",
    dg.AssetSelection.assets(billing.billing_report, compliance.compliance_report),
    description="Writes a month's billing and compliance reports.",
    executor_def=IN_PROCESS,
)

ALL = [deploy, daily, publish, train, score, monthly]
