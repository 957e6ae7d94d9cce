"""Which visit sold which order: orders and purchase events that are the same purchase.

An event names the order, or is of the same customer and amount, or of the same customer at nearly
the same time; each goes with its nearest. docs/metrics/reconciliation.md#orders-and-visits.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import is_public
from ecom_assets.behaviour.events.same_order import NO_ORDERS, ORDER_KEYS
from ecom_assets.commerce.attribution.contracts import KINDS, OrderVisits
from ecom_assets.commerce.attribution.order_sums import BY_ORDER_ID, PARTS, equal_sums, parts_of
from ecom_assets.commerce.orders.orders import changed_days
from ecom_assets.commerce.orders.versions import received_key
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER, known
from ecom_assets.core.tables.portable import union_all, union_distinct
from ecom_assets.core.tables.spellings import order_name

ORDER = ("kind", "order_id", "order_date")
EVENT = ("event_date", "event_id")
"""The columns that identify an order of a day (`ORDER`) and an event (`EVENT`)."""
CANDIDATE = (
    *(*ORDER, "ordered_at"),
    *(*EVENT, "event_at", "is_public"),
    *("matched_by", "preference"),
)


@dataclass(frozen=True)
class ReconciliationRule:
    """When an event and an order are the same purchase; they are at most one calendar day apart.

    Attributes:
        order_id_keys: Keys of an event's `properties` that may contain an id of the order; the
            first and the last one present count. GA4 and many others use transaction_id, Matomo and
            Segment orderId and order_id, Snowplow's tracker tr_orderid.
        line_suffix: A regular expression for what follows the order id in the id of an order line,
            because events name orders, not lines.
        shift_s: The most seconds between an order and an event with the same customer and amount,
            of the items or with other parts: 14 hours, the largest offset of a time zone from UTC.
        near_s: The most seconds between an order and an event with the same customer and different
            amounts: an hour, because customers rarely buy again so soon.
        repeat_s: The most seconds between an event without an order and the event with the same
            customer and amount that it repeats: an hour, in which customers may reload a thank-you
            page.
    """

    order_id_keys: tuple[str, ...] = ORDER_KEYS
    line_suffix: str = "-[0-9]+(-r)?$"
    shift_s: int = 14 * 3600
    near_s: int = 3600
    repeat_s: int = 3600

    def to_mapping(self) -> dict[str, Any]:
        """Return the rule as it is shown in answers."""
        return asdict(self)


OTHER_NAMES = {"other_name": "^([^ ]+)", "third_name": "^[^ ]+ +([^ ]+)"}
"""What `order_keys` call an order, by the column of `orders_of`."""
ID_KINDS = (("order_id", "line_order_id", "shared_order_id"), *((name,) for name in OTHER_NAMES))
"""The kinds of id by which an event may name an order: its own, and each other name. A source sends
one kind, whose numbers may be those of another kind of other orders.
"""


def orders_of(lines: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """Return one row per order of a day, for its shipped lines and for its refunded ones,
    in rows of `UserOrderLog`.
    """
    lines = lines.filter(days.contain(lines.order_date))
    received = received_key(lines.uniq_id, lines.shared_order_id)
    lines = lines.mutate(
        kind=(lines.status == "refunded").ifelse("refund", "purchase"),
        line_order_id=received.re_replace(rule.line_suffix, ""),
    )
    keys = lines.order_keys
    return lines.group_by(*ORDER).agg(
        **{
            name: keys.re_extract(pattern, 1).nullif("").min()
            for name, pattern in OTHER_NAMES.items()
        },
        ordered_at=lines.ordered_at.min(),
        customer_id=lines.customer_id.min(),
        line_order_id=lines.line_order_id.min(),
        shared_order_id=lines.shared_order_id.min(),
        order_amount=lines.payment_amount.sum().cast(MONEY),
        **parts_of(lines),
    )


def events_of(events: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """Return one row per purchase or refund in the `CleanEvents` of `days`,
    with the order that it names.
    """
    events = events.filter(days.contain(events.event_date), events.event_type.isin(KINDS))
    named = [
        events.properties.re_extract(f'"{key}"[ ]*:[ ]*"?([^",}}]+)', 1).nullif("").nullif("null")
        for key in rule.order_id_keys
    ]
    return events.select(
        *EVENT,
        "event_at",
        "visitor_id",
        "product_id",
        kind=events.event_type,
        is_public=is_public(events).ifelse(1, 0),
        sender=events.sent_by.fill_null(""),
        event_amount=events.cart_amount,
        named_order_id=ibis.coalesce(*named),
        last_named_id=ibis.coalesce(*reversed(named)),
    )


EVIDENCE_DAYS = 1
"""Days before and after an event whose events say which kind of id its sender uses: an order that
has another one's id as its name, near enough to be mistaken for it, has its own event there.
"""


@dataclass(frozen=True)
class Pairing:
    """Orders and events of some days, from `orders_of` and `events_of`,
    and the pairs that are the same purchase.
    """

    orders: ir.Table
    events: ir.Table
    rule: ReconciliationRule

    @cached_property
    def pairs(self) -> ir.Table:
        """The keys of the order and the event of each pair, with `matched_by`."""
        return union_all(self.by_id, self._by_customer)

    @cached_property
    def named(self) -> ir.Table:
        """Every event with every order near it that it names. An event whose id is of orders of
        several buyers goes by the kind of id of its sender's other events, if then one is left.
        """
        of_event = ibis.window(group_by=[*EVENT])
        candidates = self._of_one_name
        buyer = candidates.buyer
        # A window in a condition is no SQL on Postgres.
        candidates = candidates.mutate(
            is_clear=buyer.min().over(of_event) == buyer.max().over(of_event)
        )
        candidates = candidates.left_join(
            _clear_near(candidates.filter(candidates.is_clear)),
            ["sender", "event_date", "id_kind"],
            rname="clear_{name}",
        )
        clear_count = candidates.clear_count.fill_null(0)
        candidates = candidates.mutate(
            is_usual=clear_count == clear_count.max().over(of_event),
        )
        usual = candidates.filter(candidates.is_clear | candidates.is_usual)
        buyer = usual.buyer
        usual = usual.mutate(is_one=buyer.min().over(of_event) == buyer.max().over(of_event))
        return usual.filter(usual.is_one).select(*CANDIDATE).distinct()

    @cached_property
    def _of_one_name(self) -> ir.Table:
        """Every event with every order that is at most a day apart and has one of its names, with
        the kind of id, and the customer, or the order of an unknown one, as `buyer`. Leading zeros
        of a number are set aside where no order has it as the event writes it.
        """
        events = union_all(
            *(
                self.events.select(
                    *("kind", *EVENT, "event_at", "is_public", "sender"),
                    name=known(order_name(self.events[column]), NO_ORDERS),
                )
                for column in ("named_order_id", "last_named_id")
            )
        ).distinct()
        customer_id = self.orders.customer_id.nullif(UNKNOWN_CUSTOMER)
        orders = self.orders.mutate(buyer=ibis.coalesce(customer_id, self.orders.order_id))
        names = union_all(
            *(
                orders.select(
                    *(*ORDER, "ordered_at", "buyer"),
                    order_name=order_name(orders[column]),
                    id_kind=ibis.literal(place, "int64"),
                )
                for place, columns in enumerate(ID_KINDS)
                for column in columns
            )
        )
        same = _without_zeros(events.name) == _without_zeros(names.order_name)
        candidates = events.join(names, [events.kind == names.kind, same])
        candidates = candidates.mutate(
            matched_by=ibis.literal(BY_ORDER_ID), preference=_days_apart(candidates)
        )
        return _of_spelling(candidates.filter(candidates.preference <= 1))

    @cached_property
    def by_id(self) -> ir.Table:
        """The pairs whose event names the order."""
        return _mutual(self.named)

    @cached_property
    def _by_customer(self) -> ir.Table:
        orders = self.orders.anti_join(self.by_id, ORDER).mutate(visitor_id=lambda t: t.customer_id)
        events = self.events.anti_join(self.named, EVENT)
        orders = orders.mutate(amount=orders.order_amount)
        events = events.mutate(amount=events.event_amount.fill_null(ibis.literal(-1, MONEY)))
        orders = _numbered(orders, "order", ["ordered_at", "order_id"])
        events = _numbered(events, "event", ["event_at", "event_id"])
        candidates = events.join(
            orders, [events.kind == orders.kind, events.visitor_id == orders.visitor_id]
        )
        days_apart, apart_s = (
            _days_apart(candidates),
            seconds_apart(candidates.event_at, candidates.ordered_at),
        )
        same = (
            (candidates.amount == candidates.amount_right)
            & (candidates.event_place == candidates.order_place)
            & (days_apart <= 1)
        )
        is_other_sum = (candidates.amount != candidates.amount_right) & (equal_sums(candidates) > 0)
        near = (
            (candidates.amount != candidates.amount_right)
            & (days_apart == 0)
            & (apart_s <= self.rule.near_s)
        )
        is_same = same & (apart_s <= self.rule.shift_s)
        is_sum = is_other_sum & (days_apart <= 1) & (apart_s <= self.rule.shift_s)
        candidates = candidates.mutate(
            matched_by=(is_same | is_sum).ifelse("customer_amount", "customer_time"),
            preference=is_same.ifelse(days_apart, is_sum.ifelse(days_apart + 2, 4)),
        )
        return _mutual(candidates.filter(is_same | is_sum | near).select(*CANDIDATE))


def _without_zeros(name: ir.StringValue) -> ir.StringValue:
    """Return the name of an order without the leading zeros of a number, which tools leave out."""
    return name.re_replace("^0+([0-9]+)$", r"\1")


def _of_spelling(candidates: ir.Table) -> ir.Table:
    """Return, of the orders that an event names but for leading zeros, those that it names as they
    are written; where there are none, all, if they are written alike.
    """
    of_event = ibis.window(group_by=[*EVENT])
    written = candidates.order_name
    candidates = candidates.mutate(is_exact=(candidates.name == written).ifelse(1, 0))
    # A window in a condition is no SQL on Postgres.
    candidates = candidates.mutate(
        has_exact=candidates.is_exact.max().over(of_event),
        is_one_name=written.min().over(of_event) == written.max().over(of_event),
    )
    is_other = (candidates.has_exact == 0) & candidates.is_one_name
    return candidates.filter((candidates.is_exact == 1) | is_other)


def _clear_near(clear: ir.Table) -> ir.Table:
    """Return how many events of a sender, of a day and the days beside it, go by a kind of id:
    `clear_count` by `sender`, `event_date` and `id_kind`.

    Args:
        clear: Candidates of events whose id is of orders of one buyer.
    """
    events = clear.select(*EVENT, "sender", "id_kind").distinct()
    daily = events.group_by("sender", "event_date", "id_kind").agg(clear_count=events.count())
    midnight = daily.event_date.cast("timestamp(6)")
    near = union_all(
        *(
            daily.mutate(event_date=(midnight + ibis.interval(days=n)).date())
            for n in range(-EVIDENCE_DAYS, EVIDENCE_DAYS + 1)
        )
    )
    return near.group_by("sender", "event_date", "id_kind").agg(clear_count=near.clear_count.sum())


def _numbered(rows: ir.Table, noun: str, order: list[str]) -> ir.Table:
    """Number the purchases of one amount by one customer on one day,
    so that two equal orders match two events.
    """
    in_order = ibis.window(
        group_by=["kind", "visitor_id", "amount", f"{noun}_date"], order_by=order
    )
    return rows.mutate(**{f"{noun}_place": ibis.row_number().over(in_order)})


def _mutual(candidates: ir.Table) -> ir.Table:
    """Keep candidates that are best for both sides: lowest `preference`, then nearest,
    then earliest, then id. Of the events of an order, those of public keys come last: anybody may
    send one that names it.
    """
    apart_s = seconds_apart(candidates.event_at, candidates.ordered_at)
    by_order = ibis.window(
        group_by=[*ORDER],
        order_by=["is_public", "preference", apart_s, "event_at", "event_id"],
    )
    by_event = ibis.window(
        group_by=[*EVENT], order_by=["preference", apart_s, "ordered_at", "order_id"]
    )
    ranked = candidates.mutate(
        order_rank=ibis.row_number().over(by_order), event_rank=ibis.row_number().over(by_event)
    )
    return ranked.filter(ranked.order_rank == 0, ranked.event_rank == 0).select(
        *ORDER, *EVENT, "matched_by"
    )


def _days_apart(candidates: ir.Table) -> ir.IntegerValue:
    """Return 0 for the same day, 1 for neighbouring days, and 2 for others."""
    before = (candidates.order_date - ibis.interval(days=1)).cast("date")
    after = (candidates.order_date + ibis.interval(days=1)).cast("date")
    is_neighbour = (candidates.event_date == before) | (candidates.event_date == after)
    return (candidates.event_date == candidates.order_date).ifelse(0, is_neighbour.ifelse(1, 2))


def seconds_apart(instant: ir.TimestampValue, other: ir.TimestampValue) -> ir.IntegerValue:
    """Return how many seconds lie between two instants."""
    return (instant.epoch_seconds().cast("int64") - other.epoch_seconds().cast("int64")).abs()


REACH_DAYS = 5
"""Days before and after a changed day whose pairs can change.

A match looks one day ahead and back, and so do the kind of id that it goes by (`EVIDENCE_DAYS`) and
the matches it competes with, first by order id, then by customer. A repeated event depends on
matches near it.
"""


def order_visits(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    session_events: ir.Table,
    sessions: ir.Table,
    lines: ir.Table,
    reconciliation_rule: ReconciliationRule,
    days: Days,
) -> ir.Table:
    """Return rows of `OrderVisits` of `days`.

    The tables are all rows of `CleanEvents`, `SessionEvents`, `Sessions` and `UserOrderLog`, of
    which only those near `days` are used.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    orders = orders_of(lines, reconciliation_rule, near)
    happened = events_of(events, reconciliation_rule, near)
    pairs = Pairing(orders, happened, reconciliation_rule).pairs
    pairs = pairs.filter(days.contain(pairs.order_date))
    of_order = orders.select(*ORDER, "customer_id", "order_amount", *PARTS)
    pairs = pairs.join(of_order, list(ORDER))
    of_event = happened.select(*EVENT, "visitor_id", "product_id", "event_amount", "sender")
    pairs = pairs.join(of_event, list(EVENT))
    pairs = pairs.mutate(sent_by=pairs.sender.nullif(""), equal_sums=equal_sums(pairs))
    placed = _visits_of(session_events.filter(near.contain(session_events.event_date)), sessions)
    placed = placed.rename({f"placed_{name}": name for name in EVENT})
    rows = pairs.left_join(placed, [pairs[name] == placed[f"placed_{name}"] for name in EVENT])
    return rows.select(*OrderVisits.columns)


def _visits_of(session_events: ir.Table, sessions: ir.Table) -> ir.Table:
    """Return events with the `session_id` of their session."""
    bought = session_events.filter(session_events.event_type.isin(KINDS))
    begun = sessions.select(
        "session_id", "visitor_id", "session_device_id", "started_at", "ended_at"
    )
    inside = [
        bought.visitor_id == begun.visitor_id,
        bought.session_device_id == begun.session_device_id,
        begun.started_at <= bought.event_at,
        bought.event_at <= begun.ended_at,
    ]
    return bought.join(begun, inside).select(*(bought[name] for name in EVENT), "session_id")


def reconciled_days(events: ir.Table, lines: ir.Table, changed: ir.Table, days: Days) -> ir.Table:
    """Return the days of orders or events whose differences a run over `days` can change,
    in a column `day`.

    The tables are all rows of `CleanEvents`, `UserOrderLog` and `ChangedOrderDays`; `days` are
    event days, and arrival days of order lines.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    return union_distinct(
        _around(changed_days(changed, days)),
        events.filter(near.contain(events.event_date)).select(day="event_date").distinct(),
        lines.filter(near.contain(lines.order_date)).select(day="order_date").distinct(),
    )


def _around(moved: ir.Table) -> ir.Table:
    """Return days and those within their reach."""
    midnight = moved.day.cast(
        "timestamp(6)"
    )  # to Ibis, a date plus an interval is a date; to engines, it is not
    return union_distinct(
        *(
            moved.select(day=(midnight + ibis.interval(days=n)).date())
            for n in range(-REACH_DAYS, REACH_DAYS + 1)
        )
    )


def days_of_visited_orders(lines: ir.Table, changed: ir.Table, days: Days) -> ir.Table:
    """Return the days of orders whose visits a run over `days` can change, and those of their
    refunds, in a column `day`.

    Args:
        lines: All rows of `UserOrderLog`.
        changed: All rows of `ChangedOrderDays`.
        days: Days of events, and arrival days of order lines.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    around = _around(changed_days(changed, days))
    dated = lines.select("order_id", "status", day="order_date")
    orders = union_distinct(
        dated.filter(near.contain(dated.day)).select("order_id", "day"),
        dated.semi_join(around, "day").select("order_id", "day"),
    )
    refunds = dated.filter(dated.status == "refunded").semi_join(orders, "order_id")
    return union_distinct(orders.select("day"), refunds.select("day"))
