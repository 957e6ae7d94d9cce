"""The platform's settings: one typed class, and the only place that reads the environment.

Not here: what is done with a setting.
"""

import difflib
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ecom_assets.errors import SettingError

PREFIX = "ECOM_"
CORE_EVENT_TYPES = (
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
)


class Settings(BaseSettings):
    """Every setting, optional, from `ECOM_…` variables or a `.env` file in the working folder."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(Path(".ecom"), description="Folder for everything that the platform writes")
    warehouse: str = Field("", description="Where tables live; default duckdb:///<home>/warehouse.duckdb")
    memory_limit: str = Field(
        "1200MB", pattern=r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$", description="Memory of the embedded engine; more spills to disk"
    )
    events: str = Field("", description="Where events come from: a file, folder or glob; default the sandbox shop")
    events_mapping: str = Field("ecommerce", description="Name of a shipped mapping, or a YAML file")
    event_types: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Event types beyond the platform's own that are clean, separated by commas"
    )
    timezone: str = Field("UTC", description="Reporting time zone, an IANA name")
    late_days: int = Field(7, ge=0, le=60, description="Days after which an event is too late, in days")
    first_day: date = Field(date(2015, 1, 1), description="First daily partition, YYYY-MM-DD")
    session_rule: str = Field("ga4", description="Preset by which the marts cut sessions")
    funnel_steps: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Event types of the daily funnel's steps, separated by commas; default the mapping's, or all five"
    )
    funnel_window: str = Field("7d", description="Time a visitor has from the first step of the funnel")

    @field_validator("event_types", "funnel_steps", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is no IANA time zone, such as Europe/Berlin") from error
        return value

    @property
    def warehouse_url(self) -> str:
        """Return the warehouse's address, the embedded engine's file unless another is set."""
        return self.warehouse or f"duckdb://{(self.home / 'warehouse.duckdb').absolute()}"

    @property
    def sandbox_folder(self) -> Path:
        """Return the folder of the simulated shop's data."""
        return self.home / "sandbox"

    @property
    def dagster_home(self) -> Path:
        """Return the folder of the Dagster instance: `DAGSTER_HOME` where it is set, else one in `home`."""
        return Path(os.environ.get("DAGSTER_HOME") or self.home.absolute() / "dagster")

    @property
    def known_event_types(self) -> tuple[str, ...]:
        """Return every event type that is clean."""
        return (*CORE_EVENT_TYPES, *self.event_types)


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 (whatever a field takes; pydantic checks it)
    """Read the settings, refusing unknown names and wrong values with one sentence.

    Args:
        overrides: Values that win over the environment; None means not given.

    Raises:
        SettingError: A name is unknown, or a value is wrong.
    """
    _refuse_unknown_names()
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise SettingError(f"{name}={first['input']!r} is wrong: {reason}; correct or unset it.") from error


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster instance's folder with its `dagster.yaml`, and name it to Dagster.

    Dagster reads `DAGSTER_HOME` itself, in this process and in those it starts.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).parent / "dagster.yaml"
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text(shipped.read_text())
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


def _refuse_unknown_names() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = [*os.environ, *(dotenv_values(".env") if Path(".env").exists() else ())]
    for name in given:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}."
            raise SettingError(f"{name} is not a setting of ecom_assets; {hint}")
