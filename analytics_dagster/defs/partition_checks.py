"""A check that holds for each partition, in a run of many: Dagster derives the partition of a result only in a run of
one, so the evaluations are made here. Each names the materialization that it is about, else Dagster takes it for one of
an older materialization, and shows nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg


def partition_evaluations(
    context: dg.AssetCheckExecutionContext,
    key: dg.AssetCheckKey,
    failing: Mapping[str, Mapping[str, Any]],
) -> Iterator[dg.AssetCheckEvaluation]:
    """Of each partition of this run; `failing` has the partitions that fail, with their metadata."""
    run = context.op_execution_context
    partitions = run.partition_keys if run.has_partitions else ()
    targets = _newest_materializations(context.instance, key.asset_key, partitions)
    for partition in partitions:
        yield dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=partition not in failing,
            metadata=failing.get(partition),
            target_materialization_data=targets.get(partition),
            partition=partition,
        )


def _newest_materializations(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, Any]:
    """A partition that another run materializes at the same time may be missing: then it has no target."""
    if not partitions:
        return {}
    found: dict[str, Any] = {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=list(partitions)), limit=len(partitions)
    ).records
    for record in records:
        found.setdefault(str(record.partition_key), _target(record.storage_id, record.run_id, record.timestamp))
    return found


def _target(storage_id: int, run_id: str, timestamp: float) -> Any:
    """Dagster does not export its class, but reads it as it is stored, which has to stay readable."""
    name = "AssetCheckEvaluationTargetMaterializationData"
    stored = {"__class__": name, "storage_id": storage_id, "run_id": run_id, "timestamp": timestamp}
    return dg.deserialize_value(json.dumps(stored))
