"""JSON as the platform writes it: in UTF-8,
without escapes for other letters than those of English.
"""

import json
import re
from typing import Any, Final

import orjson

_STRING_OR_CONSTANT: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def json_text(value: Any, **options: Any) -> str:  # noqa: ANN401 (any JSON, and what `json.dumps` takes)
    """Return a value as JSON whose letters stand as they are, so that an id in it can be found.

    Half of a surrogate pair, which UTF-8 cannot write, stays an escape.
    """
    text = json.dumps(value, ensure_ascii=False, **options) if options else _encode(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_json(text: bytes) -> Any:  # noqa: ANN401 (any JSON)
    """Return the value of JSON in UTF-8, in which `NaN` and `Infinity`,
    as pandas and others write them, are null.

    Raises:
        orjson.JSONDecodeError: It is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if (strict := with_nulls(text)) == text:
            raise
        return orjson.loads(strict)


def with_nulls(text: bytes) -> bytes:
    """Return JSON with null in place of the numbers that it lacks:
    `NaN` and `Infinity` outside of strings.
    """
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    return _STRING_OR_CONSTANT.sub(_null_or_string, text)


def _null_or_string(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0].startswith(b'"') else b"null"
