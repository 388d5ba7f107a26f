"""Which server a process works with, and what is known about it without starting it."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analytics_dagster.errors import SettingsError
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, access, connect, server_status, warehouse_url
from analytics_dagster.warehouse.embedded.status import embedded_status


@pytest.fixture
def settings_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Settings]]:
    """Settings whose embedded server is the stopped one; every lease is given back at the end."""
    (home.parent / "state").mkdir()
    home.rename(home.parent / "state" / "warehouse")
    servers: dict[Path, Any] = {}
    monkeypatch.setattr(access, "EmbeddedServer", partial(EmbeddedServer, durable=False, linger=0))
    monkeypatch.setattr(access, "_servers", servers)
    yield lambda **more: Settings(state_dir=home.parent / "state", embedded_port=0, _env_file=None, **more)
    for server in servers.values():
        server.release()
        assert server.wait_until_stopped(20)


def test_the_embedded_server_starts_when_it_is_asked_for(
    settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    settings = settings_for()
    before = server_status(settings)
    assert (before.running, before.embedded, before.users, before.port) == (False, True, (), None)
    assert before.version is not None
    assert before.version.startswith("18.")
    assert not server_status(settings).running  # asking starts nothing

    url = warehouse_url(settings)
    assert warehouse_url(settings) == url
    with connect(url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    during = server_status(settings)
    assert during.running
    assert during.socket_folder == url.host
    assert during.size_bytes is not None
    assert during.size_bytes > 10_000_000
    if Path("/proc/locks").exists():
        assert [user.split()[0] for user in during.users] == [str(os.getpid())]


def test_a_forked_child_may_ask_again(settings_for: Callable[..., Settings]) -> None:
    settings = settings_for()
    url = warehouse_url(settings)
    with access._guard:  # another thread of the parent is asking while it forks
        child = os.fork()
        if not child:  # pragma: no cover
            os._exit(0 if warehouse_url(settings) == url else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_server_of_ones_own(warehouse: WarehouseUrl, settings_for: Callable[..., Settings]) -> None:
    text = warehouse.sqlalchemy(driver="x").replace("+x", "")
    settings = settings_for(warehouse_url=text)
    url = warehouse_url(settings)
    assert (url.host, url.database) == (warehouse.host, warehouse.database)
    status = server_status(settings)
    assert (status.running, status.embedded, status.problem) == (True, False, None)
    assert status.version is not None
    assert status.version.startswith("18.")
    assert status.size_bytes is not None
    assert status.size_bytes > 1_000_000


def test_a_server_of_ones_own_that_is_away(settings_for: Callable[..., Settings]) -> None:
    status = server_status(settings_for(warehouse_url="postgresql://u:geheim@127.0.0.1:1/d"))
    assert not status.running
    assert status.problem is not None
    assert "does not answer" in status.problem
    assert "geheim" not in repr(status)


def test_a_wrong_url_is_named(settings_for: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match="ANALYTICS_WAREHOUSE_URL"):
        warehouse_url(settings_for(warehouse_url="postgresql://h/d"))


def test_status_where_nothing_was_ever_made(tmp_path: Path) -> None:
    status = embedded_status(tmp_path / "nothing")
    assert (status.running, status.size_bytes, status.users) == (False, None, ())
    assert not (tmp_path / "nothing").exists()
