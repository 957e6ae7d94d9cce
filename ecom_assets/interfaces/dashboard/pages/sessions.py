"""Sessions builder: how many, how long and how engaged, by the rule of any tool;
by day where they are stored.
"""

from typing import Final

from ecom_assets.behaviour.sessions.answer import SESSIONS, SessionsAnswer
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.queries import changes
from ecom_assets.interfaces.api.routes import behaviour
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Notice,
    TableColumn,
    Tile,
    Tiles,
    format_of,
    with_missing_days,
)
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered,
    context,
    correct_first,
    question_page,
)
from ecom_assets.interfaces.dashboard.page import Section, View, csv_address

NUMBERS: Final = (
    "sessions",
    "visitors",
    "engaged_sessions",
    "bounce_rate",
    "pages_per_session",
    "median_duration_s",
)
"""The numbers of the tiles."""
DAYS: Final = (
    TableColumn("event_date", "Day", "date"),
    *TableColumn.from_fields(
        behaviour.EngagementDay, "session_count", "engaged_session_count", "bounce_rate"
    ),
)
OTHER_RULE: Final = (
    "By day, sessions are those of the shop's own rule: leave the rule, the filters and the time "
    "zone as they are, and they are shown."
)


def totals(answer: Answer) -> Block:
    """Return the numbers of the sessions, beside those of the days that they are compared with."""
    before = answer["before"] or dict.fromkeys(NUMBERS)
    change = changes(answer, before, NUMBERS)
    tiles = [
        Tile.from_field(
            SessionsAnswer, name, answer[name], previous=before[name], change=change[name]
        )
        for name in NUMBERS
    ]
    return Tiles(tuple(tiles), compared=bool(answer["before"]))


def by_day(view: View) -> Block:
    """Return the sessions of each day, engaged or not,
    if they are stored by the rule of the question.
    """
    return _of_days(view, "session_count", "A line of the sessions that started on each day.")


def bounces(view: View) -> Block:
    """Return the share of sessions of each day that nobody engaged in."""
    return _of_days(
        view, "bounce_rate", "A line of the share of each day's sessions without engagement."
    )


def _of_days(view: View, name: str, description: str) -> Block:
    outcome = context(view, BUILDER)
    if not outcome.answer:
        return correct_first()
    asked = outcome.question
    is_own = asked.where == EVERYTHING and not (
        asked.idle or asked.segment or asked.identity or asked.timezone
    )
    if not is_own or asked.session_rule not in {None, view.context.settings.session_rule}:
        return Notice(OTHER_RULE, is_shown_once=True)
    days = {day: str(outcome.answer["range"][day]) for day in ("start_date", "end_date")}
    answer = view.answer(behaviour.engagement, time_range="custom", **days, limit=1000)
    rows = with_missing_days(answer["days"], answer["range"])
    kind = format_of(behaviour.EngagementDay.model_fields[name])
    title = str(behaviour.EngagementDay.model_fields[name].title)
    return Chart(
        charts.line("event_date", name, kind=kind, area=kind == "count", title=title),
        rows,
        DAYS,
        description,
        csv=csv_address({"days": answer["days"]}, "days"),
    )


BUILDER: Final = Builder(SESSIONS, {"last": "90d"})
PAGE = question_page(
    BUILDER,
    (
        Section("Totals", answered(BUILDER, totals), is_titled=False),
        Section("Sessions by day", by_day, width="half"),
        Section("Bounce rate by day", bounces, width="half"),
    ),
    path="sessions",
    title="Sessions",
    position=35,
    summary="How many sessions, how long and how engaged, by the rule of any tool.",
)
