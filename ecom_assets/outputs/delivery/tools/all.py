"""Discover all tools by their packages,
and create their destinations and Dagster resources from the settings.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar

import dagster as dg
from pydantic import create_model

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.resource import SettingsResource, kind_in_dagster, setting
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import TOOLS as PACKAGES
from ecom_assets.core.settings.subjects import packages_in
from ecom_assets.outputs.delivery.batch_sender import HttpDestination
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.payloads import EventChoices
from ecom_assets.outputs.delivery.tool import KINDS, Tool, variable

TOOLS: dict[str, Tool[Any]] = {
    name: import_module(f"{PACKAGES}.{name}.tool").TOOL for name in packages_in(PACKAGES)
}
"""Every tool by its name, in alphabetical order."""
SETTING_OF = {name: tool.setting for name, tool in TOOLS.items()}
"""The setting that each tool requires to receive anything."""
NAMES = tuple(name for tool in TOOLS.values() for name in tool.feeds())
"""The names of all possible destinations; events need `EVENT_COLUMNS`, users `USER_COLUMNS`."""


def set_tools(settings: Settings) -> set[str]:
    """Return the configured tools; for the sandbox shop, the tools with a stand-in."""
    if settings.has_own_data:
        return {name for name, tool in TOOLS.items() if tool.is_set(tool.tool_settings(settings))}
    return {name for name, tool in TOOLS.items() if tool.has_stand_in}


def unset_exports(settings: Settings, *, has_events: bool, has_customers: bool) -> set[dg.AssetKey]:
    """Return the exports whose tool is not configured,
    or for which there are no events or customers.
    """
    unset = {f"{tool}_{kind}" for tool in TOOLS.keys() - set_tools(settings) for kind in KINDS}
    without: set[str] = set() if has_events else {f"{tool}_events" for tool in TOOLS}
    without |= set() if has_customers else {"customers_json"}
    without |= (
        set() if set_tools(settings) else {"deliveries", "dead_letters", "reconciliation_daily"}
    )
    return {dg.AssetKey(["export", name]) for name in unset | without}


def destinations(settings: Settings) -> dict[str, HttpDestination]:
    """Return the configured destinations, in the order of `NAMES`; nothing is sent yet.

    Raises:
        SettingError: The settings of a tool are incomplete.
    """
    for tool in TOOLS.values():
        tool.refuse_incomplete(settings)
    choices = EventChoices(
        user_key=settings.delivery_user_key,
        properties=settings.delivery_properties,
        urls=settings.delivery_urls,
        currency=settings.set_currency or None,
        cart_value=settings.cart_value,
        addresses=settings.delivery_addresses,
    )
    tools = [tool for tool in TOOLS.values() if tool.is_set(tool.tool_settings(settings))]
    return {name: made for tool in tools for name, made in tool.open(settings, choices).items()}


@contextmanager
def opened_destinations(
    settings: Settings, account: str | None = None
) -> Iterator[dict[str, Destination]]:
    """Yield the configured destinations, then close them;
    `account` replaces the account in the settings.
    """
    opened = destinations(settings)
    for destination in opened.values():
        destination.account = account or destination.account
    try:
        yield dict(opened)
    finally:
        for destination in opened.values():
            destination.close()


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
        field.removeprefix(prefix): (kind_in_dagster(field), setting(field))
        for field in tool.settings.model_fields
    }
    _require_free(name, fields)
    # A tool is a package, found by its folder: its resource has the settings that it declares.
    made = create_model(name.title(), __base__=ToolResource, __module__=__name__, **fields)
    needed = " and ".join(variable(field) for field in tool.needed)
    made.__doc__ = (
        f"{tool.title}, which events and user properties are delivered to. To deliver, set "
        f"{needed}."
    )
    made.tool, made.prefix = name, prefix
    return made


def _require_free(tool: str, fields: Iterable[str]) -> None:
    """Refuse a field that would hide what the resource of every tool has.

    Raises:
        DefinitionError: The message names the first setting with such a name.
    """
    for field in fields:
        if hasattr(ToolResource, field):
            raise DefinitionError(
                f"The setting {tool}_{field} would hide `{field}` of the tool's Dagster resource; "
                "give it another name."
            )
