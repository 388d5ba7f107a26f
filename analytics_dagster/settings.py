"""Every setting, typed, from ANALYTICS_* variables and `.env`.

What belongs here: a name, its type, its default and one line on what it does. `.env.example` says the same
to people, and a test keeps the two in step. What does not: anything that reads a database.
"""

import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from analytics_dagster.errors import SettingsError

PREFIX = "ANALYTICS_"
PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=PROJECT_ROOT / ".env", extra="ignore", frozen=True
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
    landing_dir: Path = Field(
        default=Path("var/landing"), description="Where producers drop event files: <day>/<tenant>/<file>."
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

    sample: bool = Field(
        default=True, description="Simulate sample tenants when the landing folder is empty."
    )
    sample_events: int = Field(
        default=200_000, ge=1_000, description="How many events to simulate, roughly, over 90 days."
    )
    sample_seed: int = Field(default=42, description="The same seed simulates the same events.")
    sample_last_day: date | None = Field(
        default=None, description="Last simulated day. Without it: the day before the simulation is run."
    )

    ui_host: str = Field(default="127.0.0.1", description="Address that the Dagster UI listens on.")
    ui_port: int = Field(
        default=3000, ge=1, le=65535, description="Port of the UI; the next free one is taken if it is in use."
    )

    @field_validator("state_dir", "tenants_dir", "landing_dir")
    @classmethod
    def _not_blank(cls, value: Path) -> Path:
        if str(value) in {"", "."}:
            raise ValueError("name a folder")
        return value

    @model_validator(mode="after")
    def _anchor_folders(self) -> Self:
        # relative folders mean the same wherever a process is started from
        for name in ("home", "state_dir", "tenants_dir", "landing_dir"):
            folder: Path = getattr(self, name)
            object.__setattr__(self, name, (self.home / folder.expanduser()).absolute())
        return self

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
    unknown = sorted(_unknown_variables())
    if unknown:
        raise SettingsError(
            f"unknown setting{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}",
            remedy=f"remove it, or use one of: {', '.join(sorted(known_variables()))}",
        )
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper() if e['loc'] else 'SETTINGS'}: {e['msg']}" for e in error.errors()
        )
        raise SettingsError(f"settings that cannot work: {wrong}", remedy="see .env.example") from None


@cache
def settings() -> Settings:
    return load_settings()


def known_variables() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def _unknown_variables() -> set[str]:
    named = {name for name in os.environ if name.startswith(PREFIX)}
    env_file = Settings.model_config.get("env_file")
    if isinstance(env_file, Path) and env_file.is_file():
        for line in env_file.read_text(encoding="utf-8").splitlines():
            name = line.removeprefix("export ").split("=", 1)[0].strip()
            if name.startswith(PREFIX):
                named.add(name)
    return named - known_variables() - INTERNAL_VARIABLES


# Set by the command line for the processes that it starts; a person has no reason to.
INTERNAL_VARIABLES = {"ANALYTICS_DAGSTER_STORAGE_URL"}
