"""What Dagster loads. Declarations are in defs/, decisions in the domain packages beside it."""

import dagster as dg

from analytics_dagster.defs import (
    billing,
    compliance,
    expectations,
    ingest,
    jobs,
    ml,
    publication,
    quality,
    schedules,
    sensors,
    tenants,
    transform,
)
from analytics_dagster.defs.labels import described_by_group
from analytics_dagster.defs.progress_log import progress_logger
from analytics_dagster.defs.resources import Warehouse

defs = dg.Definitions(
    assets=dg.map_asset_specs(
        described_by_group,
        # wider than what the modules hold: assets only, no specs of other people's
        dg.load_assets_from_modules(  # type: ignore[arg-type]
            [tenants, ingest, quality, transform, publication, ml, billing, compliance]
        ),
    ),
    asset_checks=dg.load_asset_checks_from_modules([quality, publication, expectations]),
    jobs=jobs.ALL,
    schedules=schedules.ALL,
    sensors=sensors.ALL,
    resources={"warehouse": Warehouse()},
    loggers={"progress": progress_logger, "console": dg.colored_console_logger},
)
