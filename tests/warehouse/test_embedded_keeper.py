"""The keeper's decisions, with the keeper in a thread of the test and real servers under it."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect
from analytics_dagster.warehouse.embedded import keeper as keeper_module
from analytics_dagster.warehouse.embedded.identity import choose
from analytics_dagster.warehouse.embedded.keeper import Keeper, RefusedError, free_port, make_private
from analytics_dagster.warehouse.embedded.place import Place, give_to_owner, is_held, still_names, take
from analytics_dagster.warehouse.embedded.programs import program
from analytics_dagster.warehouse.embedded.server import socket_folder

Make = Callable[..., EmbeddedServer]


class Running(threading.Thread):
    """A keeper at work, and how it ended."""

    def __init__(self, keeper: Keeper) -> None:
        super().__init__(daemon=True)
        self.keeper = keeper
        self.error: BaseException | None = None
        lock = take(keeper.place.keeper_lock, fcntl.LOCK_EX)
        assert lock is not None
        self.lock = lock
        self.start()

    def run(self) -> None:
        try:
            self.keeper.run(self.lock)
        except RefusedError as error:
            self.error = error


@pytest.fixture
def keep(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    monkeypatch.setattr(keeper_module, "TICK", 0.05)
    monkeypatch.setattr(keeper_module, "ORPHANS_MAY_LIVE", 0.1)
    started: list[Running] = []

    def start(command: list[str] | None = None, port: int = 0, linger: float = 0) -> Running:
        place = Place(Path(os.path.realpath(home)))
        identity = choose(place.data, program("postgres"))
        keeper = Keeper(
            place,
            command or identity.command(place.data, program("postgres"), "-D", str(place.data), "-c", "fsync=off"),
            port=port,
            socket_folder=socket_folder(place.data, identity.uid),
            owner=(identity.uid, identity.gid),
            linger=linger,
        )
        started.append(Running(keeper))
        return started[-1]

    yield start
    for running in started:
        running.join(20)
        assert not running.is_alive()


@pytest.fixture
def lease(home: Path) -> int:
    held = take(Place(home).users_lock, fcntl.LOCK_SH)
    assert held is not None
    return held


def until(condition: Callable[[], object], patience: float = 15) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def address(running: Running) -> WarehouseUrl | None:
    told = running.keeper.place.postmaster()
    return WarehouseUrl("analytics", "analytics", told.socket_folder, told.port) if told and told.ready else None


def answers(running: Running) -> bool:
    url = address(running)
    if url is None:
        return False
    try:
        with connect(url):
            return True
    except AnalyticsError:
        return False


def test_it_serves_while_there_is_a_lease(keep: Callable[..., Running], lease: int) -> None:
    running = keep(linger=0.2)
    until(lambda: answers(running))
    assert running.is_alive()
    os.close(lease)
    running.join(10)
    assert running.error is None
    assert not is_held(running.keeper.place.server_lock)


def test_it_restarts_a_killed_server_and_ends_its_orphans(keep: Callable[..., Running], lease: int) -> None:
    port = free_port(20_000)
    assert port
    running = keep(port=port)
    until(lambda: answers(running) and running.keeper.was_ready)
    url = address(running)
    assert url
    with connect(url) as busy:
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000)")
        first = running.keeper.pid
        assert first
        os.kill(first, signal.SIGKILL)
        until(lambda: running.keeper.pid != first and answers(running))
        busy.close()
    assert address(running) == url
    os.close(lease)


def test_it_takes_over_from_a_killed_keeper(keep: Callable[..., Running], embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    told = subprocess.run(["pgrep", "-f", "--", f"--home {server.home} "], capture_output=True, text=True, check=True)
    os.kill(int(told.stdout.split()[0]), signal.SIGKILL)
    until(lambda: not is_held(server.place.keeper_lock))
    running = keep()
    before = server.place.postmaster()
    assert before
    until(lambda: running.keeper.pid == before.pid and running.keeper.was_ready)
    assert server.acquire() == url
    shutil.rmtree(url.host, ignore_errors=True)  # and the socket comes back
    until(lambda: running.keeper.pid != before.pid and answers(running))
    server.release()


@pytest.mark.parametrize("deleted", ["its lock", "the home"])
def test_it_ends_with_its_folder(keep: Callable[..., Running], lease: int, deleted: str) -> None:
    running = keep()
    until(lambda: answers(running))
    home = running.keeper.place.home
    if deleted == "the home":
        home.rename(home.with_name("moved"))
    else:
        running.keeper.place.keeper_lock.unlink()
    running.join(15)
    assert not running.is_alive()
    os.close(lease)


@pytest.mark.parametrize(
    ("command", "said"),
    [(["/bin/false"], "PostgreSQL does not start"), (["/no/such/program"], "cannot be started: .*No such file")],
)
def test_it_gives_up(keep: Callable[..., Running], lease: int, command: list[str], said: str) -> None:
    running = keep(command)
    running.join(15)
    with pytest.raises(RefusedError, match=said):
        raise running.error or AssertionError
    os.close(lease)


def test_a_server_that_does_not_stop_is_stopped_harder(
    keep: Callable[..., Running], lease: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5.0))
    monkeypatch.setattr(keeper_module, "STOPPING", quick)
    deaf = (
        "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 3)]; print(1, flush=True); time.sleep(60)"
    )
    running = keep([sys.executable, "-c", deaf, "--"])
    until(lambda: running.keeper.child is not None)
    time.sleep(0.5)
    os.close(lease)
    running.join(10)
    assert running.keeper.child
    assert running.keeper.child.wait() == -signal.SIGKILL


def test_a_lost_port_costs_tcp_only(home: Path, tmp_path: Path) -> None:
    keeper = Keeper(Place(home), [], port=1, socket_folder=tmp_path, owner=(0, 0), linger=0)
    keeper.port = free_port(20_000)
    assert keeper.choose_port() == (keeper.port, "127.0.0.1")
    assert Keeper(Place(home), [], port=0, socket_folder=tmp_path, owner=(0, 0), linger=0).choose_port() == (5432, "")


def test_private_means_private(tmp_path: Path) -> None:
    uid, gid = os.geteuid(), os.getegid()
    make_private(tmp_path / "mine", uid, gid)
    make_private(tmp_path / "mine", uid, gid)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    for name, owner in (("link", uid), ("file", uid), ("mine", uid + 1)):
        with pytest.raises(RefusedError, match=f"{name} is not a private folder of user {owner}"):
            make_private(tmp_path / name, owner, gid)
    if uid == 0:
        make_private(tmp_path / "given", 65534, 65534)
        assert (tmp_path / "given").stat().st_uid == 65534


def test_locks(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    first, second = take(path, fcntl.LOCK_SH), take(path, fcntl.LOCK_SH)
    assert first is not None
    assert second is not None
    assert take(path, fcntl.LOCK_EX) is None
    assert not is_held(path)  # shared is not alone
    os.close(first)
    os.close(second)
    alone = take(path, fcntl.LOCK_EX)
    assert alone is not None
    assert is_held(path)
    path.unlink()
    assert not still_names(path, alone)
    give_to_owner(alone, tmp_path)
    os.close(alone)


def test_a_lock_that_is_replaced_while_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    real = fcntl.flock

    def replaced(handle: int, operation: int) -> None:
        path.unlink()
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", replaced)
    assert take(path, fcntl.LOCK_EX) is None


@pytest.mark.parametrize("text", ["", "12\n/data", "x\n/data\n1\n5432\n/tmp\n\n1 1\nready\n"])
def test_an_unfinished_pid_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    assert Place(tmp_path).postmaster() is None
    assert Place(tmp_path).pid_in_file() is None
    (tmp_path / "data" / "postmaster.pid").write_text(text)
    assert Place(tmp_path).postmaster() is None
