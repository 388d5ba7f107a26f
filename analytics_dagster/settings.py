"""Every setting, typed, from ANALYTICS_* variables and `.env`.

What belongs here: a name, its type, its default and one line on what it does. `.env.example` says the same
to people, and a test keeps the two in step. What does not: anything that reads a database.
"""

import os
from contextlib import suppress
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from analytics_dagster.errors import SettingsError

PREFIX = "ANALYTICS_"
PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # `ANALYTICS_X=` means the default
        extra="ignore",  # .env also carries what docker compose reads
        frozen=True,
        hide_input_in_errors=True,  # the input may be a password
    )

    home: Path = Field(
        default=PROJECT_ROOT,
        description="The project folder: dagster.yaml, workspace.yaml, dbt_project and expectations are here.",
    )
    state_dir: Path = Field(
        default=Path("var"),
        description="Everything the platform writes: the embedded warehouse, landing files, reports, models.",
    )
    tenants_dir: Path = Field(default=Path("tenants"), description="One YAML file for each tenant.")
    events_dir: Path = Field(
        default=Path("events"), description="What the properties of events hold: YAML files, one event or more in each."
    )
    funnels_dir: Path = Field(
        default=Path("funnels"), description="What is counted as a funnel: one YAML file for each."
    )
    experiments_dir: Path = Field(
        default=Path("experiments"),
        description="Which experiments are run, and how they are read: one YAML file for each.",
    )
    landing_dir: Path = Field(
        default_factory=lambda data: data.get("state_dir", Path("var")) / "landing",
        description="Where producers drop event files: <day>/<tenant>/<file>. Without it: `landing` in "
        "ANALYTICS_STATE_DIR.",
    )
    data_docs_dir: Path = Field(
        default_factory=lambda data: data.get("state_dir", Path("var")) / "data_docs",
        description="Where the runs write the Data Docs, what the quality gate found as HTML. Without it: "
        "`data_docs` in ANALYTICS_STATE_DIR.",
    )
    first_day: date | None = Field(
        default=None,
        description="The first daily partition. Without it: the day of the first landing file when the "
        "project ran first.",
    )

    warehouse_url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host:5432/database (15 or newer); without it, the embedded "
        "PostgreSQL is used.",
    )
    embedded_port: int = Field(
        default=55432,
        ge=0,
        le=65535,
        description="Loopback port of the embedded PostgreSQL for BI tools; the next free one is taken if it "
        "is in use. 0: no port, socket only.",
    )

    platform_fault_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="When more than this share of a day's tenants fail the quality gate, nothing is built.",
    )

    sample: bool = Field(default=True, description="Simulate sample tenants when the landing folder is empty.")
    sample_events: int = Field(
        default=200_000, ge=1_000, description="How many events to simulate, roughly, over all of its days."
    )
    sample_days: int = Field(default=90, ge=30, le=730, description="How many days to simulate.")
    sample_seed: int = Field(default=42, ge=0, description="The same seed simulates the same events.")
    sample_last_day: date | None = Field(
        default=None, description="Last simulated day. Without it: the day before the simulation is run."
    )

    ui_host: str = Field(default="127.0.0.1", description="Address that the Dagster UI listens on.")
    ui_port: int = Field(
        default=3000, ge=1, le=65535, description="Port of the UI; the next free one is taken if it is in use."
    )

    data_docs_port: int = Field(
        default=3001,
        ge=0,
        le=65535,
        description="Loopback port on which `make ui` shows the Data Docs; the next free one is taken if it is in use. "
        "0: any free one.",
    )
    data_docs_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Where a web server of yours shows the Data Docs: links lead there, `make ui` shows none.",
    )

    collector_host: str = Field(default="127.0.0.1", description="Address that the HTTP collector listens on.")
    collector_port: int = Field(default=8787, ge=0, le=65535, description="Port of the collector; 0: any free one.")
    collector_origins: str = Field(
        default="*", description="Origins of the web pages that may post, separated by spaces; *: any."
    )
    collector_max_body_bytes: int = Field(
        default=1 << 20, ge=1024, description="A larger request body is refused (413), zipped or not."
    )
    collector_max_event_bytes: int = Field(
        default=1 << 16, ge=256, le=1 << 20, description="A request with a larger event is refused (413)."
    )
    collector_events_per_second: float = Field(
        default=5_000, gt=0, description="Above it, a write key is told to wait (429)."
    )
    collector_queue_bytes: int = Field(
        default=1 << 25, ge=1024, description="When more waits for the disk, senders are told to wait (503)."
    )
    collector_rotate_bytes: int = Field(
        default=1 << 26, ge=1, description="A landing file of this size is given to the loader."
    )
    collector_rotate_seconds: float = Field(
        default=60, gt=0, description="A landing file of this age is given to the loader."
    )
    collector_refresh_seconds: float = Field(
        default=5, gt=0, description="How often the collector reads the write keys again."
    )

    @field_validator(
        "home",
        "state_dir",
        "tenants_dir",
        "events_dir",
        "funnels_dir",
        "experiments_dir",
        "landing_dir",
        "data_docs_dir",
    )
    @classmethod
    def _anchor(cls, value: Path, info: ValidationInfo) -> Path:
        """A relative folder is one in the project folder, wherever the process was started from."""
        if value == Path():
            raise ValueError("name a folder")
        try:
            folder = value.expanduser()
        except RuntimeError:
            raise ValueError(f"{value.parts[0]} is no user of this machine") from None
        if info.field_name == "home" and not folder.is_absolute():
            raise ValueError("write the whole path: the other folders are found from it")
        return Path(os.path.normpath(info.data.get("home", PROJECT_ROOT) / folder))

    @field_validator("warehouse_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("write it as postgresql://user:password@host:5432/database")
        return value

    @property
    def dbt_project_dir(self) -> Path:
        return self.home / "dbt_project"

    @property
    def expectations_dir(self) -> Path:
        return self.home / "expectations"

    @property
    def embedded_data_dir(self) -> Path:
        return self.state_dir / "warehouse"

    @property
    def dbt_target_dir(self) -> Path:
        return self.state_dir / "dbt"

    @property
    def dagster_home(self) -> Path:
        return self.state_dir / "dagster"

    @property
    def artifacts_dir(self) -> Path:
        return self.state_dir / "mlflow"

    @property
    def reports_dir(self) -> Path:
        return self.state_dir / "reports"


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process, or an error that names each wrong variable."""
    foreign = sorted(overrides.keys() - Settings.model_fields.keys())
    if foreign:
        raise TypeError(f"no such setting: {', '.join(foreign)}")
    env_file = _env_file(overrides.get("home") or os.environ.get(f"{PREFIX}HOME") or PROJECT_ROOT)
    _refuse_unknown(set(os.environ) | _names_in(env_file), env_file)
    try:
        found = Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"settings that cannot work: {wrong}", remedy="see .env.example") from None
    if not found.home.is_dir():
        raise SettingsError("ANALYTICS_HOME is not a folder", where=str(found.home), remedy="name the project folder")
    return found


@cache
def settings() -> Settings:
    return load_settings()


def known_variables() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def _env_file(home: Path | str) -> Path:
    """`.env` of the project folder in use, which is why ANALYTICS_HOME itself cannot stand in it."""
    with suppress(RuntimeError):  # no such user: the validation of ANALYTICS_HOME says so
        home = Path(home).expanduser()
    return Path(home, ".env")


def _names_in(env_file: Path) -> set[str]:
    try:
        names = set(dotenv_values(env_file, interpolate=False)) if env_file.is_file() else set()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f".env cannot be read: {error}", where=str(env_file), remedy="make it readable, as UTF-8"
        ) from None
    if f"{PREFIX}HOME" in {name.upper() for name in names}:
        raise SettingsError(
            "ANALYTICS_HOME cannot stand in .env, which is looked for in that folder",
            where=str(env_file),
            remedy="export it as a variable of the environment",
        )
    return names


def _refuse_unknown(names: set[str], env_file: Path) -> None:
    known = known_variables()
    allowed = known | INTERNAL_VARIABLES | TEST_VARIABLES
    unknown = sorted(name for name in names if name.upper().startswith(PREFIX) and name.upper() not in allowed)
    if not unknown:
        return
    endings = [name.removeprefix(PREFIX) for name in known]  # the prefix would make all of them alike
    close = [m for name in unknown for m in get_close_matches(name[len(PREFIX) :].upper(), endings, n=1)]
    meant = f"did you mean {' and '.join(PREFIX + ending for ending in close)}? " if close else ""
    raise SettingsError(
        f"unknown setting{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}",
        where=f"in the environment or {env_file}",
        remedy=f"{meant}.env.example lists every one: {', '.join(sorted(known))}",
    )


# Set by the command line for the processes that it starts; a person has no reason to.
INTERNAL_VARIABLES = {"ANALYTICS_DAGSTER_STORAGE_URL"}

# Read by the test suite alone: servers that it cannot start itself.
TEST_VARIABLES = {"ANALYTICS_CITUS_URL"}
