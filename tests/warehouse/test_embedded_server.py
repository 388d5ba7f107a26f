"""The embedded server in use: shared, killed, restarted, stopped."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from analytics_dagster.errors import AnalyticsError, WarehouseError
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect
from analytics_dagster.warehouse.embedded import server as server_module
from analytics_dagster.warehouse.embedded.identity import choose
from analytics_dagster.warehouse.embedded.place import is_held, take
from analytics_dagster.warehouse.embedded.programs import program

Make = Callable[..., EmbeddedServer]
Start = Callable[..., "subprocess.Popen[str]"]


def until(condition: Callable[[], object], patience: float = 15) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def keeper_of(server: EmbeddedServer) -> int:
    told = subprocess.run(["pgrep", "-f", "--", f"--home {server.home} "], capture_output=True, text=True, check=False)
    return int(told.stdout.split()[0])


def postmaster_of(server: EmbeddedServer) -> int:
    told = server.place.postmaster()
    assert told
    return told.pid


def note(url: WarehouseUrl, line: str) -> None:
    with connect(url) as connection:
        connection.execute("create table if not exists notes (line text)")
        connection.execute("insert into notes values (%s)", [line])


def notes(url: WarehouseUrl) -> list[str]:
    with connect(url) as connection:
        return [line for (line,) in connection.execute("select line from notes order by 1")]


def answers(url: WarehouseUrl) -> bool:
    try:
        with connect(url):
            return True
    except AnalyticsError:
        return False


def test_is_made_as_promised(tmp_path: Path, embedded: Make) -> None:
    with connect(embedded(tmp_path / "new" / "folder").acquire()) as connection:
        found = connection.execute(
            "select current_user::text, datname::text, pg_get_userbyid(datdba)::text,"
            " pg_encoding_to_char(encoding)::text,"
            " datlocprovider::text, datlocale, (select setting from pg_settings where name = 'data_checksums')"
            " from pg_database where datname = current_database()"
        ).fetchone()
    assert found == ("analytics", "analytics", "analytics", "UTF8", "b", "C.UTF-8", "on")
    assert [path.name for path in (tmp_path / "new" / "folder").glob("data*")] == ["data"]


def test_data_survives_a_restart_and_nothing_is_left_behind(embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    assert server.acquire() == url
    note(url, "kept")
    server.release()
    assert server.wait_until_stopped(10)
    assert not Path(url.host).exists()
    assert not answers(url)
    with server as again:
        assert notes(again) == ["kept"]


def test_processes_that_start_at_once_share_one_server(home: Path, user_process: Start, embedded: Make) -> None:
    users = [user_process(home) for _ in range(3)]
    assert len({user.stdout.readline() for user in users}) == 1
    server = embedded()
    for user in users[:2]:
        user.send_signal(signal.SIGKILL)
    assert not server.wait_until_stopped(0.6)
    users[2].send_signal(signal.SIGKILL)
    assert server.wait_until_stopped(5)


@pytest.mark.slow
def test_last_user_goes_while_the_next_one_comes(home: Path, user_process: Start) -> None:
    users = [user_process(home, rounds=8) for _ in range(2)]
    for user in users:
        assert user.stdout.readline(), user.communicate()[1]


def test_a_killed_server_comes_back_with_its_data_at_the_same_address(embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    note(url, "kept")
    with closing(psycopg.connect(url.conninfo(), autocommit=True)) as busy:
        # a backend that computes does not see that its server died
        busy.execute("set statement_timeout = 0")
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000)")
        os.kill(postmaster_of(server), signal.SIGKILL)
        until(lambda: answers(url))
    assert notes(url) == ["kept"]
    assert server.acquire() == url


def test_a_killed_keeper_is_replaced_by_the_next_user(embedded: Make) -> None:
    first, second = embedded(), embedded()
    url = first.acquire()
    before = postmaster_of(first)
    os.kill(keeper_of(first), signal.SIGKILL)
    until(lambda: not is_held(first.place.keeper_lock))
    assert answers(url)
    assert second.acquire() == url
    assert postmaster_of(second) == before
    os.kill(before, signal.SIGKILL)  # an adopted server is looked after like one's own
    until(lambda: answers(url))
    first.release()
    second.release()
    assert second.wait_until_stopped(5)


def test_a_terminated_keeper_stops_the_server(embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    os.kill(keeper_of(server), signal.SIGTERM)
    assert server.wait_until_stopped(10)
    assert server.acquire() == url


@pytest.mark.parametrize("pid", ["another program's", "nobody's", "torn"])
def test_a_stale_pid_file_is_no_obstacle(home: Path, pid: str, embedded: Make) -> None:
    number = {"another program's": str(os.getpid()), "nobody's": "4000000", "torn": "\0\0"}[pid]
    (home / "data" / "postmaster.pid").write_text(f"{number}\n{home}/data\n1\n5432\n/tmp\n\n 1 1\nready   \n")
    with embedded() as url:
        assert answers(url)


def test_a_server_that_somebody_else_started_is_left_alone(home: Path, embedded: Make) -> None:
    data = home / "data"
    identity = choose(data, program("postgres"))
    folder = tempfile.mkdtemp()
    other = subprocess.Popen(
        identity.command(data, program("postgres"), "-D", str(data), "-k", folder, "-c", "listen_addresses="),
        stderr=subprocess.DEVNULL,
    )
    try:
        server = embedded()
        until(lambda: (told := server.place.postmaster()) and told.ready)
        with pytest.raises(WarehouseError, match=f"process {other.pid}.* not started by this project.*\n.*stop it"):
            server.acquire()
        assert other.poll() is None
    finally:
        other.terminate()
        other.wait()
        shutil.rmtree(folder)


def test_a_deleted_home_ends_its_server(home: Path, embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    pid = postmaster_of(server)
    # its server still writes and deletes there
    until(lambda: shutil.rmtree(home, ignore_errors=True) or not home.exists())
    again = server.acquire()
    assert postmaster_of(server) != pid
    until(lambda: answers(again))
    assert "notes" not in str(url)
    until(lambda: not Path(f"/proc/{pid}/cwd").exists() or not server.place.runs_here(pid))


def test_a_cleaned_socket_folder_comes_back(embedded: Make) -> None:
    url = embedded().acquire()
    shutil.rmtree(url.host, ignore_errors=True)
    assert not answers(url)
    until(lambda: answers(url))


def test_a_socket_folder_of_somebody_else_is_not_used(embedded: Make) -> None:
    server = embedded()
    folder = server_module.socket_folder(server.place.data, os.geteuid())
    folder.mkdir()
    folder.chmod(0o755)
    try:
        with pytest.raises(WarehouseError, match=f"{folder} is not a private folder.*\n.*remove it"):
            server.acquire()
    finally:
        folder.rmdir()
    with server as url:
        assert answers(url)
        assert Path(url.host).stat().st_mode & 0o777 == 0o700


def test_a_long_path_with_spaces(
    stopped_server: Path, tmp_path: Path, embedded: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("deep and " * 20) / "ÄÖ 'quoted'"
    shutil.copytree(stopped_server, folder)
    monkeypatch.setattr(server_module.tempfile, "gettempdir", lambda: str(folder))
    with embedded(folder) as url:
        assert answers(url)
        assert len(url.host) < 80


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_taken_port_gives_the_next_one_and_tcp_asks_for_a_password(embedded: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        url = embedded(port=port).acquire()
        assert port < url.port < port + 100
    with connect(url) as connection:
        connection.execute("create role reader login password 'geheim'")
    tcp = {"user": "reader", "database": "analytics", "host": "127.0.0.1", "port": url.port}
    assert answers(WarehouseUrl(**tcp, password="geheim"))
    with (
        pytest.raises(WarehouseError, match="password authentication failed"),
        connect(WarehouseUrl(**tcp, password="falsch")),
    ):
        pass
    with pytest.raises(WarehouseError, match="no password supplied"), connect(WarehouseUrl(**tcp)):
        pass


def test_a_port_lost_during_a_restart_costs_tcp_but_not_the_address(embedded: Make) -> None:
    server = embedded(port=free_port())
    url = server.acquire()
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        os.kill(postmaster_of(server), signal.SIGKILL)

        def stolen() -> bool:
            try:
                thief.bind(("127.0.0.1", url.port))
            except OSError:
                return False
            thief.listen()
            return True

        until(stolen, 2)
        until(lambda: answers(url))
        told = server.place.postmaster()
        assert told
        assert not told.tcp


def test_no_free_port(embedded: Make) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 65535))
        except OSError:
            pass  # somebody else's: as good
        else:
            taken.listen()
        with pytest.raises(WarehouseError, match=r"no free port from 65535 on.*\n.*ANALYTICS_EMBEDDED_PORT"):
            embedded(port=65535).acquire()


def test_a_server_that_cannot_start_says_why_and_lets_go(home: Path, embedded: Make) -> None:
    (home / "data" / "global" / "pg_control").unlink()
    server = embedded()
    with pytest.raises(WarehouseError, match="does not start") as caught:
        server.acquire()
    assert "pg_control" in str(caught.value)
    assert server.wait_until_stopped(5)


def test_parameters_reach_the_server_and_alter_system_wins(embedded: Make) -> None:
    server = embedded(parameters={"work_mem": "7MB", "application_name": "it's ours"})
    with connect(server.acquire(), autocommit=True) as connection:
        assert connection.execute("show work_mem").fetchone() == ("7MB",)
        assert connection.execute("show fsync").fetchone() == ("off",)
        connection.execute("alter system set work_mem to '9MB'")
    server.release()
    assert server.wait_until_stopped(10)
    with server as url, connect(url) as connection:
        assert connection.execute("show work_mem").fetchone() == ("9MB",)


def test_forked_children_keep_the_lease(embedded: Make) -> None:
    server = embedded()
    url = server.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    server.release()
    assert not server.wait_until_stopped(0.6)
    assert answers(url)
    os.close(writing)
    os.waitpid(child, 0)
    assert server.wait_until_stopped(5)


def test_linger_bridges_commands_that_follow_one_another(embedded: Make) -> None:
    server = embedded(linger=0.7)
    server.acquire()
    pid = postmaster_of(server)
    server.release()
    assert not server.wait_until_stopped(0.4)
    server.acquire()
    assert postmaster_of(server) == pid


def test_waiting_for_others_ends_with_a_message(embedded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE", 0.1)
    server = embedded()
    for path, mode, said in (
        (server.place.users_lock, fcntl.LOCK_EX, "still stopping"),
        (server.place.start_lock, fcntl.LOCK_EX, "still starting"),
    ):
        lock = take(path, mode)
        assert lock is not None
        with pytest.raises(AnalyticsError, match=said):
            server.acquire()
        os.close(lock)


def test_the_log_is_not_kept_for_ever(home: Path, embedded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "KEPT_LOG", 10)
    (home / "server.log").write_text("more than ten bytes")
    with embedded():
        assert (home / "server.log.1").read_text() == "more than ten bytes"


def test_the_keeper_is_small(embedded: Make) -> None:
    server = embedded()
    server.acquire()
    status = Path(f"/proc/{keeper_of(server)}/status")
    if not status.exists():
        pytest.skip("the system has no /proc")
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 25_000, resident
    assert sys.modules  # this process imports far more
