"""Queries about received events: reject reasons, surplus copies, and ids with two events."""

from collections.abc import Sequence
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents, QuarantinedEvents
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.core.tables.formats import amount, exact_amount
from ecom_assets.core.tables.queries import Page, Period, Reading, in_period, page_of, rejected_rows


def rejected_events(reading: Reading, period: Period) -> Answer:
    """Return the counts of quarantined events by reason, and of surplus copies, in a period."""
    return rejected_rows(reading, QuarantinedEvents, DuplicateEvents, period)


def event_types(reading: Reading, limit: int = 100) -> list[Row]:
    """Return the types of clean events with their counts, the most frequent first."""
    events = reading.events()
    counts = events.group_by("event_type").agg(event_count=events.count())
    ordered = counts.order_by([counts.event_count.desc(), "event_type"])
    return [dict(row) for row in reading.state(ordered.limit(limit))]


WHO: Final = ("user_id", "device_id", "source_session_id")
"""The columns of an event that say who it was."""
OF_EVENT: Final = (*WHO, "event_type", "product_id", "cart_amount", "sent_by", "received_date")
LONGEST_NAMED: Final = 60
"""Characters of a text in a sentence: senders may make it as long as they like."""
MOST_NAMED_CURRENCIES: Final = 5
"""Currencies that a sentence names: senders may write as many as they like."""


def shared_ids(duplicates: ir.Table) -> ir.Table:
    """Return the rows of `DuplicateEvents` whose id several events have that disagree.

    An id that only looks like one with the hash of a content has one event, and is left out.
    """
    rows = duplicates.filter(duplicates.source_event_id.notnull())
    contents = rows.group_by("source_event_id").agg(content_count=rows.content_hash.nunique())
    return rows.semi_join(contents.filter(contents.content_count > 1), "source_event_id")


def conflict_rows(clean: ir.Table, shared: ir.Table) -> ir.Table:
    """Return the events that share an id and disagree, with who, what, how much and the sender.

    A copy that another day's copy stands for has nulls.
    """
    events = clean.select("event_date", "event_id", *OF_EVENT)
    rows = shared.select("event_date", "event_id", "source_event_id")
    joined = rows.left_join(events, ["event_date", "event_id"])
    return joined.select("event_date", "source_event_id", "event_id", *OF_EVENT)


def conflict_counts(reading: Reading, period: Period | None = None) -> dict[str, int]:
    """Return how many ids are shared by events that disagree, and by how many events.

    Without a period, of all days.
    """
    shared = _shared_in(reading, period)
    counts = shared.agg(id_count=shared.source_event_id.nunique(), event_count=shared.count())
    (row,) = reading.rows(counts, period)
    return {name: int(number) for name, number in row.items()}


def conflicts(
    reading: Reading, period: Period | None, page: Page, *, may_see_people: bool
) -> Answer:
    """Return the events of a period that share an id and disagree, by id, and their number.

    Who they are of is replaced unless it may be seen.
    """
    rows = conflict_rows(reading.table(CleanEvents), _shared_in(reading, period))
    events, total = page_of(
        reading, rows, ["source_event_id", "event_date", "event_id"], page, period
    )
    if not may_see_people:
        events = [row | {name: HIDDEN for name in WHO if row[name] is not None} for row in events]
    return {"total_count": total, "conflicts": events}


def newest_conflict(reading: Reading) -> list[Row]:
    """Return the first five events of the newest id whose events disagree; none without one."""
    shared = _shared_in(reading, None)
    newest = reading.rows(shared.order_by([shared.event_date.desc(), "source_event_id"]).limit(1))
    if not newest:
        return []
    shared = shared.filter(shared.source_event_id == newest[0]["source_event_id"])
    rows = conflict_rows(reading.table(CleanEvents), shared)
    return reading.rows(rows.order_by("event_date", "event_id").limit(5))


def _shared_in(reading: Reading, period: Period | None) -> ir.Table:
    """Return `shared_ids` of a period; their other events may be of days around it."""
    shared = shared_ids(reading.table(DuplicateEvents))
    return shared if period is None else shared.filter(in_period(shared.event_date))


def unrated_text(rows: Sequence[NamedValues]) -> str:
    """Return which amounts have no rate, by currency: 2 in USD (purchases of 55.00) and in 3 more.

    Args:
        rows: A row for each `unrated_currency`, with its `event_count` and what purchases among
            them come to (`purchase_amount`); None where there are none.
    """
    texts = []
    for row in rows[:MOST_NAMED_CURRENCIES]:
        code, sold = row["unrated_currency"][:LONGEST_NAMED], row["purchase_amount"]
        purchases = "" if sold is None else f" (purchases of {amount(sold, code)})"
        texts.append(f"{row['event_count']:,} in {code}{purchases}")
    more = len(rows) - len(texts)
    return ", ".join(texts) + (f" and in {more:,} more" if more else "")


def event_text(row: NamedValues, *, with_person: bool = False) -> str:
    """Return an event as a sentence names it; `with_person` says who it is of, too."""
    money = "" if row["cart_amount"] is None else f" of {exact_amount(row['cart_amount'])}"
    people = [row[name] for name in WHO if with_person and row.get(name) is not None]
    person = f" by {people[0][:LONGEST_NAMED]!r}" if people else ""
    sender = f", sent by {row['sent_by'][:LONGEST_NAMED]}" if row["sent_by"] else ""
    what = (row["event_type"] or "a copy of another day")[:LONGEST_NAMED]
    return (
        f"{row['event_id'][:LONGEST_NAMED]!r} ({what}{money}{person} on "
        f"{row['event_date']}{sender})"
    )
