"""What a mapping's text says before it is checked: parts of expressions,
and the currency beside an amount.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ecom_assets.core.tables.currencies import SMALL_CURRENCIES
from ecom_assets.core.warehouse.sql_text import ident, text
from ecom_assets.ingestion.sources.files.alternatives import OF_PLACES, with_filled_alternatives
from ecom_assets.ingestion.sources.files.plain import CURRENCY_SIGNS

CURRENCY_BESIDE: Final = {
    "event_id": "cart_value",
    "uniq_id": "payment_amount",
    "cost_id": "unit_cost_amount",
    "spend_id": "spend_amount",
}
"""The amount that may have a currency beside it, by the id of its kind of record."""


def with_currency_of_amount(content: object, record_id: str) -> object:
    """Return a mapping that takes the currency from beside the amount, where it is taken off.

    A mapping of customers, or one in which another column says the currency, stays as it is.
    """
    fields = content.get("fields") if isinstance(content, dict) else None
    amount = CURRENCY_BESIDE.get(record_id)
    if not isinstance(content, dict) or not isinstance(fields, dict) or not amount:
        return content
    if content.get("currency_signs") != "remove" or fields.get("currency"):
        return content
    beside = _currency_beside(fields.get(amount))
    return content | {"fields": {**fields, "currency": beside}} if beside else content


def _currency_beside(amount: object) -> dict[str, object] | None:
    """Return the origin of the currency that stands beside an amount;
    None where SQL computes the amount.
    """
    origin = {"column": amount} if isinstance(amount, str) else amount
    if not isinstance(origin, dict):
        return None
    if isinstance(kinds := origin.get("by_row"), dict):
        each = {kind: _currency_beside(field) for kind, field in kinds.items()}
        return {"by_row": {kind: field or {"constant": ""} for kind, field in each.items()}}
    keys = [key for key in ("column", "first_of") if key in origin]
    return {keys[0]: origin[keys[0]], "currency_code": True, "optional": True} if keys else None


HEADER_CURRENCIES: Final = tuple(
    sorted({"USD", "EUR", "GBP", "CHF", "CAD", "AUD", *SMALL_CURRENCIES, *CURRENCY_SIGNS.values()})
)
"""The currencies that are looked for in the names of columns."""


def with_currency_of_header(content: object) -> object:
    """Return a mapping whose spend, and its currency, are of the column whose name says the
    currency, as `amount_header` writes it; fields that it has stay.
    """
    fields = content.get("fields") if isinstance(content, dict) else None
    header = content.get("amount_header") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(fields, dict) or not header:
        return content
    names = {code: str(header).replace("{}", code) for code in HEADER_CURRENCIES}
    cases = " ".join(
        f"WHEN {ident(name)} IS NOT NULL THEN {text(code)}" for code, name in names.items()
    )
    optional = [str(header).replace("{}", "*")]
    of_header = {
        "spend_amount": {"first_of": [*names.values()]},
        "currency": {"expression": f"CASE {cases} END", "optional": optional},
    }
    return content | {"fields": of_header | fields}


def completed(content: object) -> object:
    """Return a mapping with its expressions completed.

    Parts are in place of their names, `coalesce` takes the first alternative that is filled, and
    members of objects are found in any case, where the mapping says so. A mapping that is not one
    stays, and is refused later.
    """
    if not isinstance(content, dict) or not isinstance(content.get("fields"), dict):
        return content
    parts, any_case = content.get("parts") or {}, content.get("any_case") or ()
    if not isinstance(parts, dict) or not isinstance(any_case, list | tuple):
        return content
    origins = {
        name: _completed(entry, parts, any_case, name) for name, entry in content["fields"].items()
    }
    conditions = content.get("leave_out")
    if not isinstance(conditions, dict):
        return content | {"fields": origins}
    conditions = {
        name: _completed(entry, parts, any_case, name) for name, entry in conditions.items()
    }
    return content | {"fields": origins, "leave_out": conditions}


def _completed(
    origin: object, parts: Mapping[str, str], any_case: Sequence[str], name: str
) -> object:
    """Return the entry of a field with its expressions completed."""
    if not isinstance(origin, dict):
        return origin
    result = {key: _completed(value, parts, any_case, name) for key, value in origin.items()}
    if isinstance(expression := origin.get("expression"), str):
        result["expression"] = with_filled_alternatives(
            with_parts(expression, parts), any_case=any_case, is_place=name in OF_PLACES
        )
    return result


def with_parts(expression: str, parts: Mapping[str, str]) -> str:
    """Return an expression with the parts in place of their names;
    a part may use those before it.
    """
    for name, part in reversed(list(parts.items())):
        # Braces around anything else are SQL, such as a struct.
        expression = expression.replace(f"{{{name}}}", f"({part})")
    return expression


OPEN: Final = "?"
"""What stands in a mapping for an answer that nobody has given."""


def without_open_states(content: object) -> object:
    """Return a mapping of orders without the states whose meaning is open:
    they stay as they are in the file.
    """
    if not isinstance(content, dict):
        return content
    result = dict(content)
    if isinstance(statuses := content.get("statuses"), dict):
        result["statuses"] = _answered(statuses)
    fields = content.get("fields")
    if isinstance(fields, dict) and isinstance(fields.get("status"), dict):
        result["fields"] = {**fields, "status": _with_answered_lookups(fields["status"])}
    return result


def _with_answered_lookups(origin: object) -> object:
    if not isinstance(origin, dict):
        return origin
    return {
        key: _answered(value)
        if key == "lookup" and isinstance(value, dict)
        else _with_answered_lookups(value)
        for key, value in origin.items()
    }


def _answered(meanings: Mapping[object, object]) -> dict[object, object]:
    return {state: meaning for state, meaning in meanings.items() if meaning != OPEN}
