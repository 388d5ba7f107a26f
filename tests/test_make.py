"""What a newcomer meets first: make, and the script that makes the environment.

No installation happens here: interpreters, disks and pip are stand-ins on the PATH, as broken as those of people's
machines.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = {"help", "run", "ui", "test", "lint", "bench", "docs", "schemas", "lock", "venv", "check"}
TARGETS |= {"clean", "clean-data"}
TOOLS = ["make", "sh", "awk", "cat", "cksum", "cut", "grep", "id", "rm", "tail", "find"]

UNFIT = """
case "$2" in
    *sys.exit*) exit 1 ;;
    *print*) echo {} ;;
esac"""
TOO_OLD, TOO_NEW = UNFIT.format("3.9.18"), UNFIT.format("3.14.0")
BROKEN_SHIM = "echo 'pyenv: command not found' >&2; exit 127"
# Like a real one, whose `pip install` only takes notes
GOOD = f"""
if [ "$2" = venv ]; then
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && exit
elif [ "$2" = pip ]; then
    echo "pip $*" >>"$NOTES"
    [ -z "${{PIP_BREAKS:-}}" ] || {{ echo 'WARNING: noise'; echo 'ERROR: no such package'; exit 1; }}
    exit
fi
exec '{sys.executable}' "$@" """
NO_VENV = f"""
case "$2" in
    *ensurepip*) exit 1 ;;
esac
exec '{sys.executable}' "$@" """


class Machine:
    """A clone in a folder with spaces, and a PATH with nothing on it but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "a folder" / "the clone's name"
        self.bin = folder / "bin"
        self.notes = folder / "notes"
        self.environment = {"PATH": str(self.bin), "HOME": str(folder), "NOTES": str(self.notes)}
        self.bin.mkdir()
        for tool in [*TOOLS, "mkdir", "cp"]:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        self.disk(free_mb=50_000)
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.project)

    def program(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def disk(self, *, free_mb: int) -> None:
        kilobytes = free_mb * 1024
        self.program("df", f"echo Filesystem; echo /dev/disk 99 1 {kilobytes} 1% /")

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "make"), "--no-print-directory", "-C", str(self.project), *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self, *arguments: str, **variables: str) -> str:
        outcome = self.make(*(arguments or ["check"]), **variables)
        assert outcome.returncode != 0
        assert outcome.stderr.count("✗") == outcome.stderr.count("→") == 1, outcome.stderr
        return outcome.stderr

    def pip_calls(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- help ------------------------------------------------------------------------------------------------------


def test_plain_make_lists_every_target_with_what_it_does(machine: Machine) -> None:
    outcome = machine.make()
    assert outcome.returncode == 0, outcome.stderr
    listed = re.findall(r"^make (\S+) +(\S.+)$", outcome.stdout, flags=re.MULTILINE)
    assert {name for name, _ in listed} == TARGETS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"^([a-z-]+):(?!=)", makefile, flags=re.MULTILINE)) == TARGETS
    phony = re.search(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == TARGETS


def test_continuous_integration_runs_what_people_run() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert script.rstrip().splitlines()[-1] == "exec make --keep-going lint test"
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0


def test_pre_commit_runs_the_tools_of_make_lint_without_addresses() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (repo,) = yaml.safe_load(text)["repos"]
    assert repo["repo"] == "local"
    assert "://" not in text
    hooked = {re.sub(r" --(fix|force-exclude)", "", hook["entry"]).removeprefix(".venv/bin/") for hook in repo["hooks"]}
    made = re.findall(r"^\tcheck (\S.*?) ;", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(made) == 5
    assert hooked == {re.sub(r" --check| \.$", "", command) for command in made}


def test_lint_runs_every_tool_even_after_one_failed(machine: Machine) -> None:
    environment = machine.project / ".venv" / "bin"
    machine.program("python3", GOOD)
    assert machine.make("venv").returncode == 0
    for tool in ("ruff", "mypy", "lint-imports", "sqlfluff"):
        (environment / tool).write_text(f"#!/bin/sh\nexit {int(tool in ('ruff', 'mypy'))}\n")
        (environment / tool).chmod(0o755)
    outcome = machine.make("lint")
    assert outcome.returncode != 0
    assert outcome.stdout.count("› ") == 5
    assert outcome.stdout.splitlines()[-1] == "✗ failed: ruff ruff mypy"
    for tool in ("ruff", "mypy"):
        (environment / tool).write_text("#!/bin/sh\n")
    assert machine.make("lint").returncode == 0


# --- what is missing is named ----------------------------------------------------------------------------------


def test_no_python(machine: Machine) -> None:
    message = machine.refusal()
    assert "Python 3.11 to 3.13 is needed, and none is on the PATH" in message
    assert "PYTHON=/path/to" in message


@pytest.mark.parametrize(("script", "version"), [(TOO_OLD, "3.9.18"), (TOO_NEW, "3.14.0")])
def test_a_python_that_is_too_old_or_too_new(script: str, version: str, machine: Machine) -> None:
    machine.program("python3", script)
    assert f"Python 3.11 to 3.13 is needed, and python3 is {version}" in machine.refusal()


def test_the_pythons_that_are_looked_for_are_those_of_the_project() -> None:
    script = (ROOT / "scripts" / "bootstrap.sh").read_text(encoding="utf-8")
    oldest, newest = (
        int(re.findall(rf"^{name}=(\d+)", script, flags=re.MULTILINE)[0]) for name in ("OLDEST", "NEWEST")
    )
    assert PYPROJECT["project"]["requires-python"] == f">=3.{oldest},<3.{newest + 1}"
    looked_for = [f"python3.{minor}" for minor in range(newest, oldest - 1, -1)]
    assert f"for python in {' '.join(looked_for)} python3; do" in script


def test_debian_is_told_its_packages(machine: Machine) -> None:
    machine.program("apt-get", "exit 1")
    assert "apt-get install python3 python3-venv" in machine.refusal()
    machine.program("python3", NO_VENV)
    assert "apt-get install python3-venv" in machine.refusal()


def test_a_python_without_venv(machine: Machine) -> None:
    machine.program("python3.12", NO_VENV)
    message = machine.refusal()
    assert "python3.12 has no module venv, or no ensurepip" in message


def test_a_shim_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.program("python3.13", BROKEN_SHIM)
    machine.program("python3.12", TOO_OLD)
    machine.program("python3", GOOD)
    outcome = machine.make("check")
    assert (outcome.returncode, outcome.stdout) == (0, "› python3 will do\n"), outcome.stderr


def test_a_named_python_is_taken_and_nothing_else(machine: Machine) -> None:
    machine.program("python3", GOOD)
    good = machine.program("my python", GOOD)
    assert machine.make("check", f"PYTHON={good}").stdout == f"› {good} will do\n"
    old = machine.program("old python", TOO_OLD)
    assert f"PYTHON={old} is Python 3.9.18\n" in machine.refusal("check", f"PYTHON={old}")
    assert "PYTHON=/no/python is no Python that starts" in machine.refusal("check", PYTHON="/no/python")


def test_a_disk_that_is_nearly_full(machine: Machine) -> None:
    machine.program("python3", GOOD)
    machine.disk(free_mb=3_999)
    assert "3999 MB free, and 4000 MB are needed" in machine.refusal("venv")
    assert not (machine.project / ".venv").exists()
    assert machine.make("check").returncode == 0  # enough for the data
    machine.disk(free_mb=999)
    assert "999 MB free, and 1000 MB are needed" in machine.refusal("check")


def test_a_folder_that_is_not_writable(machine: Machine) -> None:
    machine.program("python3", GOOD)
    machine.project.chmod(0o555)
    command = ["make", "-C", str(machine.project), "check"]
    if os.geteuid() == 0:  # root may write everywhere, so somebody else has to try
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("running as root, and there is no setpriv to become somebody else")
        for folder in (machine.project.parent, *machine.project.parents):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
        command = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
        machine.program("python3", "case $2 in *print*) echo 3.12.0 ;; esac")  # ours may be in root's own folder
    outcome = subprocess.run(command, env=machine.environment, capture_output=True, text=True, check=False)
    machine.project.chmod(0o755)
    assert outcome.returncode != 0
    assert "is not writable for" in outcome.stderr
    assert outcome.stderr.count("✗") == 1


# --- the environment -------------------------------------------------------------------------------------------

LOCK_CALL = "--require-hashes -r requirements.lock"
PROJECT_CALL = "--no-build-isolation -e ."


def made(machine: Machine) -> list[str]:
    """Which of the two installations the next `make venv` does."""
    machine.notes.unlink(missing_ok=True)
    outcome = machine.make("venv")
    assert outcome.returncode == 0, outcome.stderr
    assert all("--no-deps" in call for call in machine.pip_calls())
    return [known for call in machine.pip_calls() for known in (LOCK_CALL, PROJECT_CALL) if call.endswith(known)]


def test_the_environment_is_made_once_and_follows_what_it_was_made_from(machine: Machine) -> None:
    machine.program("python3", GOOD)
    assert made(machine) == [LOCK_CALL, PROJECT_CALL]
    assert made(machine) == []
    os.utime(machine.project / "requirements.lock")  # touched, as by a checkout, and not changed
    assert made(machine) == []
    with (machine.project / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    assert made(machine) == [PROJECT_CALL]
    with (machine.project / "requirements.lock").open("a") as file:
        file.write("\n# changed\n")
    assert made(machine) == [LOCK_CALL, PROJECT_CALL]
    assert made(machine) == []


def test_an_interrupted_installation_is_not_believed(machine: Machine) -> None:
    machine.program("python3", GOOD)
    message = machine.refusal("venv", PIP_BREAKS="yes")
    assert "ERROR: no such package" in message
    assert "WARNING" not in message
    half = machine.project / ".venv" / "half-written"
    half.touch()
    assert made(machine) == [LOCK_CALL, PROJECT_CALL]
    assert not half.exists()
    (machine.project / ".venv" / ".project").unlink()  # stopped in the second step
    assert made(machine) == [PROJECT_CALL]


@pytest.mark.parametrize("loss", ["moved", "no python"])
def test_an_environment_that_cannot_work_is_made_again(machine: Machine, loss: str) -> None:
    machine.program("python3", GOOD)
    made(machine)
    if loss == "moved":
        machine.project = machine.project.rename(machine.project.with_name("another name"))
    else:
        (machine.project / ".venv" / "bin" / "python").unlink()
    assert made(machine) == [LOCK_CALL, PROJECT_CALL]


def test_arguments_and_exit_codes_are_passed_on(machine: Machine) -> None:
    machine.program("python3", GOOD)
    made(machine)
    command = machine.project / ".venv" / "bin" / "analytics-dagster"
    command.write_text('#!/bin/sh\nprintf "<%s>" "$@"; [ "$1" = ui ]\n')
    command.chmod(0o755)
    outcome = machine.make("ui", "ARGS=--port 3001")
    assert (outcome.returncode, outcome.stdout) == (0, "<ui><--port><3001>")
    assert machine.make("run").returncode != 0


# --- cleaning --------------------------------------------------------------------------------------------------


def test_clean_keeps_data(machine: Machine) -> None:
    machine.program("python3", GOOD)
    made(machine)
    data = machine.project / "var" / "landing" / "precious.ndjson"
    cache = machine.project / "tests" / "__pycache__"
    data.parent.mkdir(parents=True)
    cache.mkdir(parents=True)
    data.touch()
    (machine.project / ".env").touch()
    assert machine.make("clean").returncode == 0
    assert data.exists()
    assert (machine.project / ".env").exists()
    assert not cache.exists()
    assert not (machine.project / ".venv").exists()


Clean = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clean_data(tmp_path: Path) -> Clean:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "clean_data.py", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ANALYTICS_HOME": str(tmp_path / "p"), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / "p" / "var" / "landing").mkdir(parents=True)
    (tmp_path / "p" / "var" / "landing" / "file").write_bytes(b"x" * 2_000_000)
    (tmp_path / "p" / "var" / "first_day").touch()
    (tmp_path / "p" / "var" / "elsewhere").symlink_to(tmp_path / "p")
    return run


def test_clean_data_shows_and_then_deletes_what_it_showed(clean_data: Clean, tmp_path: Path) -> None:
    shown = clean_data()
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"landing +2\.0 MB", shown.stdout)
    assert "Nothing was deleted. To do it: make clean-data CONFIRM=yes" in shown.stdout
    assert len(list((tmp_path / "p" / "var").iterdir())) == 3
    assert clean_data("--confirmed").returncode == 0
    assert list((tmp_path / "p" / "var").iterdir()) == []
    assert (tmp_path / "p").is_dir()  # a link is removed, never followed
    assert "There is no data" in clean_data().stdout


def test_clean_data_asks_for_the_exact_word(machine: Machine) -> None:
    machine.program("python3", GOOD)
    made(machine)
    (machine.project / ".venv/bin/python").write_text(
        '#!/bin/sh\n[ "$1" = -VV ] && exec "$REAL" -VV\nprintf "<%s>" "$@"\n'
    )
    for argument, passed in (("CONFIRM=", ""), ("CONFIRM=true", ""), ("CONFIRM=yes", "<--confirmed>")):
        assert machine.make("clean-data", argument, REAL=sys.executable).stdout == f"<scripts/clean_data.py>{passed}"


def test_clean_data_spares_a_running_warehouse(clean_data: Clean, tmp_path: Path) -> None:
    pid_file = tmp_path / "p" / "var" / "warehouse" / "postmaster.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(f"{os.getpid()}\n")
    refused = clean_data("--confirmed")
    assert refused.returncode == 1
    assert "the embedded warehouse is running" in refused.stderr
    assert pid_file.exists()


@pytest.mark.parametrize("state", ["~", "..", "~/p"])
def test_clean_data_spares_folders_that_hold_more_than_state(state: str, clean_data: Clean, tmp_path: Path) -> None:
    refused = clean_data("--confirmed", ANALYTICS_STATE_DIR=state)
    assert refused.returncode == 1
    assert "ANALYTICS_STATE_DIR holds" in refused.stderr
    assert (tmp_path / "p" / "var" / "first_day").exists()


# --- the lock --------------------------------------------------------------------------------------------------


def test_every_dependency_is_in_the_lock_with_a_version_that_fits() -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", LOCK, flags=re.MULTILINE))
    project = PYPROJECT["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(line)
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{line} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(version), f"{line}, but the lock has {version}: make lock"


def test_the_lock_has_hashes_and_no_addresses() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|--\w*index|--find-links|-e)\b", LOCK, flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", LOCK.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
