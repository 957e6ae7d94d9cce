"""Sessions builder: how many, how long and how engaged, by another rule or of some events only."""

from typing import Final

from ecom_assets.api.routes import sessions
from ecom_assets.dashboard import builder
from ecom_assets.dashboard.blocks import Block, Tile, Tiles
from ecom_assets.dashboard.builder import Answer, Group, Input, Question, answered, question_page
from ecom_assets.dashboard.page import Section

GROUPS: Final = (
    Group(
        "Sessions",
        (
            *builder.OF_SESSIONS,
            Input("idle", "Ends after silence of", "30m", about=("idle", "duration")),
            *builder.DAYS,
        ),
    ),
)


def totals(answer: Answer) -> Block:
    """Return the totals as tiles."""
    return Tiles(
        (
            Tile("Sessions", answer["sessions"], "count", "Those that started on the days."),
            Tile("Visitors", answer["visitors"], "count", "Different visitors in them."),
            Tile("Engaged", answer["engaged_sessions"], "count", "With a key event, two views, or longer than 10 s."),
            Tile("Bounce rate", answer["bounce_rate"], "rate", "Share of the others."),
            Tile("Pages per session", answer["pages_per_session"], "decimal", "Views per session."),
            Tile("Median length", answer["median_duration_s"], "seconds", "From the first event to the last."),
        ),
        compared=False,
    )


QUESTION: Final = Question(
    sessions.custom_sessions, builder.body_from(GROUPS), GROUPS, "ecom sessions", is_file_of_body=True
)
PAGE = question_page(
    QUESTION,
    (Section("Totals", answered(QUESTION, totals), is_titled=False),),
    {},
    path="sessions",
    title="Sessions",
    place=35,
    summary="How many sessions, how long and how engaged, by the rule of any tool.",
)
