"""Text that spreadsheets would run as a formula, in files that people open in them.

Anyone who may send an event can send such text, so every CSV file for people escapes it, and no
other file does.
"""

import re
from typing import Final

import ibis
import ibis.expr.types as ir

BEGINS: Final = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""The first characters of formulas, including full-width forms, as a part of a pattern."""
PLAIN_NUMBER: Final = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
"""What begins like a formula, and is none."""
ESCAPE: Final = "'"
_FORMULA: Final = re.compile(f"[{BEGINS}]")
_NUMBER: Final = re.compile(PLAIN_NUMBER)


def escaped(text: str) -> str:
    """Return a text, with `'` before it if a spreadsheet would run it."""
    is_run = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"{ESCAPE}{text}" if is_run else text


def with_escaped_texts(rows: ir.Table) -> ir.Table:
    """Return rows whose columns of text are escaped in the same way; all others stay."""
    return rows.mutate(
        **{name: _escaped(rows[name]) for name, kind in rows.schema().items() if kind.is_string()}
    )


def _escaped(texts: ir.StringColumn) -> ir.StringColumn:
    is_run = texts.re_search(f"^[{BEGINS}]") & ~texts.re_search(f"^{PLAIN_NUMBER}$")
    return ibis.ifelse(is_run, ibis.literal(ESCAPE) + texts, texts)
