"""The device of a visit, by the user agent of its browser."""

from typing import Final

import ibis
import ibis.expr.types as ir

TABLETS: Final = ("ipad", "tablet", "kindle", "silk/")
PHONES: Final = ("iphone", "ipod", "windows phone", "blackberry", "mobi")
COMPUTERS: Final = ("windows nt", "macintosh", "x11", "cros", "linux")
ANDROID: Final = "android"
"""Found in user agents of Android phones and tablets; only phones also have "mobile"."""


def device(user_agent: ir.StringValue, is_bot: ir.BooleanValue) -> ir.StringValue:
    """Return `desktop`, `mobile`, `tablet` or `robot`; `other` where the user agent says none."""
    agent = user_agent.fill_null("").lower()
    return ibis.cases(
        (is_bot, "robot"),
        (_any(agent, TABLETS), "tablet"),
        (_any(agent, PHONES), "mobile"),
        (agent.contains(ANDROID), "tablet"),
        (_any(agent, COMPUTERS), "desktop"),
        else_="other",
    )


def _any(agent: ir.StringValue, substrings: tuple[str, ...]) -> ir.BooleanValue:
    return ibis.or_(*(agent.contains(substring) for substring in substrings))
