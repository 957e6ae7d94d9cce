"""What a failed step or run says to people: the sentence of our own error among its causes."""

from typing import Any, Final

from ecom_assets import errors

OWN_ERRORS: Final = {name for name, value in vars(errors).items() if isinstance(value, type)}
"""Names of the errors whose message is the whole sentence; what caused them says less."""


def error_sentence(error: Any, message: str | None) -> str:  # noqa: ANN401 (Dagster exports the type nowhere)
    """Return the sentence of our own error among the causes of one, else what the deepest says."""
    while error is not None and error.cause is not None and error.cls_name not in OWN_ERRORS:
        error = error.cause
    name, _, rest = first_line(error.message if error is not None else message).partition(": ")
    return rest or name


def first_line(text: str | None) -> str:
    """Return the first line of a text."""
    return ((text or "").strip().splitlines() or ["it failed"])[0]
