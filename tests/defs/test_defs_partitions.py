"""Where partitions begin, and how their keys are written and read."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.defs.partitions import (
    day_of,
    loading_days,
    months,
    tenant_month_key,
    tenant_month_of,
)

LINE = "from analytics_dagster.defs.partitions import loading_days, months; print(loading_days.start, months.start)"


def begins(state, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")}
    return subprocess.run(
        [sys.executable, "-c", LINE],
        env=environment | {"ANALYTICS_STATE_DIR": str(state), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_partitions_begin_at_the_first_day_written_down(tmp_path):
    (tmp_path / "first_day").write_text("2025-07-14\n")
    assert begins(tmp_path).stdout.split()[::2] == ["2025-07-14", "2025-07-01"]


def test_a_first_day_that_is_none_is_named(tmp_path):
    (tmp_path / "first_day").write_text("soon")
    done = begins(tmp_path)
    assert done.returncode
    assert "the first day cannot be read" in done.stderr
    assert str(tmp_path / "first_day") in done.stderr


def test_today_is_a_partition_too():
    keys = loading_days.get_partition_keys(datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert keys == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert months.get_partition_keys(datetime(2026, 3, 2, tzinfo=UTC)) == ["2026-02-01"]


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True), st.dates(date(2000, 1, 1)))
def test_a_tenants_month_reads_as_it_was_written(tenant, day):
    month = day.replace(day=1)
    assert tenant_month_of(tenant_month_key(tenant, month)) == (tenant, month)


@pytest.mark.parametrize("key", ["2026-02", "today", "2026-02-30"])
def test_a_key_that_is_no_day_is_refused(key):
    with pytest.raises(ValueError, match=f"{key}|out of range"):
        day_of(key)
