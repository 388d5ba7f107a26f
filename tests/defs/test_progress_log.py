"""What a launching process is told, and that its absence stops nobody."""

import json
import logging
import os

import dagster as dg
import pytest

from analytics_dagster.defs.progress_log import progress_logger, say


@pytest.fixture
def told(tmp_path):
    file = tmp_path / "told"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    yield fd, lambda: [json.loads(line) for line in file.read_text().splitlines()]
    os.close(fd)


@dg.op
def careful(context: dg.OpExecutionContext) -> None:
    context.log.debug("not for people")
    context.log.info("half way | [done] ü")


@dg.op
def broken() -> None:
    raise ValueError("as expected")


def test_steps_and_messages_are_told(told):
    fd, lines = told

    @dg.job(logger_defs={"progress": progress_logger})
    def work() -> None:
        careful()
        broken()

    config = {"loggers": {"progress": {"config": {"fd": fd}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        assert not work.execute_in_process(run_config=config, instance=instance, raise_on_error=False).success
    assert sorted((line["kind"], line["step"], line.get("text")) for line in lines() if line["step"] == "careful") == [
        ("message", "careful", "half way | [done] ü"),
        ("step_start", "careful", None),
        ("step_success", "careful", None),
    ]
    assert [line["kind"] for line in lines() if line["step"] == "broken"] == ["step_start", "step_failure"]


def test_a_launcher_that_went_away_stops_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    say(writing, {"kind": "message"})
    os.close(writing)
    say(writing, {"kind": "message"})


def test_records_of_others_are_told_too(told):
    fd, lines = told
    context = dg.build_init_logger_context(logger_config={"fd": fd})
    logger = progress_logger(context)
    logger.log(logging.WARNING, "not from Dagster")
    assert lines() == [{"kind": "message", "step": None, "text": None}]
