"""The document of the API that tests find routes, parameters and tools in."""

from functools import cache
from typing import Any

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app


@cache
def api_document() -> dict[str, Any]:
    """Return the API's OpenAPI document; making it takes two seconds, so a process does it once."""
    return build_app(Settings()).openapi()
