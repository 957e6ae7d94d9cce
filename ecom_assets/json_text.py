"""JSON as the platform writes it: in UTF-8, without escapes for other letters than those of English."""

import json
from typing import Any, Final

_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def json_text(value: Any, **options: Any) -> str:  # noqa: ANN401 (any JSON, and what `json.dumps` takes)
    """Return a value as JSON whose letters stand as they are, so that an id in it can be found.

    Half of a surrogate pair, which UTF-8 cannot write, stays an escape.
    """
    text = json.dumps(value, ensure_ascii=False, **options) if options else _encode(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
