"""The message of a failed step or run for people: that of the platform's own error among its causes."""

from typing import Any, Final

from ecom_assets import errors

OWN_ERRORS: Final = {name for name, value in vars(errors).items() if isinstance(value, type)}
"""Names of the errors whose message is complete; their causes add nothing."""


def error_sentence(error: Any, message: str | None) -> str:  # noqa: ANN401 (Dagster exports the type nowhere)
    """Return the message of the platform's own error among the causes of an error, else that of the deepest cause."""
    while error is not None and error.cause is not None and error.cls_name not in OWN_ERRORS:
        error = error.cause
    name, _, rest = first_line(error.message if error is not None else message).partition(": ")
    return rest or name


def first_line(text: str | None) -> str:
    """Return the first line of a text."""
    return ((text or "").strip().splitlines() or ["it failed"])[0]
