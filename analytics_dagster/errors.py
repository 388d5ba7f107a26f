"""The errors a person reads: what was wrong, where, and what to do next.

Only errors that the reader can act on live here; a bug stays an ordinary exception with its traceback.
Permanent and transient failures are different types, and only the transient are retried.
"""


class AnalyticsError(Exception):
    """A permanent failure: repeating it changes nothing until a person acts on `remedy`."""

    def __init__(self, problem: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.remedy = remedy
        super().__init__(self.__str__())

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f"\n  → {self.remedy}" if self.remedy else ""
        return f"{self.problem}{place}{advice}"


class TransientError(AnalyticsError):
    """A failure that may pass by itself, such as a server that restarts: it is retried."""


class SettingsError(AnalyticsError):
    """A setting is missing, unknown or has a value that cannot work."""


class WarehouseError(AnalyticsError):
    """PostgreSQL is there but cannot be used as it is."""


class WarehouseUnreachableError(TransientError):
    """PostgreSQL does not answer."""
