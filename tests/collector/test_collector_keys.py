"""Write keys in the warehouse, in memory and on the command line; and how fast one may send."""

import hashlib
import json
import os
import re
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from analytics_dagster.cli import app
from analytics_dagster.collector import create_key, list_keys, revoke_key
from analytics_dagster.collector.keys import KeyRing, usable_keys
from analytics_dagster.collector.limits import TokenBucket
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import moving


def test_a_key_is_kept_as_a_hash(tenants):
    key = create_key(tenants, "acme")
    assert len({key, create_key(tenants, "acme")}) == 2
    assert re.fullmatch(r"adk_[A-Za-z0-9_-]{32}", key)
    (row, _) = tenants.execute("select row_to_json(k)::text from tenancy.write_keys as k order by key_id").fetchall()
    assert hashlib.sha256(key.encode()).hexdigest() in row[0]
    assert key[8:] not in row[0]


def test_a_key_of_nobody(tenants):
    with pytest.raises(AnalyticsError, match="registered are acme, zeta"):
        create_key(tenants, "nobody")
    tenants.execute("truncate tenancy.tenants cascade")
    with pytest.raises(AnalyticsError, match="register one first"):
        create_key(tenants, "nobody")


def test_an_offboarded_tenant_gets_no_key_and_has_none(tenants):
    create_key(tenants, "acme")
    create_key(tenants, "zeta")
    moving.offboard(tenants, "acme", actor="ada", reason="left")
    assert [tenant for _, tenant, _ in usable_keys(tenants).values()] == ["zeta"]
    with pytest.raises(AnalyticsError, match="acme was offboarded"):
        create_key(tenants, "acme")
    with pytest.raises(AnalyticsError, match=r"registered are zeta$"):
        create_key(tenants, "nobody")


def test_a_suspended_tenant_keeps_its_keys(tenants):
    create_key(tenants, "acme")
    moving.suspend(tenants, "acme", actor="ada", reason=None)
    assert [active for _, _, active in usable_keys(tenants).values()] == [False]
    moving.resume(tenants, "acme", actor="ada", reason=None)
    assert [active for _, _, active in usable_keys(tenants).values()] == [True]


def test_revoking_is_final_and_repeatable(tenants):
    create_key(tenants, "acme")
    kept = create_key(tenants, "zeta")
    first = revoke_key(tenants, list_keys(tenants)[0].key_id)
    assert first.revoked_at
    assert revoke_key(tenants, first.key_id) == first
    assert [tenant for _, tenant, _ in usable_keys(tenants).values()] == ["zeta"]
    assert list_keys(tenants)[1].hint == kept[:8]
    with pytest.raises(AnalyticsError, match="no write key 99"):
        revoke_key(tenants, 99)


def test_reading_the_keys_again_fills_no_bucket(tenants):
    key = create_key(tenants, "acme")
    ring = KeyRing(lambda: usable_keys(tenants), 10)
    assert ring.find(key) is None
    ring.refresh()
    ring.find(key).bucket.take(1000)
    create_key(tenants, "zeta")
    ring.refresh()
    assert ring.find(key).bucket.wait() > 90
    assert ring.find("\udcff") is None


def test_a_bucket_lets_a_batch_pass_and_then_asks_to_wait():
    clock = [0.0]
    bucket = TokenBucket(10, lambda: clock[0])
    assert bucket.wait() == 0
    bucket.take(120)  # two seconds' worth were in it
    assert bucket.wait() == pytest.approx(10.1)
    clock[0] = 10.2
    assert bucket.wait() == 0
    clock[0] = 1000.0
    assert bucket.wait() == 0
    bucket.take(20)  # it holds no more than that, however long nobody came
    assert bucket.wait() > 0


def test_the_command_line(tenants, warehouse, tmp_path):
    given = {"ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True), "ANALYTICS_STATE_DIR": str(tmp_path)}
    with patch.dict(os.environ, given):
        settings.cache_clear()
        try:
            run = CliRunner().invoke
            made = run(app, ["collect", "key", "create", "acme"])
            assert made.exit_code == 0
            create_key(tenants, "zeta")
            shown = run(app, ["collect", "key", "list"])
            assert "acme" in shown.output
            revoked = run(app, ["collect", "key", "revoke", "1"])
            assert "of acme is revoked" in revoked.output
            listed = json.loads(run(app, ["collect", "key", "list", "--json"]).output)
            assert [key["revoked_at"] is None for key in listed] == [False, True]
            again = run(app, ["collect", "key", "list"])
            assert re.search(r"1 │ acme +│ adk_.{4} .*│ 20.*│ 20", again.output)
        finally:
            settings.cache_clear()
    assert len(made.stdout.split()[0]) == 36
    assert made.stdout.split()[0] not in shown.output + again.output
