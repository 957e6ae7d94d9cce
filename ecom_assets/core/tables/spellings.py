"""One spelling of an id, whichever source it comes from: what a key is, and how it is written then.

Blanks around an id, an apostrophe by which a spreadsheet keeps it a text, and the `.0` that pandas
appends to whole numbers are no part of any key. Leading zeros are, and so is the case of letters,
but in e-mail addresses.
"""

import re
from typing import Final, Literal

import ibis.expr.types as ir

KeyKind = Literal["address", "number", "text", "order_name"]
"""The kind of a key: an e-mail address, a number, a text, or the name of an order.

In a text, even `1.0` is not `1`; of the name of an order, the `#` is decoration.
"""
PERSON_KEY: Final[KeyKind] = "address"
"""What the id of a user or customer is where nothing says otherwise: one source may write an
address in capitals which another does not.
"""
KEYS: Final[dict[str, KeyKind]] = {
    "user_id": PERSON_KEY,
    "customer_id": PERSON_KEY,
    "product_id": "number",
    "item_id": "number",
}
"""The fields that events, orders and customers have in common, and what they are where a mapping
does not say it.
"""
TRIMMED: Final = frozenset({"event_type"})
"""Fields that only lose the blanks around them, with which exports fill `CHAR` columns."""
BLANKS: Final = " \t\r\n\u00a0\u202f\ufeff"
APOSTROPHE, WHOLE, _NAME = "^'([0-9+=@-])", r"^(-?[0-9]+)[.]0+$", "^#+"


def spelled(value: str, key: KeyKind | None = None) -> str:
    """Return an id in its one spelling."""
    result = re.sub(APOSTROPHE, r"\1", value.strip(BLANKS)).strip(BLANKS)
    if key == "order_name":
        result = re.sub(_NAME, "", result).strip(BLANKS)
    if key != "text":
        result = re.sub(WHOLE, r"\1", result)
    return result.lower() if key == "address" and "@" in result else result


_BLANKS_SQL: Final = "' ' || chr(9) || chr(13) || chr(10) || chr(160) || chr(8239) || chr(65279)"
LONG: Final = 200
"""The SQL of a value that is longer, in characters, is an expression, and no column."""


def spelled_sql(value: str, key: KeyKind | None) -> str:
    """Return the SQL of `spelled` in DuckDB; NULL for NULL and for blanks only."""
    if len(value) > LONG:
        # What follows has the value eleven times, and the engine would compute each.
        return f"list_transform([{value}], lambda written: {spelled_sql('written', key)})[1]"
    blanks = _BLANKS_SQL
    result = f"trim(regexp_replace(trim({value}, {blanks}), '^''([0-9+=@-])', '\\1'), {blanks})"
    if key == "order_name":
        result = f"trim(regexp_replace({result}, '{_NAME}', ''), {blanks})"
    if key != "text":
        result = f"regexp_replace({result}, '{WHOLE}', '\\1')"
    # Most ids are written so already, and these tests take a tenth of the time of the patterns.
    ends = " OR ".join(
        f"suffix({value}, {end})"
        for end in ("' '", "'.0'", "'.00'", "chr(9)", "chr(13)", "chr(10)")
    )
    is_odd = f"{value} < '(' OR {value} > '~' OR {ends} OR contains({value}, chr(160))"
    result = f"CASE WHEN {is_odd} THEN nullif({result}, '') ELSE {value} END"
    return (
        f"CASE WHEN contains({value}, '@') THEN lower({result}) ELSE {result} END"
        if key == "address"
        else result
    )


def trimmed_sql(value: str) -> str:
    """Return the SQL of a text without blanks around it in DuckDB; NULL for blanks only."""
    return f"nullif(trim({value}, {_BLANKS_SQL}), '')"


def spelled_value(value: ir.StringValue, key: KeyKind | None) -> ir.StringValue:
    """Return what `spelled` says of a column, on every engine."""
    blanks = f"^[{BLANKS}]+|[{BLANKS}]+$"
    result = value.re_replace(blanks, "").re_replace(APOSTROPHE, r"\1").re_replace(blanks, "")
    if key == "order_name":
        result = result.re_replace(_NAME, "").re_replace(blanks, "")
    if key != "text":
        result = result.re_replace(WHOLE, r"\1")
    return result.contains("@").ifelse(result.lower(), result) if key == "address" else result


def order_name(value: ir.StringValue) -> ir.StringValue:
    """Return the name of an order for comparison: `#1001`, `1001` and `1001.0` are one."""
    bare = value.strip().re_replace("^'?#*", "").strip()
    result: ir.StringValue = bare.re_replace("^([0-9]+)[.]0+$", r"\1")
    return result
