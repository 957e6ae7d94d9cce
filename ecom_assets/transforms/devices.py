"""What kind of device a browser says it runs on: GA4's categories. Not here: which browsers are robots (`clean.py`)."""

from typing import Final

import ibis
import ibis.expr.types as ir

TABLETS: Final = ("ipad", "tablet", "kindle", "silk/")
PHONES: Final = ("iphone", "ipod", "windows phone", "blackberry", "mobi")
COMPUTERS: Final = ("windows nt", "macintosh", "x11", "cros", "linux")
ANDROID: Final = "android"
"""Android's phones say Mobile, its tablets do not."""


def device(user_agent: ir.StringValue, is_bot: ir.BooleanValue) -> ir.StringValue:
    """Return `desktop`, `mobile`, `tablet`, `robot`, or `other` where the browser says nothing of it."""
    said = user_agent.fill_null("").lower()
    return ibis.cases(
        (is_bot, "robot"),
        (_any(said, TABLETS), "tablet"),
        (_any(said, PHONES), "mobile"),
        (said.contains(ANDROID), "tablet"),
        (_any(said, COMPUTERS), "desktop"),
        else_="other",
    )


def _any(said: ir.StringValue, words: tuple[str, ...]) -> ir.BooleanValue:
    return ibis.or_(*(said.contains(word) for word in words))
