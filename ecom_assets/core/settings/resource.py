"""Settings as Dagster resources: typed fields with their current values,
and secrets that Dagster never sees.

Dagster keeps what a resource is configured with in its storage, as part of every job that there
was. So a secret is not part of the configuration: the object keeps it beside, and the configuration
has a mask in its place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast, get_origin

import dagster as dg
from pydantic import Field, PrivateAttr, SecretStr
from pydantic.fields import FieldInfo

from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.rows import NamedValues, without_none
from ecom_assets.core.settings.settings import PREFIX, Settings, load_settings

MASK = "********"
SECRET = "ecom__is_secret"  # noqa: S105 (a mark, not a secret)
"""What marks a field as secret. Dagster's own mark would show one that is not set as if it were."""
ADDRESS = "ecom__is_address"
"""What marks a field as an address that can have a password in it."""


def setting(name: str) -> Any:  # noqa: ANN401 (as pydantic's Field)
    """Return the field of a resource that holds a setting: its default, its description,
    and whether it is secret.
    """
    info = Settings.model_fields[name]
    description = f"{info.description} ({PREFIX}{name.upper()})"
    if info.annotation is SecretStr:
        return secret(description)
    return Field(info.default, description=description)


def kind_in_dagster(name: str) -> Any:  # noqa: ANN401 (a type, or a union of types)
    """Return the type of a setting for Dagster config,
    which does not support `Literal` and `SecretStr`.
    """
    kind = Settings.model_fields[name].annotation
    if kind is SecretStr:
        return cast("Any", str | None)
    return str if get_origin(kind) is Literal else kind


def secret(description: str) -> Any:  # noqa: ANN401 (as pydantic's Field)
    """Return the field of a resource that holds a secret."""
    return Field(None, description=description, json_schema_extra={SECRET: True})


def address(description: str) -> Any:  # noqa: ANN401 (as pydantic's Field)
    """Return the field of a resource that holds an address:
    it is shown without the password that is in it.
    """
    return Field("", description=description, json_schema_extra={ADDRESS: True})


class SecretKeeper(dg.ConfigurableResource[Any]):
    """A resource whose secrets are shown nowhere: not on pages, not in Dagster's storage,
    not in its `repr`.

    `EnvVar` works as in every resource of Dagster: the value is looked up as a run begins, and kept
    from then on.
    """

    _secrets: dict[str, str] = PrivateAttr(default_factory=dict)
    _settings: Settings | None = PrivateAttr(None)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 (whatever the fields take)
        shown = {
            name: _masked(info, values.get(name)) for name, info in type(self).model_fields.items()
        }
        secrets = {
            name: values[name] for name in shown if name in values and shown[name] != values[name]
        }
        super().__init__(**{**values, **{name: shown[name] for name in secrets}})
        self._secrets = secrets

    def secret_value(self, name: str) -> str:
        """Return the value of a field that is or holds a secret; empty where it is not set."""
        return self._secrets.get(name) or getattr(self, name) or ""

    def bound_to(self, settings: Settings) -> Self:
        """Store the settings, for everything that is not a field of this resource."""
        self._settings = settings
        return self

    @property
    def settings(self) -> Settings:
        """The settings that this resource is bound to;
        those of the environment where it is bound to none.
        """
        return self._settings or load_settings()

    def _with_updated_values(self, values: NamedValues | None) -> Self:
        """Copy with other values, as Dagster does when a run begins;
        secrets that are not among them go along.
        """
        fresh: Self = super()._with_updated_values(values)  # type: ignore[assignment]  # Dagster names the base
        unchanged = {
            name: value
            for name, value in self._secrets.items()
            if getattr(fresh, name) == getattr(self, name)
        }
        fresh._secrets = {**unchanged, **fresh._secrets}
        fresh._settings = self._settings
        return fresh


class SettingsResource(SecretKeeper):
    """A resource whose fields are the settings of one service:
    each is called as the setting after `prefix`.
    """

    prefix: ClassVar[str] = ""

    @classmethod
    def setting_of(cls, field: str) -> str:
        """Return the name of the setting that a field has."""
        return cls.prefix + field

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the resource as it is set."""
        return cls(**values_of(settings, {name: cls.setting_of(name) for name in cls.model_fields}))

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings with the values of this resource in place of theirs."""
        update: dict[str, Any] = {}
        for name, info in type(self).model_fields.items():
            value = (
                self.secret_value(name)
                if _is(SECRET, info) or _is(ADDRESS, info)
                else getattr(self, name)
            )
            update[self.setting_of(name)] = SecretStr(value) if _is(SECRET, info) else value
        return settings.model_copy(update=update)


def values_of(settings: Settings, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of settings by the names of fields; those that are not set are left out."""
    values = {field: getattr(settings, name) for field, name in names.items()}
    plain = {field: _config_value(value) for field, value in values.items()}
    return without_none(plain)


def _masked(info: FieldInfo, value: object) -> object:
    """Return what Dagster may see of a value; the name of a variable is looked up by Dagster."""
    if not isinstance(value, str) or isinstance(value, dg.EnvVar) or value in {"", MASK}:
        return value
    return MASK if _is(SECRET, info) else without_secrets(value) if _is(ADDRESS, info) else value


def _is(mark: str, info: FieldInfo) -> bool:
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get(mark))


def _config_value(value: object) -> object:
    """Return a setting as Dagster's configuration takes it; None where a secret is not set."""
    if isinstance(value, SecretStr):
        return value.get_secret_value() or None
    return str(value) if isinstance(value, Path) else value
