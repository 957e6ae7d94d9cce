"""Which user agents call themselves robots, by general words and by a list of names."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.known_robots import KNOWN_ROBOTS
from ecom_assets.core.tables.portable import NO

GENERAL_WORDS: Final = (
    r"(^|[^u])bots?([^a-z]|$)|(^|[^c])ubots?([^a-z]|$)|(^|[^a-z])(bots?|robots?)[a-z]*/"
    r"|crawl(er|ers|ing)?([^a-z]|$)|spiders?([^a-z]|$)|slurp([^a-z]|$)|headless"
)
"""A pattern for lower case: words at whose end robots name themselves, as in Googlebot.

A word in the middle of another one is none (botim), and CUBOT is a maker of phones. No engine but
Java looks behind, so `bot` after anything but `cu` is written as two alternatives.
"""
KNOWN_NAMES: Final = f"(^|[^A-Za-z])({'|'.join(KNOWN_ROBOTS)})"
"""A pattern of the names of robots that have no such word, each at the beginning of a word."""


def is_robot(user_agent: ir.StringColumn, robots: Sequence[str] | None = None) -> ir.BooleanValue:
    """Return whether a user agent identifies itself as a robot.

    Args:
        user_agent: The user agents.
        robots: Those of them that do, if they are known: they are few, and each is looked at once.
    """
    if robots is not None:
        return user_agent.isin(robots).fill_null(NO) if robots else ibis.literal(value=False)
    named: ir.BooleanValue = user_agent.re_search(KNOWN_NAMES)
    return (user_agent.lower().re_search(GENERAL_WORDS) | named).fill_null(NO)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(GENERAL_WORDS), re.compile(KNOWN_NAMES)


def is_robot_text(user_agent: str) -> bool:
    """Return what `is_robot` says of one user agent."""
    general, names = _patterns()
    return bool(general.search(user_agent.lower()) or names.search(user_agent))
