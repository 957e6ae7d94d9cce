"""SQL of what leaves a row out: conditions of its mapping, and proofs that it breaks.

A draft notes what held of all rows of its file (`holds`); a later row of which it does not hold is
left out under the name of the proof, and counted. NULL is no answer, and leaves no row out.
"""

from collections.abc import Sequence

from ecom_assets.core.tables.received import PROOF
from ecom_assets.core.warehouse.sql_text import (
    ident,
    text,
    texts,
)
from ecom_assets.ingestion.sources.files.field_sql import is_discount, value_sql
from ecom_assets.ingestion.sources.files.mapping import (
    DISCOUNT,
    IdField,
    Proof,
    RecordMapping,
)
from ecom_assets.ingestion.sources.files.plain import (
    NUMBER,
    Numerals,
)
from ecom_assets.ingestion.sources.files.shape import ADDED, KIND
from ecom_assets.ingestion.sources.files.sql import NOTHING

_NEAR = "0.0051"
"""What sums may be off by, as amounts are rounded."""
_FEW_OFF = "0.02"
"""The share of rows that may be off by more, as the draft finds them."""


def left_out_sql(mapping: RecordMapping, columns: Sequence[str] = ()) -> str:
    """Return the SQL of the name of the first condition that leaves a row out, or of the first
    proof that it breaks; NULL for rows that stay.

    `columns` are those of a row that the mapping needs.
    """
    conditions = {name: condition.sql for name, condition in mapping.leave_out.items()}
    if mapping.below_zero == "discount":  # its money is in the other lines of its order
        conditions[DISCOUNT] = is_discount(mapping)
    conditions |= {
        f"{PROOF}{name}": breaks_sql(mapping, proof, columns)
        for name, proof in mapping.holds.items()
    }
    cases = " ".join(
        f"WHEN {condition} THEN {text(name)}" for name, condition in conditions.items()
    )
    own = f"CASE WHEN __malformed IS NOT NULL THEN NULL {cases} END" if cases else NOTHING
    return f"coalesce({ident(mapping.left_out_column)}, {own})" if mapping.left_out_column else own


def breaks_sql(mapping: RecordMapping, proof: Proof, columns: Sequence[str]) -> str:
    """Return the SQL that says whether a row breaks a proof; NULL counts as no.

    `columns` are those of a row that the mapping needs.
    """
    # Rows are compared with those of their kind in their file.
    rows = ["__file", *([ident(KIND)] if KIND in columns else [])]
    if proof.unique:
        return _has_other_row(mapping.id_field, proof.unique, columns, rows)
    if proof.column:
        return _is_another_value(proof, ident(proof.column), rows)
    if not proof.sum_per:
        return _is_off_often(proof, mapping.numerals)
    is_off = _is_off_per_order(proof, mapping.numerals, rows)
    # Rows of refunds may be those of some lines only.
    first = next(iter(mapping.rows), "")
    return f"{ident(KIND)} = {text(first)} AND {is_off}" if ident(KIND) in rows else is_off


def _has_other_row(
    id_field: IdField, unique: Sequence[str], columns: Sequence[str], rows: Sequence[str]
) -> str:
    """Return the SQL that says whether a key that was unique is that of several rows, other than
    copies of one.
    """
    keys = [*map(ident, unique)]
    is_known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    of_key = f"OVER (PARTITION BY {', '.join([*rows, *keys])})"
    if id_field.hash_of and id_field.equal_rows == "keep":  # each of equal rows counts
        return f"({is_known}) AND count(*) {of_key} > 1"
    cells = ", ".join(f"coalesce({ident(name)}, '')" for name in columns if name not in ADDED)
    row = f"md5(concat_ws(chr(1), {cells}))"
    return f"({is_known}) AND min({row}) {of_key} <> max({row}) {of_key}"


def _number_sql(numerals: Numerals, column: str) -> str:
    return f"TRY_CAST({numerals.number_sql(ident(column))} AS {NUMBER})"


def _is_off_often(proof: Proof, numerals: Numerals) -> str:
    """Return the SQL that says whether an amount is not what its row comes to, in more rows of the
    file than may be off: of all, or of those with one of the parts.
    """
    assert proof.amount  # noqa: S101 (the model has one of the forms)
    assert proof.equals  # noqa: S101 (the model has it beside the amount)
    amount = _number_sql(numerals, proof.amount)
    equal = f"TRY_CAST({value_sql(proof.equals, numerals, is_number=True)} AS {NUMBER})"
    is_off = f"(abs({amount} - {equal}) >= {_NEAR})"

    def is_often_off(rows: str) -> str:
        share = f"avg(CASE WHEN {rows} THEN {is_off}::INTEGER END) OVER (PARTITION BY __file)"
        return f"({rows} AND {share} > {_FEW_OFF})"

    parts = [_number_sql(numerals, name) for name in (*proof.equals.less, *proof.equals.plus)]
    often = [is_often_off("true"), *(is_often_off(f"{part} <> 0") for part in parts)]
    return f"{is_off} AND ({' OR '.join(often)})"


def _is_another_value(proof: Proof, value: str, rows: Sequence[str]) -> str:
    """Return the SQL that says whether a column has what it had not in the file of the draft."""
    if proof.not_like:
        return f"regexp_matches({value}, {text(proof.not_like)})"
    if not proof.one_per:
        return f"NOT list_contains({texts(proof.is_one_of)}, coalesce(trim({value}), ''))"
    unit = ident(proof.one_per)
    of_unit = f"OVER (PARTITION BY {', '.join([*rows, unit])})"
    return f"{unit} IS NOT NULL AND min({value}) {of_unit} <> max({value}) {of_unit}"


def _is_off_per_order(proof: Proof, numerals: Numerals, rows: Sequence[str]) -> str:
    """Return the SQL that says whether an amount of an order is not what its rows come to."""
    assert proof.amount  # noqa: S101 (the model has one of the forms)
    assert proof.equals  # noqa: S101 (the model has it beside the amount)
    assert proof.sum_per  # noqa: S101 (as asked)
    amount = _number_sql(numerals, proof.amount)
    of_row = proof.equals.model_copy(update={"less": (), "plus": ()})
    line = f"TRY_CAST({value_sql(of_row, numerals, is_number=True)} AS {NUMBER})"
    order = ident(proof.sum_per)
    of_order = f"OVER (PARTITION BY {', '.join([*rows, order])})"
    parts = [
        f" {sign} coalesce(max({_number_sql(numerals, name)}) {of_order}, 0)"
        for sign, names in (("-", proof.equals.less), ("+", proof.equals.plus))
        for name in names
    ]
    equal = f"sum({line}) {of_order}{''.join(parts)}"
    return f"{order} IS NOT NULL AND abs(max({amount}) {of_order} - ({equal})) >= {_NEAR}"
