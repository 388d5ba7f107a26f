"""The thin adapter to Great Expectations: reviewed suite files in, verdicts for each key out.

The context is ephemeral, because a file context rewrites its YAML. Sample values stay out of the results:
they may be personal data.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.rollup import KEYS

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Verdict:
    load_day: date
    tenant_id: str
    expectation: str
    severity: Severity
    observed: float | None
    expected: str
    passed: bool


class SuiteError(AnalyticsError):
    """A suite file that Great Expectations cannot read, or that does not fit the table it judges."""


def read_suite(file: Path) -> dict[str, Any]:
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
        names = [expectation["meta"]["name"] for expectation in suite["expectations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SuiteError(
            f"the suite cannot be read: {error!r}",
            where=str(file),
            remedy="it is a JSON object with name and expectations; each expectation has type, kwargs, severity "
            "and meta.name",
        ) from None
    if len(set(names)) < len(names):
        raise SuiteError("two expectations share a meta.name", where=str(file), remedy="rename one")
    return dict(suite)


def judge(frame: pd.DataFrame, suite: dict[str, Any]) -> list[Verdict]:
    """Every expectation of the suite, for every line of the rollup."""
    if frame.empty:
        return []
    return [
        verdict for outcome in _validate(frame, suite).results for verdict in _verdicts(frame, outcome, suite["name"])
    ]


def _validate(frame: pd.DataFrame, suite: dict[str, Any]) -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx  # noqa: PLC0415 - two seconds and 280 MB, only when something is judged
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            # the default leaves a temporary folder behind for each context
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    batch = (
        context.data_sources.add_pandas("rollups")
        .add_dataframe_asset("rollup")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    expectations = context.suites.add(gx.ExpectationSuite(name=suite["name"], expectations=suite["expectations"]))
    return batch.validate(
        expectations,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": KEYS,
            "partial_unexpected_count": 0,
        },
    )


def _verdicts(frame: pd.DataFrame, outcome: Any, suite_name: str) -> Iterator[Verdict]:
    config = outcome.expectation_config
    name = config.meta["name"]
    column = config.kwargs.get("column")
    if column not in frame.columns or not isinstance(outcome.result.get("element_count"), int):
        raise SuiteError(
            f"expectation {name} cannot be judged: {outcome.exception_info}",
            where=f"suite {suite_name}",
            remedy=f"it judges each value of one of the columns {', '.join(frame.columns)}",
        )
    failed = {tuple(index[key] for key in KEYS) for index in outcome.result.get("unexpected_index_list", [])}
    for load_day, tenant_id, observed in frame[[*KEYS, column]].itertuples(index=False):
        yield Verdict(
            load_day=load_day,
            tenant_id=tenant_id,
            expectation=name,
            severity=config.severity.value,
            observed=None if pd.isna(observed) else float(observed),
            expected=expected_text(config.kwargs),
            passed=(load_day, tenant_id) not in failed,
        )


def expected_text(kwargs: dict[str, Any]) -> str:
    """What an expectation asks for, in a few words a person reads."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    column = kwargs["column"]
    if low is not None and high is not None:
        return f"{low:g} <= {column} <= {high:g}"
    if low is not None:
        return f"{column} >= {low:g}"
    if high is not None:
        return f"{column} <= {high:g}"
    rest = {key: value for key, value in kwargs.items() if key not in {"column", "batch_id"}}
    return f"{column}: {json.dumps(rest, default=str, sort_keys=True)}"
