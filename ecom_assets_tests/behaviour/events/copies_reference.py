"""Which clean rows stay and under which ids, in plain Python: an
independent reference, rule by rule.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import md5
from typing import Any

from ecom_assets_tests.builders import Row

TEXTS = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "anonymous_id",
    "user_agent",
    "properties",
)
LAST = datetime(9999, 12, 30)  # noqa: DTZ001 (UTC, as tables have it)
Event = tuple[str, date, Row]


def digest(text: str) -> str:
    """Return the MD5 of a text, which is no secret here."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def content_of(row: Row) -> str:
    """Return the hash of who, what and amount."""
    who = f"session {row['session_id'] or ''}"
    if row["anonymous_id"]:
        who = f"device {row['anonymous_id']}"
    if row["user_id"]:
        who = f"user {row['user_id']}"
    product = "" if row["product_id"] is None else f"product {row['product_id']}"
    cents = "" if row["cart_amount"] is None else str(int(row["cart_amount"] * 100))
    parts = (who, row["event_type"], product, cents, "")
    return digest("".join(map(digest, parts)))[:16]


def is_public(row: Row) -> bool:
    """Return whether a public key sent a row."""
    return (row["sent_by"] or "").startswith("public-")


def copy_key(row: Row) -> tuple[Any, ...]:
    """Return by what copies are sorted."""
    return (is_public(row), *arrived(row), texts_of(row), row["source_file"])


def texts_of(row: Row) -> str:
    """Return the hash of what a row says."""
    return digest("\x1f".join(row[name] or "" for name in TEXTS))


def arrival(row: Row) -> tuple[Any, ...]:
    """Return by what rows are sorted to see which are copies of an earlier one."""
    return *arrived(row), row["event_at"], apart_hash(row) if order_of(row) else ""


def apart_hash(row: Row) -> str:
    """Return the hash of who, what, amount and order."""
    return digest(digest(content_of(row)) + digest(order_of(row)))[:16]


def arrived(row: Row) -> tuple[date, datetime]:
    """Return when a row arrived; one without a time after all others of its day."""
    return row["received_date"], row["received_at"] or LAST


def events_of(rows: Sequence[Row], late_days: int = 7) -> list[Event]:
    """Return the events of clean rows: the id, the day, and the row that stays."""
    of_ids = _grouped(rows, lambda row: row["event_id"])
    return [event for same in of_ids.values() for event in _events_of_id(same, late_days)]


def order_of(row: Row) -> str:
    """Return the order that a purchase names; empty without one."""
    is_purchase = row["event_type"] == "purchase"
    return str(json.loads(row["properties"] or "{}").get("order_id") or "") if is_purchase else ""


def _events_of_id(rows: Sequence[Row], late_days: int) -> Iterable[Event]:
    for content, agreed in _grouped(rows, content_of).items():
        stay = _shown(agreed, _kept(agreed, late_days))
        for day, row in stay.items():
            yield _id_of(row["event_id"], content, _first_content(rows, day, late_days)), day, row
        for row in _apart(agreed, stay, late_days):
            yield f"{row['event_id']}~{apart_hash(row)}", row["event_date"], row


def _shown(copies: Sequence[Row], kept: Iterable[Row]) -> dict[date, Row]:
    """Return, by day, which of the copies of a day stays where one of them is kept."""
    days = {row["event_date"] for row in kept}
    by_day = _grouped(copies, lambda row: row["event_date"])
    return {day: min(by_day[day], key=copy_key) for day in days}


def _apart(agreed: Sequence[Row], stay: Mapping[date, Row], late_days: int) -> Iterable[Row]:
    """Yield copies that name another order than the one that stays on their day or, where none that
    names one does, than those that they would be copies of.
    """
    named = [row for row in agreed if order_of(row)]
    copied = {id(row) for row in named} - {id(row) for row in _kept(named, late_days)}

    def is_apart(row: Row) -> bool:
        stays = order_of(stay[row["event_date"]]) if row["event_date"] in stay else ""
        return stays != order_of(row) if stays else id(row) in copied

    for copies in _grouped(named, order_of).values():
        yield from _shown(copies, filter(is_apart, _kept(copies, late_days))).values()


def _id_of(event_id: str, content: str, first: str) -> str:
    return event_id if content == first and event_id[-17:][:1] != "~" else f"{event_id}~{content}"


def _kept(copies: Sequence[Row], late_days: int) -> Iterable[Row]:
    span = timedelta(days=late_days + 1)
    ordered = sorted(copies, key=arrival)
    own = [row for row in ordered if not is_public(row)]
    for kind in (own, [row for row in ordered if is_public(row)]):
        for number, row in enumerate(kind):
            arrived = row["received_date"]
            if number and arrived - kind[number - 1]["received_date"] <= span:
                continue
            last = row["event_date"] + timedelta(days=late_days)
            beside = [r for r in own if arrived - span <= r["received_date"] <= max(arrived, last)]
            if not (is_public(row) and any(_is_beside(r, arrived, last) for r in beside)):
                yield row


def _is_beside(own: Row, arrived: date, last: date) -> bool:
    return bool(own["received_date"] <= arrived or own["received_date"] <= last)


def _first_content(rows: Sequence[Row], day: date, late_days: int) -> str:
    def in_order(row: Row) -> tuple[Any, ...]:
        return (*arrived(row), is_public(row), content_of(row))

    return content_of(min(_near(rows, day, late_days), key=in_order))


def _near(rows: Iterable[Row], day: date, late_days: int) -> list[Row]:
    """Return the rows that arrived so near to a day that one can be a copy of an event of it."""
    first, last = day - timedelta(days=late_days + 2), day + timedelta(days=late_days)
    return [row for row in rows if first <= row["received_date"] <= last]


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
