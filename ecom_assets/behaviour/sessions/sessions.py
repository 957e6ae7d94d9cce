"""Sessions: METRICS "Session".

Midnight cuts sessions into fragments, and stitching restores the exact sessions.

A fragment can be part of a longer session only if it begins or ends within the idle timeout of
midnight. Few fragments do, so the cost of stitching depends on the length of these chains, not on
the length of history.

Terms: docs/glossary.md#fragment.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CAMPAIGN_SCOPES, EVENT_TYPES
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days, day_start
from ecom_assets.core.tables.portable import union_all, union_distinct

SUMS = (
    "event_count",
    "view_count",
    "key_event_count",
    "purchase_amount",
    *(f"{kind}_count" for kind in EVENT_TYPES),
)
UNIT = ("visitor_id", "session_device_id")
"""The columns that sessions are cut on: a visitor on one device or, without, source session."""
SESSION = (*UNIT, "session_started_at")
"""The columns that identify a session."""
OTHER_SCOPES = CAMPAIGN_SCOPES[1:]
"""The scopes of campaigns that are of more than the event."""
ROBOT_EVENTS = 300
"""The fewest events of a robot's fragment, at most `ROBOT_PACE_S` apart on average."""
ROBOT_PACE_S = 2.0


def session_events(events: ir.Table, rule: SessionRule, *, by_day: bool = True) -> ir.Table:
    """Return clean events with their session fragment, number in it, and time to the next.

    With `by_day`, fragments are cut at midnight, so that a day needs its own events only; otherwise
    they are whole sessions.
    """
    unit = ["event_date", *UNIT] if by_day or rule.midnight_split else UNIT
    if rule.trust_source_session_id:
        events = events.mutate(session_device_id=events.source_session_id.fill_null(""))
    if rule.source_session_alone:
        events = _of_first_visitor(events)
    events = _place_beginnings(events, rule, unit)
    if rule.max_length_s is not None:
        events = _cut_long(events, rule.max_length_s, unit)
    is_last = events.next_at.isnull() | events.next_begins
    until_next_s = events.next_at.delta(events.event_at, unit="microsecond") / 1e6
    return events.mutate(
        event_number=events.place - events.first_place + 1,
        until_next_s=is_last.ifelse(ibis.null("float64"), until_next_s),
    )


def session_days(
    session_events: ir.Table, session_rule: SessionRule, days: Days, timezone: str
) -> ir.Table:
    """Return the totals of each session fragment, from the `SessionEvents` of `days`.

    There is one row per visit and day.
    """
    fragments = _add_up(session_events, session_rule).drop("session_started_at")
    idle = ibis.interval(seconds=session_rule.idle_timeout_s)
    starts_at = day_start(fragments.event_date, days, timezone)
    ends_at = day_start(
        (fragments.event_date + ibis.interval(days=1)).cast("date"), days.widened(after=1), timezone
    )
    stitches = ibis.literal(session_rule.stitches)
    return fragments.mutate(
        is_near_previous_midnight=stitches & (fragments.started_at <= starts_at + idle),
        is_near_next_midnight=stitches & (fragments.ended_at >= ends_at - idle),
    )


def sessions(session_days: ir.Table, session_rule: SessionRule, days: Days) -> ir.Table:
    """Return the whole sessions that started on `days`, from all `SessionDays`.

    Parts after midnight are included.
    """
    alone = session_days.filter(
        days.contain(session_days.event_date), ~_near_midnight(session_days)
    )
    alone = alone.mutate(
        started_date=alone.event_date,
        ended_date=alone.event_date,
        exit_page_url=alone.exit_page_url.nullif(""),
    )
    candidates = session_days.filter(
        days.contain(session_days.event_date), _near_midnight(session_days)
    )
    # Few fragments are near midnight: to merge the others too took a third of the time.
    merged = _merge(stitch(session_days, candidates, session_rule))
    merged = merged.filter(days.contain(merged.started_date))
    whole = union_all(alone.select(*merged.columns), merged)
    return _describe(whole, session_rule).select(*Sessions.columns)


def stitch(fragments: ir.Table, chosen: ir.Table, rule: SessionRule) -> ir.Table:
    """Return fragments near midnight with the `session_started_at` of their session.

    `fragments` are all rows; those of the units in `chosen` are stitched.
    """
    near = fragments.filter(_near_midnight(fragments)).semi_join(chosen, UNIT)
    in_order = ibis.window(group_by=UNIT, order_by="started_at")
    near = near.mutate(previous_ended_at=near.ended_at.lag().over(in_order))
    begins = near.previous_ended_at.isnull() | is_gap(near.previous_ended_at, near.started_at, rule)
    so_far = ibis.cumulative_window(group_by=UNIT, order_by="started_at")
    start = begins.ifelse(near.started_at, ibis.null("timestamp(6)")).max().over(so_far)
    return near.mutate(session_started_at=start).drop("previous_ended_at")


def changed_start_days(fragments: ir.Table, rule: SessionRule, days: Days) -> ir.Table:
    """Return, as `day`, the start days of sessions that events of `days` can change.

    These are the days themselves, the day after each (a session there may begin, or become part of
    one from the day before), and the start days of sessions that reach the midnight before `days`.
    """
    after = fragments.filter(days.widened(after=1).contain(fragments.event_date)).select(
        day="event_date"
    )
    and_before = days.widened(before=1)
    reaching = fragments.filter(
        and_before.begin_on(fragments.event_date), fragments.is_near_next_midnight
    )
    stitched = _with_start_day(stitch(fragments, reaching, rule))
    stitched = stitched.filter(
        and_before.begin_on(stitched.event_date), stitched.is_near_next_midnight
    )
    return union_distinct(after, stitched.select(day="started_date"))


def whole_sessions(events: ir.Table, rule: SessionRule) -> ir.Table:
    """Return the sessions of all clean events at once, without a cut at midnight."""
    fragments = _add_up(session_events(events, rule, by_day=False), rule)
    return _describe(_merge(fragments), rule).select(*Sessions.columns)


def is_gap(
    earlier: ir.TimestampValue, later: ir.TimestampValue, rule: SessionRule
) -> ir.BooleanValue:
    """Return whether the gap between two timestamps is longer than the idle timeout."""
    return later > earlier + ibis.interval(seconds=rule.idle_timeout_s)


def campaign_of(events: ir.Table) -> ir.StringValue:
    """Return source, medium and campaign of each event: from its own fields, else from the UTM
    parameters of its page; null if it has none.
    """
    source, medium, campaign = (
        events.page_url.re_extract(rf"[?&]utm_{name}=([^&#]*)", 1).fill_null("")
        for name in ("source", "medium", "campaign")
    )
    of_page = source.concat("|", medium, "|", campaign).nullif("||")
    of_event = (events.campaign_scope.fill_null("event").lower()).notin(OTHER_SCOPES)
    source, medium, campaign = (
        of_event.ifelse(events[f"campaign_{name}"], ibis.null("string")).fill_null("")
        for name in ("source", "medium", "name")
    )
    return source.concat("|", medium, "|", campaign).nullif("||").fill_null(of_page)


def _of_first_visitor(events: ir.Table) -> ir.Table:
    in_order = ibis.window(group_by="source_session_id", order_by=["event_at", "event_id"])
    first = events.visitor_id.first().over(in_order)
    return events.mutate(
        visitor_id=events.source_session_id.isnull().ifelse(events.visitor_id, first)
    )


def _place_beginnings(events: ir.Table, rule: SessionRule, unit: Sequence[str]) -> ir.Table:
    order = ["event_at", "event_id"]
    in_order = ibis.window(group_by=unit, order_by=order)
    events = events.mutate(
        previous_at=events.event_at.lag().over(in_order),
        next_at=events.event_at.lead().over(in_order),
        place=ibis.row_number().over(in_order),
    )
    begins = events.previous_at.isnull() | is_gap(events.previous_at, events.event_at, rule)
    if rule.trust_source_session_id:
        begins = events.previous_at.isnull() | (begins & events.source_session_id.isnull())
    if rule.campaign_split:
        events, changed = _campaign_changes(events, unit)
        # Simultaneous events have no natural order, so they are never split into different
        # sessions.
        begins = begins | (changed & (events.event_at > events.previous_at))
    events = events.mutate(begins=begins)
    # By the place, because an order by text takes twice as long as one by numbers.
    so_far = ibis.cumulative_window(group_by=unit, order_by="place")
    by_place = ibis.window(group_by=unit, order_by="place")
    return events.mutate(
        fragment_started_at=events.begins.ifelse(events.event_at, ibis.null("timestamp(6)"))
        .max()
        .over(so_far),
        first_place=events.begins.ifelse(events.place, ibis.null("int64")).max().over(so_far),
        next_begins=events.begins.lead().over(by_place),
    )


def _campaign_changes(events: ir.Table, unit: Sequence[str]) -> tuple[ir.Table, ir.BooleanValue]:
    events = events.mutate(campaign=campaign_of(events))
    seen = events.campaign.count().over(ibis.cumulative_window(group_by=unit, order_by="place"))
    events = events.mutate(campaign_number=seen)
    campaign = events.campaign.max().over(ibis.window(group_by=[*unit, "campaign_number"]))
    events = events.mutate(known_campaign=campaign)
    previous = events.known_campaign.lag().over(ibis.window(group_by=unit, order_by="place"))
    events = events.mutate(previous_campaign=previous)
    return events, events.campaign.notnull() & (
        events.campaign != events.previous_campaign.fill_null("")
    )


def _cut_long(events: ir.Table, max_length_s: int, unit: Sequence[str]) -> ir.Table:
    length_us = events.event_at.delta(events.fragment_started_at, unit="microsecond")
    events = events.mutate(cut=(length_us / (max_length_s * 1_000_000)).floor().cast("int64"))
    part = ibis.window(group_by=[*unit, "fragment_started_at", "cut"])
    in_order = ibis.window(group_by=unit, order_by="place")
    events = events.mutate(
        fragment_started_at=events.event_at.min().over(part),
        first_place=events.place.min().over(part),
    )
    return events.mutate(next_begins=events.first_place != events.first_place.lead().over(in_order))


def _add_up(events: ir.Table, rule: SessionRule) -> ir.Table:
    of_type = {
        f"{kind}_count": (events.event_type == kind).ifelse(1, 0).sum() for kind in EVENT_TYPES
    }
    is_purchase = events.event_type == "purchase"
    fragments = events.group_by(*UNIT, "fragment_started_at", "event_date").agg(
        started_at=events.event_at.min(),
        ended_at=events.event_at.max(),
        event_count=events.count(),
        view_count=events.event_type.isin(rule.view_types).ifelse(1, 0).sum(),
        key_event_count=events.event_type.isin(rule.key_event_types).ifelse(1, 0).sum(),
        purchase_amount=events.cart_amount.sum(where=is_purchase).fill_null(0).cast(MONEY),
        entry_page_url=events.page_url.max(where=events.event_number == 1),
        exit_page_url=events.page_url.max(where=events.until_next_s.isnull()),
        first_product_category=events.product_category.argmin(
            events.event_number, where=events.product_category.notnull()
        ),
        has_robot_agent=events.is_bot.ifelse(1, 0).max(),
        **of_type,
    )
    fragments = fragments.rename(session_started_at="fragment_started_at")
    length_s = fragments.ended_at.delta(fragments.started_at, unit="microsecond") / 1e6
    at_pace = (fragments.event_count >= ROBOT_EVENTS) & (
        length_s <= fragments.event_count * ROBOT_PACE_S
    )
    return fragments.mutate(is_bot=(fragments.has_robot_agent == 1) | at_pace).drop(
        "has_robot_agent"
    )


def _near_midnight(fragments: ir.Table) -> ir.BooleanValue:
    return fragments.is_near_previous_midnight | fragments.is_near_next_midnight


def _merge(fragments: ir.Table) -> ir.Table:
    first = fragments.started_at == fragments.session_started_at
    sums = {name: fragments[name].sum() for name in SUMS}
    with_category = fragments.first_product_category.notnull()
    merged = fragments.group_by(*SESSION).agg(
        started_date=fragments.event_date.min(),
        ended_date=fragments.event_date.max(),
        ended_at=fragments.ended_at.max(),
        entry_page_url=fragments.entry_page_url.max(where=first),
        exit_page_url=fragments.exit_page_url.fill_null("").argmax(fragments.started_at).nullif(""),
        first_product_category=fragments.first_product_category.argmin(
            fragments.started_at, where=with_category
        ),
        is_bot=fragments.is_bot.ifelse(1, 0).max() == 1,
        **sums,
    )
    return merged.rename(started_at="session_started_at")


def _describe(merged: ir.Table, rule: SessionRule) -> ir.Table:
    merged = merged.mutate(
        duration_s=merged.ended_at.delta(merged.started_at, unit="microsecond") / 1e6
    )
    engaged = (
        (merged.duration_s > rule.engaged_after_s)
        | (merged.key_event_count > 0)
        | (merged.view_count > 1)
    )
    return merged.mutate(
        session_id=session_id_of(merged),
        is_engaged=engaged,
        is_single_page=merged.view_count <= 1,
        has_purchase=merged.purchase_count > 0,
    )


def session_id_of(sessions: ir.Table) -> ir.StringValue:
    """Return the ids of sessions: visitor and second of the start.

    From the second session of a second on, a number follows.

    A visitor can begin several sessions in one second: on several devices, or where a campaign cuts
    them.
    """
    second = sessions.started_at.truncate("s").epoch_seconds().cast("int64").cast("string")
    within = ibis.window(
        group_by=["visitor_id", second], order_by=["started_at", "session_device_id"]
    )
    number = ibis.row_number().over(within) + 1
    plain = sessions.visitor_id.concat("-", second)
    return (number == 1).ifelse(plain, plain.concat("-", number.cast("string")))


def is_session(sessions: ir.Table, rows: ir.Table) -> list[ir.BooleanValue]:
    """Return the conditions that a row with the columns of `SESSION` is about a session."""
    return [
        *(sessions[name] == rows[name] for name in UNIT),
        sessions.started_at == rows.session_started_at,
    ]


def is_inside(events: ir.Table, sessions: ir.Table) -> list[ir.BooleanValue]:
    """Return the conditions that an event is one of a session."""
    return [
        *(events[name] == sessions[name] for name in UNIT),
        events.event_at >= sessions.started_at,
        events.event_at <= sessions.ended_at,
    ]


def events_of_sessions(
    events: ir.Table, fragments: ir.Table, days: Days, rule: SessionRule
) -> ir.Table:
    """Return the events of the sessions that started on `days`, including events after midnight.

    The events are rows of `SessionEvents`, all or those of some types, and the fragments all rows
    of `SessionDays`. The result has the `session_started_at` and `started_date` of their session.
    """
    candidates = fragments.filter(days.contain(fragments.event_date), _near_midnight(fragments))
    stitched = _with_start_day(stitch(fragments, candidates, rule))
    # Keeping other sessions of these units would mean scanning events of all history.
    near = days.contain(stitched.started_date) | days.contain(stitched.event_date)
    # Any other fragment is the first of its session, so that few rows are looked up.
    is_later = stitched.started_at != stitched.session_started_at
    later = stitched.filter(near, is_later).select(
        "event_date", *SESSION, "started_date", fragment_started_at="started_at"
    )
    keys = ["event_date", *UNIT, "fragment_started_at"]
    started = {"session_started_at": "fragment_started_at", "started_date": "event_date"}
    own = events.filter(days.contain(events.event_date)).left_join(later, keys)
    own = own.select(
        *events.columns,
        **{name: own[name].fill_null(own[at]) for name, at in started.items()},
    )
    reaching = later.filter(days.contain(later.started_date))
    after = events.filter(~days.contain(events.event_date)).join(reaching, keys)
    rows = union_all(own, after.select(*own.columns))
    return rows.filter(days.contain(rows.started_date))


def _with_start_day(stitched: ir.Table) -> ir.Table:
    return stitched.mutate(
        started_date=stitched.event_date.min().over(ibis.window(group_by=list(SESSION)))
    )


PROPERTY_NAMES = ("query", "search_query", "search_term", "search_text", "term", "keyword", "q")
"""JSON keys whose values are search terms."""
COUNT_NAMES = (
    "results_count",
    "result_count",
    "search_results_count",
    "num_results",
    "number_of_results",
    "total_results",
)
"""JSON keys whose values are how many results a search found."""
PARAMETER_NAMES = (
    "q",
    "query",
    "search",
    "search_query",
    "search_term",
    "term",
    "keyword",
    "text",
    "s",
)
"""URL parameters whose values are search terms."""
LETTERS = "äöüßéèêàáâçíñóôúœÄÖÜÉ"
"""Letters that are decoded: from percent-encoded UTF-8 in URLs, and from escapes in JSON.

Others stay encoded.
"""
MARKS = "'\"&,/+:()!#%"
"""Punctuation that is decoded from percent-encoding; `%` itself must come last."""
LONGEST_TERM = 200
QUOTE = "\u2033"


def with_search_terms(events: ir.Table) -> ir.Table:
    """Return clean events with a `search_term` and a `search_result_count`, which are null unless
    the event is a search.
    """
    is_search = events.event_type == "search"
    term = is_search.ifelse(received_term(events.properties, events.page_url), ibis.null("string"))
    results = is_search.ifelse(received_result_count(events.properties), ibis.null("int64"))
    return events.mutate(search_term=term, search_result_count=results)


def received_result_count(properties: ir.StringColumn) -> ir.IntegerValue:
    """Return how many results an event says that its search found; null if it does not."""
    pattern = f'"({"|".join(COUNT_NAMES)})" *: *"?([0-9]{{1,9}})[^0-9]'
    return properties.re_extract(pattern, 2).nullif("").cast("int64")


def received_term(properties: ir.StringColumn, page_url: ir.StringColumn) -> ir.StringValue:
    """Return the search term of an event, still encoded; null without one.

    A term in the properties takes precedence over a term in the URL.
    """
    named = "|".join(PROPERTY_NAMES)
    # An escaped quotation mark must not end the value.
    text = properties.replace('\\"', QUOTE).re_extract(f'"({named})" *: *"([^"]*)"', 2).nullif("")
    term = page_url.re_extract(f"[?&]({'|'.join(PARAMETER_NAMES)})=([^&#]*)", 2).nullif("")
    spaced = term.replace("+", " ").replace("%20", " ")
    return text.replace(QUOTE, '"').fill_null(spaced)


def with_plain_terms(searches: ir.Table) -> ir.Table:
    """Return searches with each `search_term` in one spelling; null if it is empty.

    It is decoded, in lower case, with single spaces, and cut to 200 characters.
    """
    # Each step is a select of its own: in one, all that decodes would be written twelve times.
    for step in (_decoded, _with_single_spaces, _trimmed):
        searches = searches.mutate(search_term=step(searches.search_term))
    return searches


def _decoded(received: ir.StringValue) -> ir.StringValue:
    term = received.lower()
    decoded = reduce(lambda seen, pair: seen.replace(*pair), _encodings(), term)
    # Most terms need none of this, and engines compute a branch for its own rows only.
    return (term.contains("%") | term.contains("\\")).ifelse(decoded, term)


def _with_single_spaces(term: ir.StringValue) -> ir.StringValue:
    return term.contains("  ").ifelse(term.re_replace(" +", " "), term).substr(0, LONGEST_TERM)


def _trimmed(term: ir.StringValue) -> ir.StringValue:
    # A pattern instead of trim(): on Spark, trim() removes the letters `f` and `v` as whitespace.
    has_space_at_an_end = term.startswith(" ") | term.endswith(" ")
    return has_space_at_an_end.ifelse(term.re_replace("^ | $", ""), term).nullif("")


def _encodings() -> Iterator[tuple[str, str]]:
    """Yield each encoded letter, in lower case, with the letter."""
    for letter in LETTERS:
        yield f"\\u{ord(letter):04x}", letter.lower()
    for letter in LETTERS + MARKS:
        yield "".join(f"%{byte:02x}" for byte in letter.encode()), letter.lower()
