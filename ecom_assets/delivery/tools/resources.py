"""Dagster resources for the tools: one per tool, created from its settings."""

from functools import lru_cache
from typing import Any, ClassVar, Literal, cast, get_origin

from pydantic import SecretStr, create_model

from ecom_assets.delivery.tool import variable
from ecom_assets.delivery.tools.all import TOOLS
from ecom_assets.settings.resource import SettingsResource, setting
from ecom_assets.settings.settings import Settings


class ToolResource(SettingsResource):
    """An analytics tool that events and user properties are delivered to."""

    tool: ClassVar[str]


def tool_resources(settings: Settings) -> dict[str, ToolResource]:
    """Return the resource of every tool, configured or not, by tool name."""
    return {tool: tool_resource(tool).from_settings(settings) for tool in TOOLS}


@lru_cache
def tool_resource(name: str) -> type[ToolResource]:
    """Return the resource class of a tool, with a field for each of its settings."""
    tool, prefix = TOOLS[name], f"{name}_"
    fields: dict[str, Any] = {
        field.removeprefix(prefix): (_kind(field), setting(field)) for field in tool.settings.model_fields
    }
    made = create_model(name.title(), __base__=ToolResource, __module__=__name__, **fields)
    needed = " and ".join(variable(field) for field in tool.needed)
    made.__doc__ = f"{tool.title}, which events and user properties are delivered to. To deliver, set {needed}."
    made.tool, made.prefix = name, prefix
    return made


def _kind(name: str) -> Any:  # noqa: ANN401 (a type, or a union of types)
    """Return the type of a setting for Dagster config, which does not support `Literal` and `SecretStr`."""
    kind = Settings.model_fields[name].annotation
    if kind is SecretStr:
        return cast("Any", str | None)
    return str if get_origin(kind) is Literal else kind
