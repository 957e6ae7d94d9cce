"""The ground truth of the simulated shop: the numbers that the platform must reproduce,
counted as rows are made.

Nothing here reads the written files or uses the platform's code.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np

from ecom_sandbox.shop import faults as f
from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.catalogue import FIRST_PRODUCT_ID, PriceChange
from ecom_sandbox.shop.identities import FORMER, GUEST
from ecom_sandbox.shop.people_truth import FUNNEL, PeopleTruth
from ecom_sandbox.shop.rows import Flags, Ints, Rows, total_cents

GENERATOR = "ecom_assets.sandbox.shop.shop"
"""What a truth file says made its folder; the name stays, so that folders made before are known."""
IDLE_S = 1_800
_GUESTS = -2
"""Stands for anyone who uses the guests' account, and `_NOBODY` for an event without a user."""
_NOBODY = -1
_NEVER = 2**62


class EventTruth:
    """Counts for `truth.json`, by day and in total."""

    def __init__(self, *, first_day: date, days: int, people: Ints, first_bot: int) -> None:
        self._first_day, self._people, self._first_bot = first_day, len(people), first_bot
        self._person_truth = PeopleTruth(first_day=first_day, days=days, people=people)
        self._first = (first_day - date(1970, 1, 1)).days
        self._received = {
            name: np.zeros(days, np.int64) for name in ("rows", "clean", "duplicates", *f.REASONS)
        }
        self._happened = {name: np.zeros(days, np.int64) for name in _HAPPENED}
        self._types, self._funnel = (
            np.zeros(len(r.EVENT_TYPES), np.int64),
            np.zeros(len(FUNNEL), np.int64),
        )
        self._trials = np.zeros(1 + len(t.TRIALS), np.int64)
        self._late = np.zeros(f.LATE_DAYS + 1, np.int64)
        self._users: Ints = np.zeros(0, np.int64)
        self._counts: Counter[str] = Counter()
        self._channel_orders, self._channel_cents = (
            np.zeros(len(r.SALES_CHANNELS), np.int64) for _ in range(2)
        )

    def add_good(self, rows: Rows) -> None:
        """Count clean events at their first arrival;
        all events of a session must be in one call.
        """
        self._add_received("clean", rows)
        self._add_happened("clean", rows["at"])
        self._types += np.bincount(rows["type"], minlength=len(self._types))
        self._trials += np.bincount(rows["trial"], minlength=len(self._trials))
        self._late += np.bincount(f.delay_days(rows), minlength=len(self._late))
        self._users = np.union1d(self._users, _user_ids(rows[rows["is_known"]]))
        self._counts["bot_events"] += int(np.count_nonzero(rows["visitor"] >= self._first_bot))
        rows = _in_order(rows)
        self._person_truth.add(rows[rows["visitor"] < self._first_bot])
        self._add_sessions(rows[rows["session"] != r.NOTHING])
        refunds = rows[rows["session"] == r.NOTHING]
        self._counts["refund_sessions"] += len(refunds)
        self._add_happened("sessions", refunds["at"])

    def add_copies(self, rows: Rows) -> None:
        """Count duplicates."""
        self._add_received("duplicates", rows)

    def add_broken(self, rows: Rows) -> None:
        """Count rows that must be quarantined."""
        for flaw, reason in enumerate(f.REASONS, start=1):
            self._add_received(reason, rows[rows["flaw"] == flaw])

    def add_orders(self, orders: Rows) -> None:
        """Count orders or refunds."""
        cents = total_cents(orders)
        is_refund = orders["is_refund"]
        np.add.at(self._channel_orders, orders["channel"], 1 - is_refund)
        np.add.at(self._channel_cents, orders["channel"], np.where(is_refund, -cents, cents))
        for kind, amount, chosen in (
            ("orders", "shipped_amount", ~is_refund),
            ("refunds", "refunded_amount", is_refund),
        ):
            self._add_happened(kind, orders["at"][chosen])
            self._add_happened(amount, orders["at"][chosen], cents[chosen])
            self._counts[f"{kind}_lines"] += int(orders["lines"][chosen].sum())

    def _add_received(self, name: str, rows: Rows) -> None:
        day = rows["received"] // r.DAY - self._first
        for counted in (name, "rows"):
            self._received[counted] += np.bincount(day, minlength=len(self._received[counted]))

    def _add_happened(self, name: str, at: Ints, weight: Ints | None = None) -> None:
        np.add.at(self._happened[name], at // r.DAY - self._first, 1 if weight is None else weight)

    def _add_sessions(self, rows: Rows) -> None:
        """Count sessions: each session id is one, and one more for each user who takes over in it.

        Events that have not arrived yet can leave a gap in it, which divides it too.
        """
        if not len(rows):
            return
        is_other = np.diff(rows["session"], prepend=-1) != 0
        is_other |= np.diff(rows["at"], prepend=0) > IDLE_S * r.SECOND
        begin = np.flatnonzero(is_other | _takes_over(rows, np.cumsum(is_other)))
        first, last = np.minimum.reduceat(rows["at"], begin), np.maximum.reduceat(rows["at"], begin)
        self._add_happened("sessions", first)
        self._counts["midnight_sessions"] += int(np.count_nonzero(first // r.DAY != last // r.DAY))
        is_bot, is_known = (
            rows["visitor"][begin] >= self._first_bot,
            np.maximum.reduceat(rows["is_known"], begin),
        )
        is_login = is_known & ~np.minimum.reduceat(rows["is_known"], begin)
        self._counts["bot_sessions"] += int(np.count_nonzero(is_bot))
        self._counts["anonymous_sessions"] += int(np.count_nonzero(~is_known))
        self._counts["crawler_sessions"] += int(np.count_nonzero(is_bot & ~is_known))
        self._counts["login_sessions"] += int(np.count_nonzero(is_login))
        self._add_funnel(rows, begin)

    def _add_funnel(self, rows: Rows, begin: Ints) -> None:
        """Count the sessions that reach each step after the one before;
        somebody who takes over may begin with any.
        """
        sizes = np.diff(begin, append=len(rows))
        reached_at = np.zeros(len(begin), np.int64)
        for step, event_type in enumerate(FUNNEL):
            serves = (rows["type"] == event_type) & (rows["at"] >= np.repeat(reached_at, sizes))
            reached_at = np.minimum.reduceat(np.where(serves, rows["at"], _NEVER), begin)
            self._funnel[step] += np.count_nonzero(reached_at < _NEVER)

    def truth(self, settings: dict[str, object], *, is_whole: bool) -> dict[str, object]:
        """Return all counts, with the structure of `truth.json`;
        `is_whole` if nobody came before the first day.
        """
        days = [
            (self._first_day + timedelta(days=i)).isoformat()
            for i in range(len(self._received["rows"]))
        ]
        return {
            "generator": GENERATOR,
            "settings": settings,
            "events": self._events(),
            "sessions": self._sessions(),
            "visitors": self._visitors(),
            "identity": self._person_truth.truth(is_whole=is_whole),
            "funnel_sessions": {
                r.EVENT_TYPES[step]: int(n) for step, n in zip(FUNNEL, self._funnel, strict=True)
            },
            "experiment": self._experiment(),
            "orders": self._orders(),
            "by_received_date": {day: self._received_on(i) for i, day in enumerate(days)},
            "by_event_date": {
                day: {
                    name: r.money_text(int(n[i])) if name.endswith("_amount") else int(n[i])
                    for name, n in self._happened.items()
                }
                for i, day in enumerate(days)
            },
        }

    def _events(self) -> dict[str, object]:
        total = {name: int(counts.sum()) for name, counts in self._received.items()}
        return {
            "rows": total["rows"],
            "clean": total["clean"],
            "duplicates": total["duplicates"],
            "quarantined": {reason: total[reason] for reason in f.REASONS},
            "late_accepted": int(self._late[1:].sum()),
            "late_accepted_by_days": {
                str(days): int(n) for days, n in enumerate(self._late) if days
            },
            "clean_by_type": {
                name: int(n) for name, n in zip(r.EVENT_TYPES, self._types, strict=True)
            },
            "bot_events": self._counts["bot_events"],
        }

    def _sessions(self) -> dict[str, object]:
        names = (
            "bot_sessions",
            "refund_sessions",
            "anonymous_sessions",
            "login_sessions",
            "midnight_sessions",
        )
        total = {"idle_s": IDLE_S, "total": int(self._happened["sessions"].sum())}
        return {**total, **{name: self._counts[name] for name in names}}

    def _visitors(self) -> dict[str, object]:
        users, scrapers = (
            len(self._users),
            int(np.count_nonzero(self._users >= self._first_bot * 2)),
        )
        return {
            "people": self._people,
            "users": users,
            "visitor_ids": users + self._counts["anonymous_sessions"],
            "bot_visitor_ids": self._counts["crawler_sessions"] + scrapers,
            "crawler_sessions": self._counts["crawler_sessions"],
            "scrapers": scrapers,
        }

    def _experiment(self) -> dict[str, object]:
        """Return, by variant, the product views, those with an opened size guide,
        and the planted share of these.
        """
        views = self._trials[1:].reshape(len(t.OPENED_RATES), 2).tolist()
        return {
            name: {"product_views": closed + opened, "opened": opened, "planted_opened_rate": rate}
            for (name, rate), (closed, opened) in zip(t.OPENED_RATES.items(), views, strict=True)
        }

    def _orders(self) -> dict[str, object]:
        gross, refunded = (
            int(self._happened[name].sum()) for name in ("shipped_amount", "refunded_amount")
        )
        return {
            "orders": int(self._happened["orders"].sum()),
            "order_lines": self._counts["orders_lines"],
            "refunds": int(self._happened["refunds"].sum()),
            "refund_lines": self._counts["refunds_lines"],
            "shipped_amount": r.money_text(gross),
            "refunded_amount": r.money_text(refunded),
            "revenue": r.money_text(gross - refunded),
            "by_sales_channel": {
                name: {"orders": int(count), "revenue": r.money_text(int(cents))}
                for name, count, cents in zip(
                    r.SALES_CHANNELS, self._channel_orders, self._channel_cents, strict=True
                )
            },
        }

    def _received_on(self, i: int) -> dict[str, object]:
        plain = {name: int(self._received[name][i]) for name in ("rows", "clean", "duplicates")}
        return {
            **plain,
            "quarantined": {reason: int(self._received[reason][i]) for reason in f.REASONS},
        }


_ORDERED = ("visitor", "is_known", "account", "type", "at", "session", "cookie")


def _in_order(rows: Rows) -> Rows:
    """Return some fields of rows by session and time;
    copies of whole rows would take several times as long.
    """
    order = np.lexsort((rows["at"], rows["session"]))
    result = np.empty(len(rows), [(name, r.EVENT[name]) for name in _ORDERED])
    for name in _ORDERED:
        result[name] = rows[name][order]
    return result


def _user_ids(rows: Rows) -> Ints:
    """Return a code for the user id of each row, if it has one;
    a person's former id has another than the present.
    """
    codes: Ints = np.where(
        rows["account"] == GUEST, _GUESTS, rows["visitor"] * 2 + (rows["account"] == FORMER)
    )
    return codes


def _takes_over(rows: Rows, part: Ints) -> Flags:
    """Return which rows are the first ones of another user than the one before in
    the same part of a visit.

    Events without a user between two users count with the one before.
    """
    known_rows = np.flatnonzero(rows["is_known"])
    is_other = np.diff(_user_ids(rows[known_rows]), prepend=_NOBODY) != 0
    is_same_part = np.diff(part[known_rows], prepend=_NOBODY) == 0
    result: Flags = np.zeros(len(rows), np.bool_)
    result[known_rows[is_other & is_same_part]] = True
    return result


_HAPPENED = ("clean", "sessions", "orders", "shipped_amount", "refunds", "refunded_amount")


def price_truth(changes: Iterable[PriceChange]) -> list[dict[str, object]]:
    """Return the changes of prices as in `truth.json`."""
    return [
        {
            "day": change.day.isoformat(),
            "product_id": str(FIRST_PRODUCT_ID + change.product),
            "before": r.money_text(change.before),
            "after": r.money_text(change.after),
        }
        for change in changes
    ]


CAUSES = (
    "missing_event",
    "missing_order",
    "amount_differs",
    "duplicate",
    "refund",
    "time_zone_shift",
)


class LedgerTruth:
    """Counts the differences of each cause,
    and sums the amounts of orders minus events in cents by day.
    """

    def __init__(self, *, first_day: date, days: int) -> None:
        self._first_day, self._days = first_day, days
        self._first = (first_day - date(1970, 1, 1)).days
        self._counts = dict.fromkeys(CAUSES, 0)
        self._cents = {cause: np.zeros(days, np.int64) for cause in CAUSES}

    def add(self, events: Rows, orders: Rows) -> None:
        """Count the differences of arrived events and orders;
        `orders` still includes the unrecorded ones.
        """
        total = total_cents(orders)
        for cause, fault, cents in (
            ("missing_event", f.PHONED, total),
            ("missing_order", f.UNRECORDED, -total),
            ("amount_differs", f.SURCHARGED, np.full_like(total, -f.SHIPPING_CENTS)),
            ("refund", f.UNREPORTED, -total),
            ("time_zone_shift", f.SHIFTED, total),
        ):
            chosen = orders["fault"] == fault
            self._add(cause, orders["at"][chosen], cents[chosen])
        shifted = orders["fault"] == f.SHIFTED
        self._add("time_zone_shift", orders["at"][shifted] - f.SHIFT_US, -total[shifted], counted=0)
        repeated = events[events["is_repeated"]]
        self._add("duplicate", repeated["at"], -repeated["cents"])

    def truth(self) -> dict[str, object]:
        """Return the differences as in `truth.json`; a time shift counts once,
        with amounts on both of its days.
        """
        days = [self._first_day + timedelta(days=n) for n in range(self._days)]
        return {
            "by_cause": dict(self._counts),
            "by_date": {
                str(day): {
                    cause: r.money_text(int(cents[n]))
                    for cause, cents in self._cents.items()
                    if cents[n]
                }
                for n, day in enumerate(days)
            },
        }

    def _add(self, cause: str, at: Ints, cents: Ints, counted: int = 1) -> None:
        self._counts[cause] += counted * len(at)
        np.add.at(self._cents[cause], at // r.DAY - self._first, cents)
