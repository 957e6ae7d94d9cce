"""Times that no format reads: with months of other languages than English, as `2 de marzo de 2026
10:15 hs.` has them, or with other signs between their parts, as in `2026年3月2日` and `11h07`, or
as numbers of days in spreadsheets, such as 46083.4375.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.mapping_file import shipped_file
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of

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


@dataclass(frozen=True)
class TimeSpelling:
    """How times are written that no format reads: the language of their months, empty if these are
    numbers, and the signs between their parts, as patterns with what is put in their place.
    """

    language: str
    signs: tuple[tuple[str, str], ...]
    are_days: bool = False
    """Whether they are days since the end of 1899, with the time of day as decimals."""


def time_spelling_in(cells: Sequence[str]) -> TimeSpelling | None:
    """Return how all of some texts with digits are written as times; None where they are none."""
    texts = [cell.casefold() for cell in cells]
    if not texts or not all(re.search(r"\d", cell) for cell in texts):
        return None
    signs = tuple(
        (pattern, put)
        for pattern, put in _SIGNS
        if sum(bool(re.search(pattern, cell)) for cell in texts) * 2 > len(texts)
    )
    words = [{*re.findall(r"[^\W\d_]+", cell)} for cell in texts]
    for language, months in _words()["months"].items():
        known = {word for month in months for word in month.split("|")}
        if all(known & own for own in words):
            return TimeSpelling(str(language), signs)
    has_parts = all(len(re.findall(r"\d+", cell)) > 2 for cell in texts)  # noqa: PLR2004 (a day)
    are_digits = any(pattern == _OF_NET for pattern, _ in signs)
    return TimeSpelling("", signs) if signs and (has_parts or are_digits) else None


def days_of_spreadsheet(name: str, cells: Sequence[str]) -> TimeSpelling | None:
    """Return how texts are times as spreadsheets count them, between 2004 and 2064; None where they
    are other numbers: by their name they are days, or most have more decimals than amounts.
    """
    if not cells or not all(_DAY_OF_SPREADSHEET.fullmatch(cell) for cell in cells):
        return None
    long = sum(len(cell) > _LONGEST_AMOUNT for cell in cells)
    words = words_of(name)
    is_number = not _OF_NUMBERS.isdisjoint(words)
    is_named = not is_number and any(begins(word, _NAMES_OF_DAYS) for word in words)
    return TimeSpelling("", (), are_days=True) if is_named or long * 2 > len(cells) else None


_DAY_OF_SPREADSHEET: Final = re.compile(r"(3[89]|4\d|5\d)\d{3}([.,]\d{1,12})?")
_LONGEST_AMOUNT: Final = len("46083.4375")
_NAMES_OF_DAYS: Final = ("date", "datum", "dato", "data", "fecha", "jour", "tag", "дата", "tarih")
"""How words in the names of days begin."""
_OF_NUMBERS: Final = frozenset({"id", "ids", "no", "nr", "num", "number", "code", "key", "count"})
"""Words in the names of numbers of things, such as `Tag ID`."""
_OF_NET: Final = r"^/date\((\d+)(?:[+-]\d+)?\)/$"
_SIGNS: Final = (
    (_OF_NET, r"\1"),
    (r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]", r"\1-\2-\3"),
    (r"(\d{1,2}) ?[時时시] ?(\d{1,2}) ?[分분]", r"\1:\2"),
    (r"(\d{1,2}) ?h ?(\d{2})", r"\1:\2"),
    (r"(\d)(?:st|nd|rd|th|er|º|ª)\b", r"\1"),
    (r"(\d)\.? +(\d{1,2})\.(\d{2})\.(\d{2})$", r"\1 \2:\3:\4"),
    (r"(\d)\.? +(\d{1,2})\.(\d{2})$", r"\1 \2:\3"),
    (r"(\d)\. +(\d{1,2}:)", r"\1 \2"),
    (r"(\d)_(\d{1,2}:)", r"\1 \2"),
    (r"(:\d\d),(\d+)", r"\1.\2"),
    (r"([+-]\d\d:?\d\d) (?:utc|gmt)$", r"\1"),
)
"""Signs between the parts of times, and how others write them: `2026年3月2日`, `11h07`, `2nd`,
`2026-03-02 11.07.05`, `11:07:05,123`, `/Date(1772449625000)/`.
"""


def in_english_sql(column: str, spelling: TimeSpelling) -> str:
    """Return the SQL of a time with the month in English, the usual signs and no words between its
    parts.
    """
    if spelling.are_days:
        number = f"TRY_CAST(replace({column}, ',', '.') AS DOUBLE)"
        seconds = f"to_seconds(round({number} * 86400)::BIGINT)"
        return f"strftime(TIMESTAMP '1899-12-30' + {seconds}, '%Y-%m-%d %H:%M:%S')"
    sql = f"lower({column})"
    for pattern, put in spelling.signs:
        sql = f"regexp_replace({sql}, {text(pattern)}, {text(put)})"
    if not spelling.language:
        return f"trim(upper({sql}))"
    for names, month in zip(_words()["months"][spelling.language], _ENGLISH, strict=True):
        pattern, put = rf"(^|[^\pL])({names})([^\pL]|$)", rf"\1{month}\3"
        sql = f"regexp_replace({sql}, {text(pattern)}, {text(put)})"
    between = text(rf"(^|[\s.,])({'|'.join(_words()['between'])})\.?([\s,]|$)")
    sql = f"regexp_replace({sql}, {between}, ' ', 'g')"
    blanks = text(r"[\s.,]+")
    return f"trim(regexp_replace({sql}, {blanks}, ' ', 'g'))"
