"""Why a request is not answered with 200: the status, the sentence, and which part of the body is meant.

What a refusal says goes to whoever posted: never a value of the payload, never the name of another tenant.
"""

from analytics_dagster.errors import AnalyticsError


class RefusedError(AnalyticsError):
    """The request as a whole is refused: nothing of it was kept."""

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.status = status
        self.retry_after = retry_after  # seconds
        super().__init__(problem, where=where, remedy=remedy)

    def below(self, place: str) -> "RefusedError":
        """The same refusal, told from further outside: `metadata.source` becomes `[3].metadata.source`."""
        joint = "." if place and self.where and not self.where.startswith("[") else ""
        where = f"{place}{joint}{self.where or ''}" or None
        return RefusedError(self.status, self.problem, where=where, remedy=self.remedy, retry_after=self.retry_after)

    def as_json(self) -> dict[str, object]:
        said = {"error": self.problem, "field": self.where, "remedy": self.remedy}
        return {"success": False, **{name: text for name, text in said.items() if text}}


def invalid(problem: str, where: str | None = None, remedy: str | None = None) -> RefusedError:
    return RefusedError(400, problem, where=where, remedy=remedy)


def unavailable(problem: str, retry_after: int) -> RefusedError:
    return RefusedError(503, problem, remedy="send it again later", retry_after=retry_after)
