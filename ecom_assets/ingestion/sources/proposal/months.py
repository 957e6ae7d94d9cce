"""Times whose months are words of other languages than English, as `2 de marzo de 2026 10:15 hs.`
has them.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import yaml

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.mapping_file import shipped_file

_ENGLISH: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


@cache
def _words() -> Mapping[str, Any]:
    words: Mapping[str, Any] = yaml.safe_load(shipped_file("month_words.yaml"))
    return words


def months_in(cells: Sequence[str]) -> str:
    """Return the language in which all of some texts with digits have a month; empty where they are
    no such times.
    """
    texts = [cell.casefold() for cell in cells]
    if not texts or not all(re.search(r"\d", cell) for cell in texts):
        return ""
    words = [{*re.findall(r"[^\W\d_]+", cell)} for cell in texts]
    for language, months in _words()["months"].items():
        known = {word for month in months for word in month.split("|")}
        if all(known & own for own in words):
            return str(language)
    return ""


def in_english_sql(column: str, language: str) -> str:
    """Return the SQL of a time with the month in English, and no words between its parts."""
    sql = f"lower({column})"
    for words, month in zip(_words()["months"][language], _ENGLISH, strict=True):
        pattern, put = text(rf"(^|[^\pL])({words})([^\pL]|$)"), text(rf"\1{month}\3")
        sql = f"regexp_replace({sql}, {pattern}, {put})"
    between = text(rf"(^|[\s.,])({'|'.join(_words()['between'])})\.?([\s,]|$)")
    sql = f"regexp_replace({sql}, {between}, ' ', 'g')"
    blanks = text(r"[\s.,]+")
    return f"trim(regexp_replace({sql}, {blanks}, ' ', 'g'))"
