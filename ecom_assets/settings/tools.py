"""The settings of the tools that results are delivered to: each tool declares its own, in its own package.

A tool is a package in `delivery/tools`. `Settings` must know every name before anything is delivered, so that a
misspelt `ECOM_…` is refused at start; so the packages are looked up by their folder, as a host looks up its plugins.
Their `settings.py` import nothing but pydantic and `settings/`, which import-linter checks.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import new_class
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_settings import BaseSettings

TOOLS = "ecom_assets.delivery.tools"


class ToolSettings(BaseSettings):
    """What `Settings` has for one tool; every field begins with the tool's name."""


@cache
def tool_names() -> tuple[str, ...]:
    """Return the names of the packages of tools, in alphabetical order."""
    return tuple(result.name for result in iter_modules(import_module(TOOLS).__path__) if result.ispkg)


def tool_settings() -> dict[str, type[ToolSettings]]:
    """Return the class of settings of each tool, which its `settings.py` calls `SETTINGS`."""
    return {name: import_module(f"{TOOLS}.{name}.settings").SETTINGS for name in tool_names()}


def all_tool_settings() -> Any:  # noqa: ANN401 (a class that mypy cannot know: it is made of packages found at start)
    """Return one class with the settings of all tools."""
    return new_class("AllToolSettings", tuple(tool_settings().values()) or (ToolSettings,))


def web_address(value: str) -> str:
    """Return an address without the slash at its end.

    Raises:
        ValueError: It is not a web address, or has a user, a query or a key in it.
    """
    parts = urlsplit(value)
    is_plain = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and "@" not in parts.netloc
    if value and not is_plain:
        raise ValueError("is not an address such as https://api.example.com/customers (without user, query or key)")
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(web_address)]
"""A setting that is the address of a service."""
MOST_PER_S = "at most; 0: no bound; default"
"""The end of the description of a rate."""
