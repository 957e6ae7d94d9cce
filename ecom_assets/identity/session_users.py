"""The rule `source_session`: the user of the same source session is the visitor of events without a user."""

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.portable import union_all

USERS = ("of_day", "of_day_after", "of_day_before")
"""The candidates for the user of a session, in order of preference."""


def with_session_users(events: ir.Table, sightings: ir.Table, late_days: int) -> ir.Table:
    """Return clean events with `session_user_id`: the user of the source session of an event without a user.

    The user of a session is searched on the same day, then on the day after, then on the day before. If there are
    several users on that day, the smallest id is used. From the day after, only rows that arrived within `late_days` of
    the event's own day count. From the day before, only rows that did not arrive before that day count. So the result
    for a day needs no arrival that the day itself would not accept.

    Args:
        events: Clean events of some days.
        sightings: Clean events of these days and of the days before and after each of them.
        late_days: As in `CleaningRule`.
    """
    users = _session_users(sightings, late_days)
    joined = events.left_join(users, ["source_session_id", "event_date"], rname="{name}_of_session")
    return joined.select(*events.columns, "session_user_id")


def _session_users(sightings: ir.Table, late_days: int) -> ir.Table:
    # Only sessions that also have events without a user need one. The filter saves time and does not change the result.
    anonymous = sightings.filter(sightings.user_id.isnull()).select("source_session_id").distinct()
    seen = sightings.filter(sightings.user_id.notnull(), sightings.source_session_id.notnull())
    seen = seen.semi_join(anonymous, "source_session_id")
    day_before = (seen.event_date - ibis.interval(days=1)).cast("date")
    is_timely = seen.received_date <= (day_before + ibis.interval(days=late_days)).cast("date")
    is_punctual = seen.received_date >= seen.event_date
    users = seen.group_by("source_session_id", "event_date").agg(
        of_day=seen.user_id.min(),
        of_day_after=seen.user_id.min(where=is_timely),
        of_day_before=seen.user_id.min(where=is_punctual),
    )
    nothing = ibis.null("string")
    nearby = union_all(
        *(
            users.select(
                "source_session_id",
                event_date=(users.event_date + ibis.interval(days=shift)).cast("date"),
                **{name: users[name] if name == chosen else nothing for name in USERS},
            )
            for shift, chosen in zip((0, -1, 1), USERS, strict=True)
        )
    )
    return nearby.group_by("source_session_id", "event_date").agg(
        session_user_id=ibis.coalesce(*(nearby[name].min() for name in USERS))
    )
