"""The deployment cannot run here, so every name in it is held against the thing it names.

Services, variables, paths, ports, modules and commands of docker-compose.yml, Dockerfile and deploy/docker.
"""

import itertools
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from unmeasured import processes_unmeasured

from analytics_dagster.environment import process_environment
from analytics_dagster.settings import INTERNAL_VARIABLES, Settings, known_variables, load_settings
from analytics_dagster.warehouse import WarehouseUrl

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "analytics-dagster"}
WORKSPACE = yaml.safe_load((ROOT / "deploy/docker/workspace.yaml").read_text(encoding="utf-8"))
CODE_SERVER = WORKSPACE["load_from"][0]["grpc_server"]
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
INSTRUCTIONS = [line.split(None, 1) for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")]
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
HOME, STATE = "/app", "/var/lib/analytics"


def instructions(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line))


def volumes(service: dict[str, Any]) -> dict[str, str]:
    return dict(volume.split(":")[:2] for volume in service.get("volumes", []))


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_the_services_of_the_design_are_there() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "code", "webserver", "daemon"}
    assert set(OURS) == set(SERVICES) - {"postgres"}
    assert (ROOT / COMPOSE["services"]["code"]["build"] / "Dockerfile").is_file()


# --- commands --------------------------------------------------------------------------------------------------


def check_command(words: list[str]) -> None:
    """The program is installed, and it has the subcommands and options."""
    if words[0] == "analytics-dagster":
        from analytics_dagster.cli import app

        command: Any = typer.main.get_command(app)
        for word in words[1:]:
            assert word in command.commands, words
            command = command.commands[word]
        return
    options = [word for word in words if word.startswith("--")]
    subcommands = list(itertools.takewhile(lambda word: not word.startswith("--"), words[1:]))
    text = help_of(words[0], *subcommands)
    for name in options:
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", text), f"{words[0]} {' '.join(subcommands)} has no {name}"


@cache
@processes_unmeasured()
def help_of(program: str, *subcommands: str) -> str:
    outcome = subprocess.run(
        [Path(sys.executable).with_name(program), *subcommands, "--help"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith(f"Usage: {' '.join([program, *subcommands])} [OPTIONS]")
    return outcome.stdout


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_its_options_exist(name: str) -> None:
    check_command(SERVICES[name]["command"])


def test_every_health_check_of_ours_exists() -> None:
    for name in ("code", "daemon"):
        test = SERVICES[name]["healthcheck"]["test"]
        assert test[0] == "CMD"
        check_command(test[2:] if test[1] == "entrypoint.sh" else test[1:])


def test_the_image_starts_through_the_entrypoint() -> None:
    text = (ROOT / "deploy/docker/entrypoint.sh").read_text(encoding="utf-8")
    check_command(["analytics-dagster", "exec"])
    assert text.splitlines()[-1] == 'exec analytics-dagster exec -- "$@"'
    assert subprocess.run(["sh", "-n", ROOT / "deploy/docker/entrypoint.sh"], check=False).returncode == 0
    assert instructions("ENTRYPOINT") == ['["/usr/local/bin/entrypoint.sh"]']
    copies = [line for line in instructions("COPY") if line.endswith(" /usr/local/bin/entrypoint.sh")]
    assert copies == ["--chmod=755 deploy/docker/entrypoint.sh /usr/local/bin/entrypoint.sh"]
    (default,) = [line for line in instructions("CMD") if "webserver" in line]
    assert yaml.safe_load(default) == SERVICES["webserver"]["command"]


def test_the_code_location_is_a_module_of_ours() -> None:
    assert find_spec(option(SERVICES["code"]["command"], "--module-name")) is not None
    at_home = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))["load_from"][0]["python_module"]
    assert at_home["module_name"] == option(SERVICES["code"]["command"], "--module-name")
    # runs and schedules refer to the location by its name: a laptop and a cluster call it the same
    assert at_home["location_name"] == CODE_SERVER["location_name"]


# --- hosts and ports -------------------------------------------------------------------------------------------


def test_hosts_and_ports_agree() -> None:
    code, webserver = SERVICES["code"], SERVICES["webserver"]
    assert CODE_SERVER["host"] == "code"
    port = str(CODE_SERVER["port"])
    assert {port} == {option(code["command"], "--port"), option(code["healthcheck"]["test"], "--port"), *code["expose"]}
    assert option(code["command"], "--host") == option(webserver["command"], "--host") == "0.0.0.0"  # noqa: S104
    ui = option(webserver["command"], "--port")
    assert webserver["ports"] == [f"127.0.0.1:{ui}:{ui}"]
    assert ui == str(Settings.model_fields["ui_port"].default)
    assert instructions("EXPOSE") == [f"{ui} {port}"]
    assert f"http://localhost:{ui}/server_info" in webserver["healthcheck"]["test"][-1]
    assert f"http://localhost:{ui}/server_info" in DOCKERFILE


def test_nothing_is_published_beyond_this_host() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_warehouse_address_is_the_postgres_service() -> None:
    postgres = SERVICES["postgres"]["environment"]
    for service in OURS.values():
        text = re.sub(r"\$\{[^}]+\}", "password", service["environment"]["ANALYTICS_WAREHOUSE_URL"])
        url = WarehouseUrl.parse(text)
        assert (url.host, url.port) == ("postgres", 5432)
        assert (url.user, url.database) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    test = SERVICES["postgres"]["healthcheck"]["test"]
    assert test == [
        *("CMD", "pg_isready"),
        *("--username", postgres["POSTGRES_USER"]),
        *("--dbname", postgres["POSTGRES_DB"]),
    ]
    assert SERVICES["postgres"]["image"] == "postgres:18"
    # the image of 18 refuses to start with a volume at …/data
    assert volumes(SERVICES["postgres"]) == {"warehouse": "/var/lib/postgresql"}


# --- variables and secrets -------------------------------------------------------------------------------------


def test_every_variable_is_one_that_the_code_reads(tmp_path: Path) -> None:
    names = {name for service in OURS.values() for name in service["environment"]}
    names |= {name for name in image_environment() if name.startswith("ANALYTICS_")}
    names |= set(re.findall(r"\b(ANALYTICS_[A-Z_]+)=", DOCKERFILE))
    assert names <= known_variables() - INTERNAL_VARIABLES
    # what dagster.yaml reads is what `exec` sets
    url = WarehouseUrl(user="analytics", database="analytics", host="postgres")
    set_by_exec = process_environment(load_settings(home=tmp_path), url)
    dagster = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert dagster["storage"]["custom"]["config"]["postgres_url"]["env"] in set_by_exec


def test_secrets_come_from_outside_and_have_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{[^}]*PASSWORD[^}]*\}", text)) == {"${POSTGRES_PASSWORD:?set it in .env}"}
    assert all(":?" in reference for reference in re.findall(r"\$\{[^}]+\}", text))
    for line in [*text.splitlines(), *DOCKERFILE.splitlines()]:
        secret = re.search(r"(?i)(?:password|secret|token)\w*\s*[:=]\s*(\S+)", line.split(" #")[0])
        assert secret is None or secret[1].startswith(("${", "?set")), line
        address = re.search(r"://[^/\s:]+:([^@]+)@", line)
        assert address is None or address[1].startswith("${"), line


def test_no_private_file_gets_into_the_image() -> None:
    assert next(line for line in IGNORED if not line.startswith("#")) == "*"
    assert not any(line.startswith(("!.env", "!var", "!.git", "!.venv")) for line in IGNORED)
    assert "ADD" not in {instruction for instruction, _ in INSTRUCTIONS}
    assert not any(line.split()[-2] == "." for line in instructions("COPY"))


# --- paths -----------------------------------------------------------------------------------------------------


def test_every_copied_path_is_in_the_repository_and_not_ignored() -> None:
    allowed = [line[1:] for line in IGNORED if line.startswith("!")]
    for line in instructions("COPY"):
        words = [word for word in line.split() if not word.startswith("--")]
        if "--from=build" in line:
            assert words[0] in {"/opt/venv", f"{STATE}/dbt"}
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == path or source.startswith(f"{path}/") for path in allowed), source
    for path in allowed:
        assert (ROOT / path).exists(), path


def test_the_image_is_laid_out_as_the_settings_say() -> None:
    environment = image_environment()
    assert environment["ANALYTICS_HOME"] == HOME == instructions("WORKDIR")[-1]
    assert environment["ANALYTICS_STATE_DIR"] == STATE
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    assert {"dagster.yaml", "dbt_project", "expectations", "tenants", "analytics_dagster"} <= copied
    workspace = f"{HOME}/workspace.yaml"
    assert "deploy/docker/workspace.yaml ./workspace.yaml" in instructions("COPY")
    for name in ("webserver", "daemon"):
        assert option(SERVICES[name]["command"], "--workspace") == workspace


def test_volumes_are_the_folders_of_the_settings(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, state_dir=STATE, landing_dir=f"{STATE}/landing")
    folders = {
        "landing": settings.landing_dir,
        "reports": settings.reports_dir,
        "data_docs": settings.data_docs_dir,
        "artifacts": settings.artifacts_dir,
        "instance": settings.dagster_home,
    }
    assert set(COMPOSE["volumes"]) == {*folders, "warehouse"}
    for name, service in OURS.items():
        for volume, target in volumes(service).items():
            assert Path(target) == folders[volume], name
    # runs are started in the code location, so it needs every folder that a run reads or writes
    assert set(volumes(SERVICES["code"])) == set(folders)
    # a fresh named volume takes the owner of the folder in the image
    (prepared,) = [line for line in instructions("RUN") if "install -d" in line]
    assert {str(folder) for folder in folders.values()} <= set(prepared.split())
    assert settings.dbt_target_dir == Path(STATE, "dbt")


# --- order and health ------------------------------------------------------------------------------------------


def test_services_wait_for_what_they_need() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    for name, targets in waits.items():
        for target, how in targets.items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[target], f"{name} waits for {target}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[target]["restart"] == "no", f"{target} would never complete"
    assert {name: set(targets) for name, targets in waits.items()} == {
        "postgres": set(),
        "migrate": {"postgres"},
        "code": {"migrate"},
        "webserver": {"code"},
        "daemon": {"code"},
    }


def test_every_service_that_stays_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        if service.get("restart") != "no":
            check = service["healthcheck"]
            assert {"test", "interval", "timeout", "retries"} <= set(check), name


# --- the image -------------------------------------------------------------------------------------------------


def test_the_image_is_made_from_the_lock_and_runs_as_nobody_special() -> None:
    assert any("--require-hashes -r requirements.lock" in line for line in instructions("RUN"))
    (user,) = instructions("USER")
    assert user == "analytics"
    assert any(f"useradd --create-home --uid 10001 {user}" in line for line in instructions("RUN"))
    assert [line.split()[0] for line in instructions("FROM")] == ["python:3.12-slim"] * 2
    assert len(instructions("HEALTHCHECK")) == 1


def test_the_code_in_the_dockerfile_runs() -> None:
    """The manifest is made by a line of Python: its names are those of the package."""
    (line,) = [line for line in instructions("RUN") if "ensure_manifest" in line]
    (code,) = re.findall(r'"([^"]+)"', line)
    compile(code, "Dockerfile", "exec")
    from analytics_dagster import settings, transform

    for module, name in ((transform, "ensure_manifest"), (settings, "load_settings")):
        assert f"{module.__name__.rsplit('.', 1)[1]}.{name}(" in code
        assert callable(getattr(module, name))


def test_development_tools_are_uninstalled_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    assert any("scripts/uninstall_dev.py" in line for line in instructions("RUN"))
    from uninstall_dev import needed, superfluous

    gone, kept = superfluous("analytics-dagster"), needed("analytics-dagster")
    assert {"pytest", "mypy", "ruff", "playwright", "sqlfluff", "hypothesis"} <= set(gone)
    assert {"dagster", "dbt-core", "psycopg", "psycopg-binary", "pandas", "mlflow", "uvicorn"} <= kept
    assert not kept & set(gone)


def test_docker_reads_the_compose_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker with its compose plugin here")
    outcome = subprocess.run(
        [docker, "compose", "--env-file", "/dev/null", "config", "--quiet"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "POSTGRES_PASSWORD": "x", "ANALYTICS_FIRST_DAY": "2026-01-31"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
