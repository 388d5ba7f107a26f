"""A logger that tells the process which launched a run how far it is: one JSON object a line, on a pipe."""

import json
import logging
import os
from contextlib import suppress

import dagster as dg


class ProgressHandler(logging.Handler):
    def __init__(self, fd: int) -> None:
        super().__init__(logging.DEBUG)  # the level of Dagster's own events
        self._fd = fd

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None and record.levelno >= logging.INFO:
            say(self._fd, {"kind": "message", "step": meta.get("step_key"), "text": meta.get("orig_message")})
        elif event is not None and (event.is_step_start or event.is_step_success or event.is_step_failure):
            say(self._fd, {"kind": event.event_type_value.lower(), "step": event.step_key})


def say(fd: int, message: dict[str, object]) -> None:
    """A launcher that has gone away is no reason to stop working."""
    with suppress(OSError):
        os.write(fd, (json.dumps(message) + "\n").encode())


@dg.logger({"fd": dg.Field(int, description="An open pipe of the launching process.")})
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Progress for a launching process."""
    logger = logging.Logger("progress", level=logging.DEBUG)
    logger.addHandler(ProgressHandler(context.logger_config["fd"]))
    return logger
