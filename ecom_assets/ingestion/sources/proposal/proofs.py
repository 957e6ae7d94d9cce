"""What a draft found true of all rows of its file, as the lines of `holds` of a mapping, by which
each later file is looked at.
"""

from collections.abc import Iterable, Iterator, Sequence

from ecom_assets.ingestion.sources.proposal.parts import RowSum
from ecom_assets.ingestion.sources.proposal.questions import (
    MOST_STATES,
    on_one_line,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.values import WHOLE, FileValues, Value

_MOST_NAMED = 4


def proof_line(name: str, *keys: str) -> str:
    """Return the line of a proof with its name, by which a row that breaks it is told."""
    return f"  {quoted(on_one_line(name))}: {{{', '.join(keys)}}}"


def key_line(columns: Sequence[str]) -> str:
    """Return the line that rows of a file differ in some columns."""
    return proof_line(
        f"each row has another {' and '.join(map(shown, columns))}",
        f"unique: {quoted_list(columns)}",
    )


def one_per_line(column: str, unit: str) -> str:
    """Return the line that rows with one value of a column have one of another one."""
    name = f"rows of one {shown(unit)} have one {shown(column)}"
    return proof_line(name, f"column: {quoted(column)}", f"one_per: {quoted(unit)}")


def values_line(values: FileValues, value: Value, *, may_be_empty: bool = False) -> str:
    """Return the line that a column has no other values than those of the file; empty where these
    are too many to have been looked at.

    Cells may be empty if some are, or if that says nothing new.
    """
    texts = [text for text, _ in values.counts(value, MOST_STATES + 1)]
    if len(texts) > MOST_STATES or not value.is_column:
        return ""
    named = f"is {' or '.join(map(shown, texts))}" if texts else "is empty"
    if len(texts) > _MOST_NAMED:
        named = f"is one of {len(texts)} values"
    if may_be_empty or values.filled(value) < values.row_count:
        texts.append("")
    column = value.path[0]
    keys = (f"column: {quoted(column)}", f"in: {quoted_list(texts)}", "optional: true")
    return proof_line(f"{shown(column)} {named}", *keys)


def not_like_line(column: str, words: str) -> str:
    """Return the line that no row of a column has some words, which are a regular expression."""
    name = f"no {shown(column)} is a gift card, a tip, a deposit, a warranty or shipping"
    keys = (f"column: {quoted(column)}", f"not_like: {quoted(words)}", "optional: true")
    return proof_line(name, *keys)


def sum_lines(
    values: FileValues,
    sums: Iterable[RowSum],
    product: tuple[str, Sequence[Value]],
    amounts: Sequence[Value],
) -> Iterator[str]:
    """Yield the lines of sums, each once, whose numbers the mapping reads as the file writes them.

    Args:
        values: The values of the files.
        sums: The sums, which hold for the rows.
        product: The name of a price times a quantity, and both; empty where there is none.
        amounts: The amounts that the mapping reads, which say how it reads numbers.
    """
    by_name = {value.name: value for value in values.values}
    for row_sum in dict.fromkeys(sums):
        name, factors = product
        whole, base, parts = row_sum.whole, row_sum.base, row_sum.parts
        if whole == name:  # no column has the product, so that it is what the other one says
            whole, base, parts = base, whole, tuple((part, -sign) for part, sign in parts)
        used = [by_name.get(part) for part in (whole, *(part for part, _ in parts))]
        used += factors if base == name else [by_name.get(base)]
        columns = [value for value in used if value is not None and value.is_column]
        if len(columns) < len(used) or not _are_read_alike(values, [*columns, *amounts]):
            continue
        origin = [f"column: {quoted(factors[0].path[0] if base == name else base)}"]
        origin += [f"times: {quoted(factors[1].path[0])}"] if base == name else []
        for option, wanted in (("plus", 1), ("less", -1)):
            if named := [part for part, sign in parts if sign == wanted]:
                origin.append(f"{option}: {quoted_list(named)}")
        equals = f"equals: {{{', '.join(origin)}}}"
        yield proof_line(row_sum.text, f"amount: {quoted(whole)}", equals)


def order_sum_lines(
    values: FileValues,
    sums: Iterable[RowSum],
    lines: tuple[str, Sequence[Value]],
    order: str,
    amounts: Sequence[Value],
) -> Iterator[str]:
    """Yield the lines of sums in which all lines of an order are, each once.

    Args:
        values: The values of the files.
        sums: The sums, which hold for each order.
        lines: The name of the amount of a line in them, and its column, or a price and a quantity.
        order: The column of the order's number.
        amounts: The amounts that the mapping reads, which say how it reads numbers.
    """
    name, factors = lines
    by_name = {value.name: value for value in values.values}
    for row_sum in dict.fromkeys(sums):
        # What lines come to, with the parts, is the amount of the order.
        is_base = row_sum.base == name
        total, sign = (row_sum.whole, 1) if is_base else (row_sum.base, -1)
        parts = [(part, sign * way) for part, way in row_sum.parts]
        used = [by_name[part] for part in (total, *(part for part, _ in parts)) if part in by_name]
        if len(used) <= len(parts) or not _are_read_alike(values, [*used, *factors, *amounts]):
            continue
        origin = [f"column: {quoted(factors[0].path[0])}"]
        origin += [f"times: {quoted(factors[1].path[0])}"] if len(factors) > 1 else []
        for option, wanted in (("plus", 1), ("less", -1)):
            if named := [part for part, way in parts if way == wanted]:
                origin.append(f"{option}: {quoted_list(named)}")
        signs = "".join(f" {'+' if way > 0 else '-'} {part}" for part, way in parts)
        yield proof_line(
            f"{total} = sum of {name} of one {order}{signs}",
            f"amount: {quoted(total)}",
            f"equals: {{{', '.join(origin)}}}",
            f"sum_per: {quoted(order)}",
        )


def _are_read_alike(values: FileValues, amounts: Sequence[Value]) -> bool:
    """Return whether one way to write numbers reads all of some columns."""
    forms = [set(values.number_forms(value)) for value in amounts]
    others = [form for form in forms if form != {WHOLE}]
    has_signs = {values.has_signs(value) for value in amounts}
    return len(has_signs) == 1 and (not others or bool(set.intersection(*others)))
