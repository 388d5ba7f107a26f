"""Settings: what is accepted, what is refused by name, and that `.env.example` tells the truth."""

import os
import re
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from analytics_dagster import settings as module
from analytics_dagster.errors import SettingsError
from analytics_dagster.settings import PROJECT_ROOT, Settings, known_variables, load_settings, settings

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SECRET = "hunter2-do-not-print"
URL = f"postgresql://bi:{SECRET}@db.example:5432/analytics"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own, and none of the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.upper().startswith("ANALYTICS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path))
    return tmp_path


def test_without_variables_the_project_itself_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYTICS_HOME")
    monkeypatch.setattr(module, "_names_in", lambda _env_file: set())
    assert ROOT.resolve() == PROJECT_ROOT
    assert load_settings().home == PROJECT_ROOT


def test_values_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FIRST_DAY": "2026-01-31",
        "SAMPLE": "false",
        "SAMPLE_EVENTS": "5000",
        "WAREHOUSE_URL": URL,
        "UI_PORT": "3001",
    }.items():
        monkeypatch.setenv(f"ANALYTICS_{name}", value)
    found = load_settings()
    assert found.first_day == date(2026, 1, 31)
    assert found.sample is False
    assert found.sample_events == 5000
    assert found.ui_port == 3001
    assert isinstance(found.warehouse_url, SecretStr)
    assert found.warehouse_url.get_secret_value() == URL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIRST_DAY", "31.01.2026"),
        ("SAMPLE", "perhaps"),
        ("SAMPLE_EVENTS", "999"),
        ("SAMPLE_SEED", "-1"),
        ("UI_PORT", "70000"),
        ("EMBEDDED_PORT", "-1"),
        ("WAREHOUSE_URL", f"mysql://root:{SECRET}@db/analytics"),
        ("STATE_DIR", "."),
        ("STATE_DIR", "~no-such-user-here/state"),
        ("HOME", "relative/folder"),
    ],
)
def test_a_wrong_value_names_its_variable_and_not_the_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ANALYTICS_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"ANALYTICS_{name}:" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_UI_PORT", "http")
    monkeypatch.setenv("ANALYTICS_SAMPLE", "perhaps")
    with pytest.raises(SettingsError, match=r"ANALYTICS_SAMPLE:.*ANALYTICS_UI_PORT:"):
        load_settings()


def test_a_home_that_is_not_there_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_HOME", str(home / "gone"))
    with pytest.raises(SettingsError, match="ANALYTICS_HOME is not a folder"):
        load_settings()


@pytest.mark.parametrize("name", ["ANALYTICS_UI_PROT", "analytics_ui_prot"])
def test_an_unknown_variable_is_named_with_a_suggestion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(SettingsError, match=rf"unknown setting: {name}[^s]") as caught:
        load_settings()
    assert "did you mean ANALYTICS_UI_PORT?" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_unknown_variables_of_env_file_are_named_and_comments_are_not(home: Path) -> None:
    (home / ".env").write_text("# ANALYTICS_OLD=1\nexport ANALYTICS_NEW=1\nANALYTICS_ODD='2'\nOTHER=3\n")
    with pytest.raises(SettingsError, match="unknown settings: ANALYTICS_NEW, ANALYTICS_ODD ") as caught:
        load_settings()
    assert "did you mean" not in str(caught.value)


def test_what_the_command_line_and_the_tests_set_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in module.INTERNAL_VARIABLES | module.TEST_VARIABLES:
        monkeypatch.setenv(name, "set")
    load_settings()


def test_unknown_overrides_are_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="ui_prot"):
        load_settings(ui_prot=1)


def test_env_file_of_the_home_in_use_is_read_and_the_environment_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".env").write_text("export ANALYTICS_UI_PORT=3100\nANALYTICS_SAMPLE_SEED='7'\nPOSTGRES_PASSWORD=x\n")
    monkeypatch.setenv("ANALYTICS_SAMPLE_SEED", "8")
    found = load_settings()
    assert (found.ui_port, found.sample_seed) == (3100, 8)
    other = home / "other"
    other.mkdir()
    (other / ".env").write_text("ANALYTICS_UI_PORT=3200\n")
    assert load_settings(home=other).ui_port == 3200


def test_a_home_below_the_persons_own_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ANALYTICS_HOME", "~/project")
    (home / "project").mkdir()
    (home / "project" / ".env").write_text("ANALYTICS_UI_PORT=3100\nANALYTICS_TENANTS_DIR=~/clients\n")
    found = load_settings()
    assert found.home == home / "project"
    assert found.tenants_dir == home / "clients"
    assert found.ui_port == 3100


def test_home_in_env_file_is_refused(home: Path) -> None:
    (home / ".env").write_text("ANALYTICS_HOME=/srv/analytics\n")
    with pytest.raises(SettingsError, match=r"cannot stand in \.env"):
        load_settings()


def test_an_env_file_that_is_no_text_is_refused(home: Path) -> None:
    (home / ".env").write_bytes(b"ANALYTICS_UI_HOST=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_settings()


def test_an_empty_variable_means_its_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("ANALYTICS_FIRST_DAY=\nANALYTICS_WAREHOUSE_URL=\n")
    monkeypatch.setenv("ANALYTICS_STATE_DIR", "")
    found = load_settings()
    assert found.first_day is None
    assert found.warehouse_url is None
    assert found.state_dir == home / "var"


def test_relative_folders_are_anchored_at_home_and_follow_one_another(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("ANALYTICS_STATE_DIR", "../with spaces/state")
    found = load_settings()
    state = home.parent / "with spaces" / "state"
    assert found.state_dir == state
    assert found.landing_dir == state / "landing"
    assert found.tenants_dir == home / "tenants"
    assert found.dbt_project_dir == home / "dbt_project"
    assert found.expectations_dir == home / "expectations"
    assert {
        found.embedded_data_dir,
        found.dbt_target_dir,
        found.dagster_home,
        found.artifacts_dir,
        found.reports_dir,
    } == {state / name for name in ("warehouse", "dbt", "dagster", "mlflow", "reports")}


def test_the_password_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_WAREHOUSE_URL", URL)
    found = load_settings()
    for text in (repr(found), str(found), found.model_dump_json(), f"{found.warehouse_url}"):
        assert SECRET not in text
    with pytest.raises(ValidationError) as caught:
        Settings(warehouse_url=f"mysql://root:{SECRET}@db/x", ui_port=SECRET)
    assert SECRET not in str(caught.value)


def test_settings_cannot_be_changed_and_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    first = settings()
    monkeypatch.setenv("ANALYTICS_UI_PORT", "3300")
    assert settings() is first
    with pytest.raises(ValidationError):
        first.ui_port = 1
    settings.cache_clear()


def test_env_example_documents_every_variable_and_nothing_else() -> None:
    documented = re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE)
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for_compose = set(re.findall(r"\$\{([A-Z_]+)", compose)) - known_variables()
    assert sorted(documented) == sorted(known_variables() | for_compose)


def test_env_example_shows_the_true_defaults(home: Path) -> None:
    before = load_settings()
    shown = re.findall(r"^# (ANALYTICS_[A-Z_]+=.+)$", EXAMPLE, flags=re.MULTILINE)
    assert len(shown) >= 8
    (home / ".env").write_text("\n".join(shown))
    assert load_settings() == before


def test_env_example_copied_as_it_is_changes_nothing(home: Path) -> None:
    before = load_settings()
    (home / ".env").write_text(EXAMPLE)
    assert load_settings() == before


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
