"""Durations as people write them.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an engine.
"""

import re
from typing import Final

from ecom_assets.errors import DefinitionError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
DAY_S: Final = 86_400
MAX_DAYS: Final = 36_600


def parse_duration(text: object) -> int:
    """Return the seconds in `"45s"`, `"30m"`, `"12h"`, `"7d"` or `"2w"`; raise DefinitionError for anything else.

    A bare number is refused: 7 could be days or seconds, and a wrong guess gives a plausible but wrong funnel.
    """
    match = re.fullmatch(r"\s*(\d{1,12})\s*([smhdw])\s*", text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"The duration {text!r} is not understood; write a number and a unit, as in 45s, 30m, 12h, 7d or 2w."
        )
    return int(match[1]) * _SECONDS[match[2]]


def parse_days(text: object) -> int:
    """Return the days in `"30d"` or `"4w"`.

    Raises:
        DefinitionError: It is not a duration, or not of 1 to 36,600 whole days.
    """
    seconds = parse_duration(text)
    if seconds % DAY_S or not 1 <= seconds // DAY_S <= MAX_DAYS:
        raise DefinitionError(
            f"{text!r} is not of 1 to {MAX_DAYS:,} whole days; write d (days) or w (weeks), as in 30d."
        )
    return seconds // DAY_S
