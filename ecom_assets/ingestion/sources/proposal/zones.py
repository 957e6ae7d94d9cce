"""Zones that stand beside times: behind each, as `10:00 PST(UTC-8)` or `(MEZ)`, or in the head of
their column, as `Order time (UTC+1)`.
"""

import re
from collections.abc import Sequence
from typing import Final

from ecom_assets.core.clock import is_zone
from ecom_assets.core.warehouse.zone_names import SHIFTS, TIME_AND_ZONE

_PLACES: Final = {
    name: place
    for place, names in {
        "America/Los_Angeles": "PST PDT PT",
        "America/Denver": "MST MDT MT",
        "America/Chicago": "CST CDT CT",
        "America/New_York": "EST EDT ET",
        "America/Sao_Paulo": "BRT",
        "Europe/London": "BST",
        "Europe/Lisbon": "WET WEST",
        "Europe/Berlin": "CET CEST MEZ MESZ",
        "Europe/Helsinki": "EET EEST",
        "Europe/Moscow": "MSK",
        "Asia/Kolkata": "IST",
        "Asia/Tokyo": "JST",
        "Asia/Seoul": "KST",
        "Asia/Singapore": "SGT",
        "Australia/Sydney": "AEST AEDT",
    }.items()
    for name in names.split()
}
"""Where a head probably means that has such a name on all days of the year."""
_TIME: Final = re.compile(TIME_AND_ZONE.replace(r"\x{2212}", "\u2212"))


def without_zones(cells: Sequence[str]) -> tuple[list[str], str]:
    """Return times without the zone behind each of them, and how a format says it: `%z`, or as it
    stands there where that has several meanings; an empty text where not all have one.
    """
    found = [match for cell in cells if (match := _TIME.match(cell)) and (match[2] or match[4])]
    if not found or len(found) < len(cells):
        return [*cells], ""
    behind = {cell[match.end(1) :] for cell, match in zip(cells, found, strict=True)}
    is_known = all(match[4] or match[2].upper() in SHIFTS for match in found)
    if not is_known and (len(behind) > 1 or "%" in min(behind)):
        return [*cells], ""
    return [match[1] for match in found], " %z" if is_known else behind.pop()


_IN_HEAD: Final = re.compile(
    r"[\s_]*[(\[]\s*([A-Za-z]+/[A-Za-z_/]+|[A-Za-z]{2,5}|(?:[A-Za-z]{1,5}[\s,]*[(\[]?\s*)?"
    r"(?:UTC|GMT)?\s*[+\u2212-]\s*\d{1,2}(?::?\d\d)?)\s*[)\]]+\s*$",
    re.IGNORECASE,
)
_LAST_WORD: Final = re.compile(
    r"(?<=[A-Za-z\d])[\s_]+((?i:UTC|GMT))$|(?<=[a-z])(U[Tt][Cc]|G[Mm][Tt])$"
)


def without_zone(name: str) -> tuple[str, str]:
    """Return the head of a column without the zone at its end, and that; an empty text if it has
    none: `Order time (UTC+1)`, `purchase date [PST]`, `created_at_gmt`.
    """
    # Only the end: a head of a million blanks would take hours.
    begin, end = name[:-_LONGEST], name[-_LONGEST:]
    found = _IN_HEAD.search(end)
    if found and _is_known(found[1]):
        return (begin + end[: found.start()]).strip(), found[1]
    if (found := _LAST_WORD.search(end)) is not None:
        return (begin + end[: found.start()]).strip(), found[1] or found[2]
    return name, ""


_LONGEST: Final = 80


def _is_known(zone: str) -> bool:
    is_place = "/" in zone and is_zone(zone)
    return is_place or bool(re.search(r"\d", zone)) or zone.upper() in {*SHIFTS, *_PLACES}


def zone_of_head(zone: str) -> str:
    """Return the name of the zone that a head says for sure: a place, UTC, or whole hours beside
    it; empty for others, of which some have a summer time and some not.
    """
    if "/" in zone:
        return zone
    if zone.upper() in {"UTC", "GMT"}:
        return "UTC"
    shift = re.search(r"([+\u2212-])\s*(\d{1,2})(?::?(\d\d))?", zone)
    if not shift or shift[3] not in {None, "00"}:
        return ""
    hours = int(shift[2])
    # Names of POSIX have the sign of what is added to get UTC.
    name = f"Etc/GMT{'-' if shift[1] == '+' else '+'}{hours}" if hours else "UTC"
    return name if is_zone(name) else ""


def likely_zone(zone: str) -> str:
    """Return where a zone of several meanings probably is; UTC where nothing says it."""
    return _PLACES.get(zone.upper(), "UTC")
