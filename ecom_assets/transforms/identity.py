"""Who a visitor is: METRICS "Visitor". Not here: cleaning."""

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.stacking import stacked


def resolve_visitors(copies: ir.Table, sightings: ir.Table, late_days: int) -> ir.Table:
    """Add `visitor_id`: the user, else the user of the same source session, else `anon-` and the session id.

    A session's user is looked for on the same day, then on the day after, then on the day before; should
    several users be seen on that day, the smallest id is taken. Of the day after only what came within
    `late_days` of the event's own day counts, and of the day before only what did not come before that day,
    so that the answer of a day needs no arrival that the day itself would not accept.

    Args:
        copies: Clean rows of some days.
        sightings: Clean rows of these days and of the day before and after each.
        late_days: As in `CleaningRule`.
    """
    known = copies.filter(copies.user_id.notnull())
    unknown = copies.filter(copies.user_id.isnull())
    users = _session_users(unknown, sightings, late_days)
    joined = unknown.left_join(users, ["session_id", "event_date"], rname="{name}_of_session")
    visitor = ibis.coalesce(joined.session_user_id, ibis.literal("anon-").concat(joined.session_id))
    found = joined.mutate(visitor_id=visitor).select(*copies.columns, "visitor_id")
    return stacked(known.mutate(visitor_id=known.user_id), found)


def _session_users(unknown: ir.Table, sightings: ir.Table, late_days: int) -> ir.Table:
    anonymous = unknown.select("session_id").distinct()
    seen = sightings.filter(sightings.user_id.notnull(), sightings.session_id.notnull())
    seen = seen.semi_join(anonymous, "session_id")
    previous = seen.event_date - ibis.interval(days=1)
    following = seen.event_date + ibis.interval(days=1)
    timely = seen.received_date <= (previous + ibis.interval(days=late_days)).cast("date")
    punctual = seen.received_date >= seen.event_date
    nearby = stacked(
        seen.select("session_id", "user_id", event_date="event_date", distance=ibis.literal(0)),
        seen.filter(timely).select("session_id", "user_id", event_date=previous.cast("date"), distance=ibis.literal(1)),
        seen.filter(punctual).select(
            "session_id", "user_id", event_date=following.cast("date"), distance=ibis.literal(2)
        ),
    )
    return nearby.group_by("session_id", "event_date").agg(
        session_user_id=ibis.coalesce(*(nearby.user_id.min(where=nearby.distance == n) for n in range(3)))
    )
