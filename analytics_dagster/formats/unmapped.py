"""Why a record is no event of its format: the producer's own field, the rule, and what was expected there.

Raised by formats and caught by whoever reads: the collector refuses the request, the loader fills the quarantine.
"""

from analytics_dagster.errors import AnalyticsError


class UnmappedError(AnalyticsError):
    """`where` is None when the record as a whole cannot be read: it is no JSON object."""

    def __init__(self, problem: str, where: str | None = None, *, rule: str, value: bytes | None = None) -> None:
        self.rule = rule
        self.value = value  # as JSON, as it was sent; whoever shows it shortens it
        super().__init__(problem, where=where)
