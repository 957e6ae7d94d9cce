"""The document of the API that tests find routes, parameters and tools in."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from ecom_assets.core.file_lock import file_lock


@cache
def api_document() -> dict[str, Any]:
    """Return the API's OpenAPI document; making it takes three seconds, so the first process of a
    session makes it for all.
    """
    kept = Path(os.environ["PYTEST_DEBUG_TEMPROOT"]) / "api_document.json"
    with file_lock(kept.with_suffix(".lock")):
        if not kept.exists():
            from ecom_assets.core.settings.settings import Settings  # noqa: PLC0415 (takes a second to load)
            from ecom_assets.interfaces.api.app import build_app  # noqa: PLC0415 (as above)

            kept.write_text(json.dumps(build_app(Settings()).openapi()), encoding="utf-8")
    document: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return document
