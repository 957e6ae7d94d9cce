"""Zones behind times, as people and programs write them: `10:00 PST(UTC-8)`, `(MEZ)`."""

from typing import Final

SHIFTS: Final = {
    name: shift
    for shift, names in {
        "+00:00": "UTC GMT Z WET WEZ",
        "+01:00": "CET MEZ WEST WESZ",
        "+02:00": "CEST MESZ EET OEZ SAST",
        "+03:00": "EEST OESZ MSK",
        "+07:00": "WIB",
        "+08:00": "SGT HKT AWST",
        "+09:00": "JST KST",
        "+10:00": "AEST",
        "+11:00": "AEDT",
        "+12:00": "NZST",
        "+13:00": "NZDT",
        "-03:00": "BRT",
        "-04:00": "EDT",
        "-05:00": "EST CDT",
        "-06:00": "MDT",
        "-07:00": "MST PDT",
        "-08:00": "PST AKDT",
        "-09:00": "AKST",
        "-10:00": "HST",
    }.items()
    for name in names.split()
}
"""What short names of zones say; of CST, IST and BST there are several."""
_CLOCK: Final = r"\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?[AaPp]\.?\s?[Mm]\b\.?)?"
_NAME: Final = r"\(?\[?(?:([A-Za-z]{1,5})[\s,]*)?"
_SHIFT: Final = r"(?:([+\x{2212}-])(\d{1,2})(?::?(\d\d))?)?"
_IN_BRACKETS: Final = rf"[(\[]?\s*(?:(?i:UTC|GMT)\s*)?{_SHIFT}\s*[)\]]*"
TIME_AND_ZONE: Final = rf"^(.*?{_CLOCK})[\s,]*{_NAME}{_IN_BRACKETS}(?:\s*\([A-Za-z ]+\))?$"
"""A time: all before its zone, the short name of that, and sign, hours and minutes of its shift."""
