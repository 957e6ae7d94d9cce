"""Visitor identity: METRICS "Visitor"."""

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.portable import union_all

ANONYMOUS = "anon-"
"""The prefix of the id of a visitor who is known by a source session only."""
USERS = ("of_day", "of_day_after", "of_day_before")
"""The candidates for the user of a session, in order of preference."""


def resolve_visitors(copies: ir.Table, sightings: ir.Table, late_days: int) -> ir.Table:
    """Return rows with `visitor_id`: the user, else the user of the source session, else `anon-` and the session id.

    The user of a session is searched on the same day, then on the day after, then on the day before. If there are
    several users on that day, the smallest id is used. From the day after, only rows that arrived within `late_days` of
    the event's own day count. From the day before, only rows that did not arrive before that day count. So the result
    for a day needs no arrival that the day itself would not accept.

    Args:
        copies: Clean rows of some days.
        sightings: Clean rows of these days and of the days before and after each of them.
        late_days: As in `CleaningRule`.
    """
    known = copies.filter(copies.user_id.notnull())
    unknown = copies.filter(copies.user_id.isnull())
    users = _session_users(sightings, late_days)
    joined = unknown.left_join(users, ["session_id", "event_date"], rname="{name}_of_session")
    visitor = ibis.coalesce(visitor_of_user(joined.session_user_id), ibis.literal(ANONYMOUS).concat(joined.session_id))
    rows = joined.mutate(visitor_id=visitor).select(*copies.columns, "visitor_id")
    return union_all(known.mutate(visitor_id=visitor_of_user(known.user_id)), rows)


def visitor_of_user(user_id: ir.StringValue) -> ir.StringValue:
    """Return the visitor id of a user: the user id, escaped if it looks like the id of an anonymous visitor.

    `anon-s9` becomes `user-anon-s9`. So that two users never become one visitor, `user-anon-s9` gets another `user-`.
    """
    escaped = ibis.literal("user-").concat(user_id)
    return ibis.cases(
        (user_id.startswith(ANONYMOUS), escaped),
        # The pattern is much slower than the prefix test, which limits it to a few rows.
        (user_id.startswith("user-") & user_id.re_search(f"^(user-)+{ANONYMOUS}"), escaped),
        else_=user_id,
    )


def _session_users(sightings: ir.Table, late_days: int) -> ir.Table:
    # Only sessions that also have events without a user need one. The filter saves time and does not change the result.
    anonymous = sightings.filter(sightings.user_id.isnull()).select("session_id").distinct()
    seen = sightings.filter(sightings.user_id.notnull(), sightings.session_id.notnull())
    seen = seen.semi_join(anonymous, "session_id")
    day_before = (seen.event_date - ibis.interval(days=1)).cast("date")
    is_timely = seen.received_date <= (day_before + ibis.interval(days=late_days)).cast("date")
    is_punctual = seen.received_date >= seen.event_date
    users = seen.group_by("session_id", "event_date").agg(
        of_day=seen.user_id.min(),
        of_day_after=seen.user_id.min(where=is_timely),
        of_day_before=seen.user_id.min(where=is_punctual),
    )
    nothing = ibis.null("string")
    nearby = union_all(
        *(
            users.select(
                "session_id",
                event_date=(users.event_date + ibis.interval(days=shift)).cast("date"),
                **{name: users[name] if name == chosen else nothing for name in USERS},
            )
            for shift, chosen in zip((0, -1, 1), USERS, strict=True)
        )
    )
    return nearby.group_by("session_id", "event_date").agg(
        session_user_id=ibis.coalesce(*(nearby[name].min() for name in USERS))
    )
