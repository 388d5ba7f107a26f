"""The thin adapter to Great Expectations: a frame of measures and the suites in, a verdict for each row and
expectation out.

One validation judges all rows by all suites. Great Expectations sees numbers only: no tenant, no day, no event.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import repeat
from typing import Any

import pandas as pd

from analytics_dagster.quality.suite_files import (
    MARTS_SUITE,
    SUPPORTED,
    Expectation,
    Suite,
    SuiteError,
    expected_text,
    read_suites,
)
from analytics_dagster.quality.verdicts import Verdict

__all__ = ["MARTS_SUITE", "Expectation", "Suite", "SuiteError", "expected_text", "judge", "read_suites"]

KEYS = ("load_day", "tenant_id")
HISTORY = "history"  # the column that tells how many earlier loads are known
ENOUGH_HISTORY = 14  # loads; with fewer, a measure that compares may have nothing to compare with
NO_HISTORY = "no history yet: judged by absolute rules only"
OWN_THRESHOLD = "by a threshold of this tenant"

Thresholds = Mapping[str, Mapping[str, Mapping[str, Any]]]  # tenant, suite.expectation, what changes
Own = dict[str, Expectation | None]  # by tenant; nothing: it is off
Rule = tuple[str, str]  # type and kwargs as text: the same rule is judged once, however many have it


def is_relative(measure: str) -> bool:
    """Whether a measure compares a load with earlier ones of its tenant: its name says so."""
    return measure.endswith(("_deviation", "_ratio")) or measure in {"mix_shift", "new_name_share"}


def judge(frame: pd.DataFrame, suites: Sequence[Suite], thresholds: Thresholds | None = None) -> list[Verdict]:
    """A verdict for each row and each expectation that is not off for its tenant; nothing to observe passes."""
    if frame.empty:
        return []
    _require_columns(frame, suites)
    expectations = [expectation for suite in suites for expectation in suite.expectations]
    own = _own(expectations, thresholds or {}, frame["tenant_id"].unique())
    variants = [variant for changed in own.values() for variant in changed.values() if variant]
    failed = _failures(frame, [*expectations, *variants])
    return [
        verdict
        for expectation in expectations
        for verdict in _verdicts(frame, expectation, own.get(expectation.key, {}), failed)
    ]


def _own(expectations: Sequence[Expectation], thresholds: Thresholds, tenants: Iterable[str]) -> dict[str, Own]:
    """What stands for an expectation, by its key, for the tenants that have it otherwise."""
    own: dict[str, Own] = {}
    for tenant in tenants:
        changes = thresholds.get(tenant, {})
        for expectation in expectations:
            if (threshold := changes.get(expectation.key)) is not None:
                variant = None if threshold.get("off") else expectation.changed(threshold)
                own.setdefault(expectation.key, {})[tenant] = variant
    return own


def _require_columns(frame: pd.DataFrame, suites: Sequence[Suite]) -> None:
    known = [str(column) for column in frame.columns if column not in KEYS]
    for suite in suites:
        for expectation in suite.expectations:
            if expectation.column not in known:
                close = get_close_matches(expectation.column, known, 1)
                meant = f"did you mean {close[0]}? " if close else ""
                raise SuiteError(
                    f"expectation {expectation.name}: kwargs.column: there is no measure {expectation.column}",
                    where=str(suite.file),
                    remedy=f"{meant}measures are {', '.join(known)}",
                )


def _rule(expectation: Expectation) -> Rule:
    return expectation.type, repr(sorted(expectation.kwargs.items()))


def _failures(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> dict[Rule, frozenset[int]]:
    """The positions of the rows that fail, for each rule."""
    rules = {_rule(expectation): expectation for expectation in expectations}
    columns = sorted({expectation.column for expectation in rules.values()})
    # without index columns a result names positions, which is four times as fast when many rows fail
    measures = frame[columns].astype("float64").reset_index(drop=True)
    numbered = list(rules)
    failed: dict[Rule, frozenset[int]] = {}
    for outcome in _validated(measures, list(rules.values())):
        rule = numbered[outcome.expectation_config.meta["rule"]]
        positions = outcome.result.get("unexpected_index_list")
        if positions is None:
            raise _unusable(rules[rule], outcome.exception_info)
        failed[rule] = frozenset(positions)
    return failed


def _validated(measures: pd.DataFrame, expectations: Sequence[Expectation]) -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx  # noqa: PLC0415 - seconds and 280 MB, only when something is judged
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
        context.data_sources.add_pandas("measures")
        .add_dataframe_asset("loads")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": measures})
    )
    # given to the constructor: adding one by one, the second rule for a column would replace the first
    suite = gx.ExpectationSuite(name="all suites", expectations=[_made(gx, *pair) for pair in enumerate(expectations)])
    return batch.validate(
        context.suites.add(suite), result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0}
    ).results


def _made(gx: Any, number: int, expectation: Expectation) -> Any:
    """Great Expectations' own object of it. A suite leaves out what it cannot read, with no more than a line of log."""
    try:
        kind = getattr(gx.expectations, "".join(word.capitalize() for word in expectation.type.split("_")))
        return kind(**expectation.kwargs, meta={"rule": number})
    except (AttributeError, ValueError, TypeError) as error:
        raise _unusable(expectation, error) from None


def _unusable(expectation: Expectation, why: object) -> SuiteError:
    return SuiteError(
        f"Great Expectations cannot judge expectation {expectation.name}: {why}",
        where=f"suite {expectation.suite}",
        remedy=f"correct its kwargs, {dict(expectation.kwargs)}, or use another of {', '.join(SUPPORTED)}",
    )


def _verdicts(
    frame: pd.DataFrame, expectation: Expectation, own: Own, failed: Mapping[Rule, frozenset[int]]
) -> Iterator[Verdict]:
    compares = HISTORY in frame.columns and is_relative(expectation.column)
    histories = frame[HISTORY].tolist() if compares else repeat(ENOUGH_HISTORY, len(frame))
    values = frame[expectation.column].astype("float64")
    rows = zip(frame["load_day"], frame["tenant_id"], values.tolist(), values.isna().tolist(), histories, strict=True)
    usual = _Judge(expectation, failed, ())
    others = {tenant: _Judge(rule, failed, (OWN_THRESHOLD,)) if rule else None for tenant, rule in own.items()}
    for position, (load_day, tenant_id, observed, nothing, history) in enumerate(rows):
        judged_by = others.get(tenant_id, usual)
        if judged_by is None:
            continue
        notes = (NO_HISTORY, *judged_by.notes) if nothing and history < ENOUGH_HISTORY else judged_by.notes
        yield Verdict(
            load_day=load_day,
            tenant_id=tenant_id,
            suite=expectation.suite,
            expectation=expectation.name,
            severity=judged_by.severity,
            observed=None if nothing else observed,
            expected=judged_by.expected,
            passed=position not in judged_by.failed,
            note="; ".join(notes),
        )


class _Judge:
    """What is the same for all rows that an expectation, or a tenant's variant of it, judges."""

    def __init__(self, expectation: Expectation, failed: Mapping[Rule, frozenset[int]], notes: tuple[str, ...]) -> None:
        self.severity = expectation.severity
        self.expected = expectation.expected
        self.failed = failed[_rule(expectation)]
        self.notes = notes
