"""The tools that results are delivered to, as Dagster resources: one for each tool, made of the tool's own settings."""

from functools import lru_cache
from typing import Any, ClassVar, Literal, cast, get_origin

from pydantic import SecretStr, create_model

from ecom_assets.delivery.tools.all import SETTING_OF, missing_settings
from ecom_assets.settings.resource import SettingsResource, setting
from ecom_assets.settings.settings import Settings


class ToolResource(SettingsResource):
    """An analytics tool that events and user properties are delivered to."""

    tool: ClassVar[str]


def tool_resources(settings: Settings) -> dict[str, ToolResource]:
    """Return the resource of every tool, set or not, by the tool's name."""
    return {tool: tool_resource(tool).from_settings(settings) for tool in SETTING_OF}


@lru_cache
def tool_resource(tool: str) -> type[ToolResource]:
    """Return the class of a tool's resource, with a field for each of its settings."""
    prefix = f"{tool}_"
    names = [name for name in Settings.model_fields if name.startswith(prefix)]
    fields: dict[str, Any] = {name.removeprefix(prefix): (_kind(name), setting(name)) for name in names}
    made = create_model(tool.title(), __base__=ToolResource, __module__=__name__, **fields)
    made.__doc__ = (
        f"The tool {tool}, which events and user properties are delivered to. Nothing is sent until "
        f"{missing_settings(tool)} is set; the sandbox shop delivers to a stand-in instead."
    )
    made.tool, made.prefix = tool, prefix
    return made


def _kind(name: str) -> Any:  # noqa: ANN401 (a type, or a union of types)
    """Return the type of a setting as Dagster's configuration knows it: it has no `Literal` and no `SecretStr`."""
    kind = Settings.model_fields[name].annotation
    if kind is SecretStr:
        return cast("Any", str | None)
    return str if get_origin(kind) is Literal else kind
