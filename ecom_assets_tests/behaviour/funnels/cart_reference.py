"""Cart abandonment by its definition, in plain Python: an independent answer to compare with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from ecom_assets_tests.behaviour.sessions.session_reference import Session, reference_sessions
from ecom_assets_tests.builders import Row

TYPES = ("add_to_cart", "remove_from_cart", "checkout_start")
HORIZONS_S = (3_600, 86_400, 604_800)


class Carts(NamedTuple):
    """What is compared of a day, unit and horizon."""

    day: date
    unit: str
    horizon_s: int
    carts: int
    abandoned: int
    recovered: int | None
    checkouts: int
    abandoned_checkouts: int
    valued: int
    worth: Decimal | None
    left_behind: Decimal | None
    recovered_worth: Decimal | None


class _Cart(NamedTuple):
    is_cart: bool
    is_checkout: bool
    is_converted: bool
    is_recovered: bool
    worth: Decimal | None


def carts_by_definition(clean: Sequence[Row], *, by_item: bool = False) -> list[Carts]:
    """Ask each session and each visitor's day; `clean` are rows of `CleanEvents`."""
    events = {row["event_id"]: row for row in clean}
    actual: dict[tuple[date, str, int], list[_Cart]] = defaultdict(list)
    sessions = reference_sessions(clean)
    homes = {event_id: session for session in sessions for event_id in session.event_ids}
    for session in sessions:
        mine = [events[event_id] for event_id in session.event_ids]
        kinds = {row["event_type"] for row in mine}
        if kinds & {"add_to_cart", "checkout_start"}:
            worth = _worth(mine, by_item=by_item) if "add_to_cart" in kinds else None
            cart = _Cart(
                "add_to_cart" in kinds,
                "checkout_start" in kinds,
                "purchase" in kinds,
                False,  # noqa: FBT003 (a field)
                worth,
            )
            actual[mine[0]["event_date"], "session", 0].append(cart)
    streams: dict[str, list[Row]] = defaultdict(list)
    for row in clean:
        streams[row["visitor_id"]].append(row)
    for stream in streams.values():
        for day in {row["event_date"] for row in stream}:
            for horizon_s in HORIZONS_S:
                actual[day, "visitor", horizon_s] += _of_visitor(
                    stream, day, horizon_s, homes, by_item=by_item
                )
    return sorted(_added(*key, carts) for key, carts in actual.items() if carts)


def _of_visitor(
    stream: Sequence[Row], day: date, horizon_s: int, homes: Mapping[str, Session], *, by_item: bool
) -> list[_Cart]:
    of_day = [row for row in stream if row["event_date"] == day]
    bought = [row for row in stream if row["event_type"] == "purchase"]
    carts = []
    for kind in ("add_to_cart", "checkout_start"):
        starts = [row for row in of_day if row["event_type"] == kind]
        pairs = [
            (start, end)
            for start in starts
            for end in bought
            if end["event_at"] >= start["event_at"]
        ]
        in_time = any(
            end["event_at"] - start["event_at"] <= timedelta(seconds=horizon_s)
            for start, end in pairs
        )
        at_once = any(homes[start["event_id"]] == homes[end["event_id"]] for start, end in pairs)
        if starts:
            is_cart = kind == "add_to_cart"
            worth = _worth(of_day, by_item=by_item) if is_cart else None
            carts.append(_Cart(is_cart, not is_cart, in_time, in_time and not at_once, worth))
    return carts


def _worth(rows: Iterable[Row], *, by_item: bool) -> Decimal | None:
    answer = [row for row in rows if row["event_type"] in TYPES and row["cart_amount"] is not None]
    if by_item:
        changes = [
            (row["event_type"], Decimal(row["cart_amount"]))
            for row in answer
            if row["event_type"] != TYPES[2]
        ]
        total = sum(
            (-amount if kind == TYPES[1] else amount for kind, amount in changes), Decimal(0)
        )
        return max(total, Decimal(0)) if changes else None
    last = max(answer, key=lambda row: (row["event_at"], row["event_id"]), default=None)
    return None if last is None else Decimal(last["cart_amount"])


def _added(day: date, unit: str, horizon_s: int, carts: Sequence[_Cart]) -> Carts:
    valued = [cart for cart in carts if cart.worth is not None]
    has_horizon = horizon_s > 0

    def worth(*, of: Iterable[_Cart]) -> Decimal | None:
        return sum((cart.worth or Decimal(0) for cart in of), Decimal(0)) if valued else None

    return Carts(
        day,
        unit,
        horizon_s,
        carts=sum(cart.is_cart for cart in carts),
        abandoned=sum(cart.is_cart and not cart.is_converted for cart in carts),
        recovered=sum(cart.is_cart and cart.is_recovered for cart in carts)
        if has_horizon
        else None,
        checkouts=sum(cart.is_checkout for cart in carts),
        abandoned_checkouts=sum(cart.is_checkout and not cart.is_converted for cart in carts),
        valued=len(valued),
        worth=worth(of=valued),
        left_behind=worth(of=(cart for cart in valued if not cart.is_converted)),
        recovered_worth=worth(of=(cart for cart in valued if cart.is_recovered))
        if has_horizon
        else None,
    )


def stored_carts(rows: Iterable[Row]) -> list[Carts]:
    """Return the platform's rows in the same form."""
    return sorted(
        Carts(
            row["cart_date"],
            row["unit"],
            row["horizon_s"],
            row["cart_count"],
            row["abandoned_cart_count"],
            row["recovered_cart_count"],
            row["checkout_count"],
            row["abandoned_checkout_count"],
            row["valued_cart_count"],
            row["cart_amount"],
            row["abandoned_cart_amount"],
            row["recovered_cart_amount"],
        )
        for row in rows
    )
