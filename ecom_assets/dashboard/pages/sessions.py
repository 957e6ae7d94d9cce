"""Sessions builder: how many, how long and how engaged, by another rule or of some events only."""

from typing import Final

from ecom_assets.dashboard.blocks import Block, Tiles
from ecom_assets.dashboard.forms import Answer, Builder, answered, question_page
from ecom_assets.dashboard.page import Section
from ecom_assets.sessions.answer import SESSIONS, SessionsAnswer

SHOWN: Final = (
    "sessions", "visitors", "engaged_sessions", "bounce_rate", "pages_per_session", "median_duration_s",
)  # fmt: skip


def totals(answer: Answer) -> Block:
    """Return the totals as tiles."""
    return Tiles.of(SessionsAnswer, answer, SHOWN)


BUILDER: Final = Builder(SESSIONS)
PAGE = question_page(
    BUILDER,
    (Section("Totals", answered(BUILDER, totals), is_titled=False),),
    path="sessions",
    title="Sessions",
    place=35,
    summary="How many sessions, how long and how engaged, by the rule of any tool.",
)
