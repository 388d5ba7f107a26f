"""The embedded server as root (both ways) and as an ordinary user."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analytics_dagster.errors import WarehouseError
from analytics_dagster.warehouse import EmbeddedServer, connect
from analytics_dagster.warehouse.embedded import identity as identity_module
from analytics_dagster.warehouse.embedded import unprivileged
from analytics_dagster.warehouse.embedded.identity import Identity, choose, nobody
from analytics_dagster.warehouse.embedded.programs import program

Make = Callable[..., EmbeddedServer]
Start = Callable[..., "subprocess.Popen[str]"]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="for everybody "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def works(server: EmbeddedServer) -> bool:
    with server as url, connect(url) as connection:
        connection.execute("create table if not exists seen (line text)")
    return server.wait_until_stopped(10)


def everybody_reaches(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in [path.resolve(), *path.resolve().parents])


@root_only
def test_root_uses_a_namespace_and_keeps_the_files(tmp_path: Path, embedded: Make) -> None:
    server = embedded(tmp_path)
    if choose(server.place.data, program("postgres")).wrapper != "namespace":
        pytest.skip("this kernel allows no user namespaces")
    assert works(server)
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {0}


@root_only
def test_without_namespaces_root_becomes_nobody_and_stays_it(open_folder: Path, embedded: Make) -> None:
    if not everybody_reaches(program("postgres")):
        pytest.skip("PostgreSQL's programs are in a folder of root's")
    home = open_folder / "warehouse"
    assert works(embedded(home, namespaces=False))
    assert (home / "data").stat().st_uid == nobody().uid
    assert (home / "users.lock").stat().st_uid == 0
    assert works(embedded(home))  # the owner of the folder has decided
    assert choose(home / "data", program("postgres")) == nobody()


@root_only
def test_a_folder_that_nobody_can_enter_is_named(tmp_path: Path, embedded: Make) -> None:
    tmp_path.chmod(0o700)
    closed = next(folder for folder in [*reversed(tmp_path.parents), tmp_path] if not folder.stat().st_mode & 0o001)
    with pytest.raises(WarehouseError, match=f"cannot enter {closed}\n.*/var/lib/analytics-dagster"):
        embedded(tmp_path / "home", namespaces=False).acquire()
    assert not (tmp_path / "home" / "data").exists()


@root_only
def test_a_folder_of_root_where_namespaces_are_forbidden(home: Path, embedded: Make) -> None:
    with pytest.raises(WarehouseError, match=r"root owns the data folder.*\n.*chown -R nobody"):
        embedded(home, namespaces=False).acquire()


@pytest.mark.parametrize("way", ["in a namespace", "for real"])
def test_as_an_ordinary_user(open_folder: Path, user_process: Start, embedded: Make, way: str) -> None:
    python, options = sys.executable, {}
    if os.geteuid() != 0:
        prefix: tuple[str, ...] = ()
    elif way == "in a namespace":  # root outside, without any of root's rights
        prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
            pytest.skip("this kernel allows no user namespaces")
    else:
        packages = Path(pytest.__file__).parent.parent
        python = next(
            (
                found
                for found in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}")
                if Path(found).exists() and everybody_reaches(Path(found))
            ),
            "",
        )
        if not python or not everybody_reaches(packages) or not shutil.which("setpriv"):
            pytest.skip("an ordinary user can reach no Python of this version")
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        source = Path(identity_module.__file__).parents[3]
        options["env"] = {"PYTHONPATH": f"{packages}:{source}", "PATH": "/usr/bin:/bin"}
    home = open_folder / "home"
    home.mkdir()
    if way == "for real" and prefix:
        os.chown(home, 65534, 65534)
    user = user_process(home, *prefix, python=python, cwd="/", **options)
    pid = user.stdout.readline()
    assert pid, user.communicate()[1]
    user.kill()
    assert embedded(home).wait_until_stopped(10)
    assert (home / "data").stat().st_uid == home.stat().st_uid
    assert works(embedded(home))  # and root can use that user's server, without locking the user out
    assert {path.stat().st_uid for path in home.iterdir()} == {home.stat().st_uid}


def test_somebody_elses_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    name = pwd.getpwuid(tmp_path.stat().st_uid).pw_name
    with pytest.raises(WarehouseError, match=f"belongs to {name}, and this is user 4711"):
        choose(tmp_path, program("postgres"))


def test_an_ordinary_user_needs_no_wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or 4711)
    found = choose(tmp_path / "not there", Path("/postgres"))
    assert found.command(tmp_path, Path("/postgres"), "-D") == ["/postgres", "-D"]


@root_only
def test_programs_that_do_not_run_here(open_folder: Path) -> None:
    broken = open_folder / "postgres"
    broken.write_text("#!/bin/sh\necho wrong machine >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(WarehouseError, match=r"do not run here.*\n.*wrong machine"):
        choose(open_folder / "data", broken, namespaces=False)


def test_a_machine_without_the_user_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    assert nobody() == Identity(65534, 65534, "65534:65534")


def test_a_kernel_without_namespaces(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Library:
        def unshare(self, _: int) -> int:
            return -1

    monkeypatch.setattr(unprivileged.ctypes, "CDLL", lambda *_, **__: Library())
    with pytest.raises(SystemExit) as left:
        unprivileged.main("namespace", "/", "/bin/true")
    assert left.value.code == unprivileged.NO_NAMESPACE
    assert "unshare" in capsys.readouterr().err
