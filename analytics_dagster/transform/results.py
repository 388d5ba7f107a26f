"""What a dbt call did, node by node, in our own words: the rest of the project reads these and not dbt's objects."""

from dataclasses import dataclass
from typing import Any

from analytics_dagster.errors import AnalyticsError

PASSED = {"success", "pass"}
FAILED = {"error", "fail", "partial success", "runtime error"}


@dataclass(frozen=True)
class NodeResult:
    unique_id: str
    name: str
    resource_type: str
    status: str  # success, pass, warn, fail, error, skipped
    seconds: float
    rows_affected: int | None  # of models
    failures: int | None  # rows that a data test found
    message: str | None

    @property
    def failed(self) -> bool:
        return self.status in FAILED

    @property
    def passed(self) -> bool:
        return self.status in PASSED


@dataclass(frozen=True)
class BuildResult:
    nodes: tuple[NodeResult, ...]
    seconds: float

    def of(self, resource_type: str) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.resource_type == resource_type)

    @property
    def failed(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.failed)


class BuildFailedError(AnalyticsError):
    """Some models or data tests failed; `result` says what happened to each of them."""

    def __init__(self, result: BuildResult, *, where: str) -> None:
        self.result = result
        skipped = sum(node.status == "skipped" for node in result.nodes)
        reasons = "\n".join(f"  {node.name}: {_reason(node)}" for node in result.failed)
        super().__init__(
            f"{len(result.failed)} of {len(result.nodes)} steps of the build failed, "
            f"{skipped} were skipped:\n{reasons}\n",
            where=where,
            remedy="each failed step left its table as it was; correct the cause and run the same days again",
        )


def read_results(results: Any) -> tuple[NodeResult, ...]:
    """From dbt's RunExecutionResult, which is itself the sequence of its results."""
    return tuple(
        NodeResult(
            unique_id=result.node.unique_id,
            name=result.node.name,
            resource_type=str(result.node.resource_type),
            status=str(result.status),
            seconds=result.execution_time,
            rows_affected=_rows(result.adapter_response),
            failures=result.failures,
            message=result.message,
        )
        for result in results
    )


def _rows(adapter_response: dict[str, Any] | None) -> int | None:
    rows: int | None = (adapter_response or {}).get("rows_affected")
    return None if rows is None or rows < 0 else rows  # psycopg2 says -1 of a statement without rows


def _reason(node: NodeResult) -> str:
    # dbt's first line repeats the model and its last one the compiled file; the database's words are between
    lines = [line.strip() for line in (node.message or node.status).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Database Error in", "compiled code at"))]
    return " ".join(kept)[:1000]
