"""Cleaning of received events: reasons to reject a row, surplus copies, clean rows, and accounting.

Definitions: METRICS "Clean events and reject reasons". Every received row counts for exactly one
day, as clean, quarantined or surplus. To which visitor a clean event belongs, `identity/` decides.

Terms: docs/glossary.md#clean, #quarantined and #surplus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import (
    CAMPAIGN,
    EVENT_TYPES,
    CleanEvents,
    DuplicateEvents,
    RawEvents,
)
from ecom_assets.behaviour.events.robots import is_robot
from ecom_assets.behaviour.events.same_order import (
    END_OF_DAY,
    OF_ROW,
    ids_of_repeated_orders,
    order_of,
    repeated_purchases,
)
from ecom_assets.core.tables.contract import AMOUNT
from ecom_assets.core.tables.copies import COPY_NUMBER, CopyRule, counted_copies, numbered_copies
from ecom_assets.core.tables.days import Days, day_start, is_implausible
from ecom_assets.core.tables.placeholders import (
    MARKS,
    NO_CONSENT,
    NO_PRODUCTS,
    NOBODY,
    is_missing,
    is_placeholder,
    known,
)
from ecom_assets.core.tables.portable import NO, is_true_of, text_digest, union_all
from ecom_assets.core.tables.received import balance
from ecom_assets.core.tables.values import (
    FIRST_PLAUSIBLE,
    LONGEST_EVENT_TYPE,
    MAX_AMOUNT,
    NOT_IN_EVENT_TYPES,
    PUBLIC_SENDER,
)

IDS = ("user_id", "session_id", "anonymous_id")
"""The columns of a received event that can say who it was."""
NEVER_NEGATIVE = (
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
)
"""The types of events whose amount is a price or a worth."""
PAYLOAD = (
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
"""The texts of a row, as received, by whose hash copies that arrived together are ordered."""
COPY_COLUMNS = (
    *PAYLOAD,
    *CAMPAIGN,
    "received_date",
    "received_at",
    "source_file",
    "sent_by",
    "unrated_currency",
)
"""What decides which rows are copies of one event, and which copy stays."""
IN_CONTENT = ("user_id", "anonymous_id", "session_id", "event_type", "product_id", "cart_amount")
"""What says, with the columns of `COPY_COLUMNS`, who did what and for how much."""
ID_MARK = "~"
"""Separates an id from the hash of its content, where events that disagree share the id."""
HASH_LENGTH = 16
"""Hexadecimal digits of a content's hash: 64 bits, of one event id."""


@dataclass(frozen=True)
class CleaningRule:
    """The conditions that make a received row a clean event.

    `event_types`: the accepted types; None accepts every well-formed type.
    `late_days` (days): an event that arrives more than this many days after its own day is too
    late.
    `skew_s` (seconds): how far a clock may run ahead; METRICS defines one hour.
    `max_amount` (money): the highest amount of one event, so that no visitor can distort a total.
    `first_day`: the first plausible day of arrival.
    """

    event_types: tuple[str, ...] | None = None
    late_days: int = 7
    skew_s: int = 3600
    max_amount: Decimal = MAX_AMOUNT
    timezone: str = "UTC"
    first_day: date = FIRST_PLAUSIBLE


def classify(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return received rows with `reject_reason` (null for a clean row) and `accounted_date`.

    Args:
        raw: Rows with the columns of `RawEvents`.
        rule: The cleaning rule.
        days: The range of `received_date` in `raw`, for daylight saving.
    """
    return raw.mutate(
        reject_reason=_reason(raw, rule, days), accounted_date=accounted_date(raw, rule.late_days)
    )


def _reason(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.StringValue:
    reason: ir.StringValue = ibis.cases(*reject_rules(raw, rule, days), else_=ibis.null("string"))
    return reason


def reject_rules(
    raw: ir.Table, rule: CleaningRule, days: Days
) -> list[tuple[ir.BooleanValue, str]]:
    """Return the reasons to reject a row, each with its condition; the first that applies counts.

    Takes what `classify` takes.
    """
    day_after = (raw.received_date + ibis.interval(days=1)).cast("date")
    received_end = day_start(day_after, days.widened(after=1), rule.timezone)
    known_by = raw.received_at.fill_null(received_end) + ibis.interval(seconds=rule.skew_s)
    in_time = _is_in_time(raw, rule.late_days)
    return [
        (raw.malformed_row.notnull(), "malformed_row"),
        (is_implausible(raw.received_at, rule.first_day), "implausible_date"),
        (is_missing(raw.event_id), "missing_event_id"),
        (raw.event_at.isnull(), "unparseable_timestamp"),
        ((raw.event_at > known_by) | (raw.event_date > day_after), "future_timestamp"),
        (_has_no_consent(raw), "without_consent"),
        (_has_no_identity(raw), "missing_identity"),
        *_refused_types(raw.event_type, rule),
        (~in_time, "too_late"),
    ]


def accepted(classified: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return the clean ones of classified rows, surplus copies included.

    The column of the reason is dropped.
    """
    rows = classified.filter(classified.reject_reason.isnull()).drop("reject_reason")
    return with_known_amounts(rows, rule)


def with_known_amounts(rows: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return received rows with `cart_amount` as `known_amount` returns it."""
    return rows.mutate(cart_amount=known_amount(rows, rule))


def known_amount(raw: ir.Table, rule: CleaningRule) -> ir.DecimalValue:
    """Return the money that an event carries; null where it is not known, or cannot be.

    What is paid back is positive, with or without its sign as received, and what is looked at or
    put into a cart is not worth less than nothing. Any other amount keeps its sign: a purchase
    below zero lowers the revenue.
    """
    is_back = (raw.event_type == "refund").fill_null(NO)
    amount = is_back.ifelse(raw.cart_amount.abs(), raw.cart_amount)
    most = ibis.literal(rule.max_amount, AMOUNT)
    is_possible = amount.between(-most, most) & (
        (amount >= 0) | raw.event_type.notin(NEVER_NEGATIVE)
    )
    result: ir.DecimalValue = is_possible.ifelse(amount, ibis.null(AMOUNT)).cast(AMOUNT)
    return result


def has_unread_amount(raw: ir.Table, rule: CleaningRule) -> ir.BooleanValue:
    """Return whether an event came with an amount that could not be read.

    An amount whose currency has no rate was read, and does not count here.

    Such an event counts; only its amount is unknown.
    """
    is_unread = (
        raw.cart_value.notnull() & known_amount(raw, rule).isnull() & raw.unrated_currency.isnull()
    )
    return is_unread & ~is_placeholder(raw.cart_value, MARKS)


def accounted_date(raw: ir.Table, late_days: int) -> ir.DateValue:
    """Return the day that a row counts for: of the event if it came in time, else of arrival."""
    return _is_in_time(raw, late_days).fill_null(NO).ifelse(raw.event_date, raw.received_date)


def quarantined_events(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the rows that count for `days` and are not clean, with their first reject reason."""
    classified = classify(raw, rule, days.widened(before=1, after=rule.late_days))
    return classified.filter(
        classified.reject_reason.notnull(), days.contain(classified.accounted_date)
    )


def clean_copies(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the clean rows of `days`, including surplus copies."""
    # With the reason as a column, as in `classify`, DuckDB would look the lists of the rules up
    # twice for each row.
    reason = _reason(raw, rule, days.widened(before=1, after=rule.late_days))
    return with_known_amounts(raw.filter(reason.isnull(), days.contain(raw.event_date)), rule)


def duplicate_events(
    raw: ir.Table, rule: CleaningRule, days: Days, kept: ir.Table | None = None
) -> ir.Table:
    """Return the rows of `DuplicateEvents` of `days`: ids that several rows have.

    The rules depend on arrivals and on what erasures noted only, so the result does not depend on
    which days are computed together.

    Args:
        raw: Rows that arrived from `late_days` + 2 days before `days` to `late_days` days after
            them.
        rule: The cleaning rule.
        days: The event days to compute.
        kept: The rows of `KeptEventIds`; None for none.
    """
    span = rule.late_days + 1
    near = days.widened(before=2 * span, after=span)
    per_day = repeated_ids(clean_copies(raw, rule, near), rule, kept)
    return per_day.filter(days.contain(per_day.event_date))


def repeated_ids(copies: ir.Table, rule: CleaningRule, kept: ir.Table | None = None) -> ir.Table:
    """Return the rows of `DuplicateEvents` for clean rows that include all rows of each id.

    Rows of one id are copies of one event if they agree in who, what and amount. Others are
    different events: the one that arrived first has the id as received, and each other one has the
    hash of its content behind it. So has a copy that names another order than the one that stays.
    Purchases that repeat one of the same order are surplus, too, of whatever ids.

    Args:
        copies: Clean rows with the columns of `COPY_COLUMNS`, `IN_CONTENT` and `event_at`.
        rule: The cleaning rule.
        kept: The rows of `KeptEventIds`: events that have the hash behind their id in any case.
            None for none.
    """
    names = dict.fromkeys(("event_id", "event_date", "event_at", *IN_CONTENT, *COPY_COLUMNS))
    copies = with_content(ids_that_may_repeat(copies.select(*names), kept))
    per_day = _surplus_counts(copies, rule)
    first = _first_contents(copies, rule)
    per_day = per_day.left_join(first, ["event_date", "event_id"]).drop(
        "event_date_right", "event_id_right"
    )
    is_other = (per_day.content_hash != per_day.first_hash).fill_null(NO) | is_marked(
        per_day.event_id
    )
    is_other |= per_day.is_apart
    if kept is not None:
        noted = kept.select(
            kept_date="event_date", kept_id="event_id", kept_hash="content_hash"
        ).distinct()
        is_noted = [
            per_day.event_date == noted.kept_date,
            per_day.event_id == noted.kept_id,
            per_day.content_hash == noted.kept_hash,
        ]
        per_day = per_day.mutate(is_other=is_other).left_join(noted, is_noted)
        is_other = per_day.is_other | per_day.kept_hash.notnull()
    disagrees = per_day.first_hash.notnull() | is_other | per_day.has_others
    result = per_day.mutate(
        event_id=is_other.ifelse(
            per_day.event_id.concat(ID_MARK, per_day.content_hash), per_day.event_id
        ),
        source_event_id=disagrees.ifelse(per_day.event_id, ibis.null("string")),
        content_hash=disagrees.ifelse(per_day.content_hash, ibis.null("string")),
    )
    return result.filter((result.surplus_count > 0) | result.source_event_id.notnull()).select(
        *DuplicateEvents.columns
    )


def ids_that_may_repeat(copies: ir.Table, kept: ir.Table | None = None) -> ir.Table:
    """Return the rows of ids that may repeat.

    These are ids that other rows have too, that look like the id of another event, whose purchase
    is of an order that another one names, or that are in `kept`.

    A few other rows may be among them: equal ids have equal hashes, but two ids may share one.
    Of rows without their properties nothing is known of orders.
    """
    rows = copies.mutate(id_hash=copies.event_id.hash())
    counted = rows.mutate(is_marked=is_marked(rows.event_id).ifelse(1, 0))
    ids = counted.group_by("id_hash").agg(
        copy_count=counted.count(), marked_count=counted.is_marked.sum()
    )
    ids = ids.filter((ids.copy_count > 1) | (ids.marked_count > 0)).select("id_hash")
    if "properties" in copies.columns:
        of_orders = ids_of_repeated_orders(copies)
        ids = union_all(ids, of_orders.select(id_hash=of_orders.event_id.hash()))
    if kept is not None:
        ids = union_all(ids, kept.select(id_hash=kept.event_id.hash()))
    return rows.semi_join(ids, "id_hash").drop("id_hash")


def is_marked(event_id: ir.StringValue) -> ir.BooleanValue:
    """Return whether an id as received looks like one with the hash of a content.

    Such an id always gets the hash of its own content too, so that nobody can send the id of
    another event.
    """
    result: ir.BooleanValue = event_id.right(len(ID_MARK) + HASH_LENGTH).startswith(ID_MARK)
    return result.fill_null(NO)


def with_content(rows: ir.Table) -> ir.Table:
    """Return received rows with `content_hash`, a hash of who, what and how much, and
    `ordered_hash`, one of that and of the order that a purchase names; null without an order.
    """
    user, device = known(rows.user_id, NOBODY), known(rows.anonymous_id, NOBODY)
    who = ibis.cases(
        (user.notnull(), ibis.literal("user ").concat(user.fill_null(""))),
        (device.notnull(), ibis.literal("device ").concat(device.fill_null(""))),
        else_=ibis.literal("session ").concat(rows.session_id.fill_null("")),
    )
    hashed = _hash_of(who, rows.event_type, *_product_and_amount(rows))
    rows = rows.mutate(content_hash=hashed.substr(0, HASH_LENGTH))
    order = order_of(rows)
    ordered = _hash_of(rows.content_hash, order.fill_null("")).substr(0, HASH_LENGTH)
    return rows.mutate(ordered_hash=order.isnull().ifelse(ibis.null("string"), ordered))


def _hash_of(*parts: ir.StringValue) -> ir.StringValue:
    # The hash of each part has one length, so that no two contents are one text.
    hashed = reduce(
        lambda text, part: text.concat(text_digest(part)), parts[1:], text_digest(parts[0])
    )
    return text_digest(hashed)


def _product_and_amount(rows: ir.Table) -> tuple[ir.StringValue, ...]:
    """Return what an event is about, and for how much, as texts."""
    # In cents, as ids of events that disagree were made before amounts had four digits.
    # DuckDB keeps products of decimals of at most 18 digits to 18, which 10 billion exceed.
    parts_of_cent = (rows.cart_amount.cast("decimal(22, 4)") * 10_000).cast("int64")
    is_whole = parts_of_cent % 100 == 0
    whole, exact = (parts_of_cent // 100).cast("string"), parts_of_cent.cast("string").concat("e-4")
    cents = is_whole.ifelse(whole, exact).fill_null("")
    # Amounts without a rate are unknown, and differ by what was received.
    unrated = rows.unrated_currency.concat(" ", rows.cart_value.fill_null("")).fill_null("")
    product = ibis.literal("product ").concat(rows.product_id).fill_null("")
    return product, cents, unrated


MONEY_TYPES: Final = ("purchase", "refund")
"""The event types that are about money."""


def with_money(rows: ir.Table) -> ir.Table:
    """Return received rows with `money`, their amount, and `is_about_money`.

    Rows of public keys are about no money, as anybody may send such rows.
    """
    is_about_money = rows.event_type.isin(MONEY_TYPES).fill_null(NO) & ~is_public(rows)
    return rows.mutate(money=rows.cart_amount, is_about_money=is_about_money)


def is_public(rows: ir.Table) -> ir.BooleanValue:
    """Return whether a public key sent a row: one that stands in pages, where anybody may read it.

    Rows without a column `sent_by` were sent by none.
    """
    if "sent_by" not in rows.columns:
        return NO
    result: ir.BooleanValue = rows.sent_by.startswith(PUBLIC_SENDER).fill_null(NO)
    return result


def _with_copies(copies: ir.Table, unit: Sequence[str], rule: CleaningRule) -> ir.Table:
    """Return rows with `is_copy`: whether another one of their unit stands for them.

    That is one of its kind, that a public key sent or that none sent, that arrived before it, at
    most `late_days` + 1 days earlier. Copies of one event can only be accepted within this span. If
    an id comes again later, the source has used it for another event. One that a public key sent is
    a copy beside one that none sent, too, which may arrive until rows of its day are no longer
    accepted.
    """
    # In the order of `repeated_purchases`, or two rows could be surplus for each other.
    in_order = [
        copies.received_date,
        copies.arrived_at,
        copies.event_at,
        copies.ordered_hash.fill_null(""),
    ]
    of_kind = ibis.window(group_by=[*unit, "is_public"], order_by=in_order)
    own_date = ibis.cases((copies.is_public == 0, copies.received_date), else_=ibis.null("date"))
    by_day = [copies.received_date, copies.is_public]
    until = ibis.window(group_by=unit, order_by=by_day, rows=(None, 0))
    after = ibis.window(group_by=unit, order_by=by_day, rows=(0, None))
    rows = copies.mutate(
        previous_date=copies.received_date.lag().over(of_kind),
        trusted_before=own_date.max().over(until),
        trusted_after=own_date.min().over(after),
    )
    last_date = (rows.event_date + ibis.interval(days=rule.late_days)).cast("date")
    beside = _is_near(rows, rows.trusted_before, rule)
    beside |= (rows.trusted_after <= last_date).fill_null(NO)
    is_copy = _is_near(rows, rows.previous_date, rule) | ((rows.is_public == 1) & beside)
    return rows.mutate(is_copy=is_copy).drop("previous_date", "trusted_before", "trusted_after")


def _is_near(rows: ir.Table, earlier: ir.DateValue, rule: CleaningRule) -> ir.BooleanValue:
    """Return whether rows arrived so soon after a day that they can be copies of one of it."""
    last = (earlier + ibis.interval(days=rule.late_days + 1)).cast("date")
    return (rows.received_date <= last).fill_null(NO)


def _surplus_counts(copies: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return the events of each day and id by their `content_hash`, with the number of rows that
    are left out.

    Copies of an event are, and purchases that another one of the same order stands for. One that
    `is_apart` by its order has a hash of that, too; `has_others` says whether a day has several.
    """
    order = order_of(copies)
    hashed = _hash_of(order.fill_null(""), *_product_and_amount(copies))
    copies = copies.mutate(
        is_public=is_public(copies).ifelse(1, 0),
        arrived_at=copies.received_at.fill_null(END_OF_DAY),
        order_hash=order.isnull().ifelse(ibis.null("string"), hashed),
    )
    repeats = repeated_purchases(copies, rule.late_days).mutate(is_repeat=~NO)
    joined = copies.left_join(repeats.drop("order_hash").distinct(), OF_ROW)
    rows = joined.select(*copies.columns, is_repeat=joined.is_repeat.fill_null(NO))
    rows = _with_copies(rows, ["event_id", "content_hash"], rule)
    rows = rows.mutate(surplus=(rows.is_copy | rows.is_repeat).ifelse(1, 0))
    rows = rows.drop("is_copy", "is_repeat")
    of_order = ["event_date", "event_id", "ordered_hash"]
    apart = _orders_apart(rows, repeats, rule).mutate(is_apart=~NO)
    joined = rows.left_join(apart, of_order)
    rows = joined.select(*rows.columns, is_apart=joined.is_apart.fill_null(NO))
    of_event = ["event_date", "event_id", "agreed_hash", "content_hash", "is_apart"]
    counts = (
        rows.mutate(
            agreed_hash=rows.content_hash,
            content_hash=rows.is_apart.ifelse(rows.ordered_hash, rows.content_hash),
        )
        .group_by(of_event)
        .agg(
            row_count=lambda t: t.count(),
            surplus=lambda t: t.surplus.sum(),
            first_received_date=lambda t: t.received_date.min(),
            last_received_date=lambda t: t.received_date.max(),
        )
    )
    # Orders that are told apart leave to the other copies the one that stayed of all.
    agreed = ibis.window(group_by=["event_date", "event_id", "agreed_hash"])
    of_id = ibis.window(group_by=["event_date", "event_id"])
    stayed = (counts.row_count - counts.surplus).sum().over(agreed)
    counts = counts.mutate(
        surplus_count=counts.row_count - counts.is_apart.ifelse(1, stayed),
        has_others=counts.content_hash.min().over(of_id) != counts.content_hash.max().over(of_id),
    )
    return counts.mutate(has_kept_copy=counts.surplus_count < counts.row_count)


def _orders_apart(copies: ir.Table, repeats: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return the `event_date`, `event_id` and `ordered_hash` of purchases that would be left out as
    copies of one that names another order.

    The copy that stays of each day is none of them, so what was delivered keeps its id and its
    order. Where it names none, it stands for the first that does.

    Args:
        copies: All copies, with `surplus`.
        repeats: What `repeated_purchases` returns of them.
        rule: The cleaning rule.
    """
    content = ["event_id", "content_hash"]
    orders = copies.group_by(content).agg(
        low=copies.ordered_hash.min(), high=copies.ordered_hash.max()
    )
    rows = copies.semi_join(orders.filter(orders.low != orders.high), content)
    joined = rows.left_join(repeats, [*OF_ROW, "order_hash"])
    rows = joined.select(*rows.columns, is_repeat=joined.is_repeat.fill_null(NO))
    day = ibis.window(group_by=["event_date", *content])
    by_copy = ibis.window(group_by=["event_date", *content], order_by=_copy_order(rows))
    rows = rows.mutate(
        place=ibis.row_number().over(by_copy),
        one_stays=rows.surplus.sum().over(day) < rows.count().over(day),
    )
    stays = (rows.place == 0) & rows.one_stays
    rows = rows.mutate(stays=stays.ifelse(rows.ordered_hash, ibis.null("string")))
    rows = rows.mutate(order_that_stays=rows.stays.max().over(day))
    named = _with_copies(rows.filter(rows.ordered_hash.notnull()), content, rule)
    named = named.rename(is_copy_of_any="is_copy")
    named = _with_copies(named, ["event_id", "ordered_hash"], rule)
    is_apart = named.order_that_stays.isnull().ifelse(
        named.is_copy_of_any, named.ordered_hash != named.order_that_stays
    )
    apart = named.filter(is_apart, ~named.is_copy, ~named.is_repeat)
    return apart.select("event_date", "event_id", "ordered_hash").distinct()


def _first_contents(copies: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return, of ids whose rows near a day disagree, the content that arrived first: `first_hash`.

    It is that of all rows that arrived so near to the day that one can be a copy of an event of it.
    What arrives later never changes it, so what was delivered keeps its id.
    """
    contents = copies.group_by("event_id").agg(
        low=copies.content_hash.min(), high=copies.content_hash.max()
    )
    rows = copies.semi_join(contents.filter(contents.low != contents.high), "event_id")
    days = rows.select("event_date", "event_id").distinct()
    rows = rows.mutate(is_public=is_public(rows).ifelse(1, 0)).drop("event_date")
    near = days.join(rows, "event_id")
    first = (near.event_date - ibis.interval(days=rule.late_days + 2)).cast("date")
    last = (near.event_date + ibis.interval(days=rule.late_days)).cast("date")
    near = near.filter(near.received_date >= first, near.received_date <= last)
    unit = ["event_date", "event_id"]
    in_order = [
        near.received_date,
        near.received_at.fill_null(END_OF_DAY),
        near.is_public,
        near.content_hash,
    ]
    placed = near.mutate(
        low=near.content_hash.min().over(ibis.window(group_by=unit)),
        high=near.content_hash.max().over(ibis.window(group_by=unit)),
        place=ibis.row_number().over(ibis.window(group_by=unit, order_by=in_order)),
    )
    placed = placed.filter(placed.place == 0, placed.low != placed.high)
    return placed.select(*unit, first_hash="content_hash")


def _copy_order(rows: ir.Table) -> list[ir.Value]:
    """Return the sort keys of copies: without a public key first, then by arrival and content.

    Rows that tie are equal in all that they say.
    """
    texts = [rows[name].fill_null("") for name in PAYLOAD]
    # Nothing of a field that is not known, so that rows without one stay in the order they had.
    said = [ibis.literal(f"\x1f{name}=").concat(rows[name]).fill_null("") for name in CAMPAIGN]
    return [
        is_public(rows).ifelse(1, 0),
        rows.received_date,
        rows.received_at.fill_null(END_OF_DAY),  # engines sort nulls differently
        text_digest(ibis.literal("\x1f").join(texts).concat(*said)),
        rows.source_file.fill_null(""),
        *([rows.sent_by.fill_null("")] if "sent_by" in rows.columns else []),
    ]


EVENT_COPIES: Final = CopyRule(("event_date", "clean_event_id"), _copy_order)
"""Which of the rows of `with_event_ids` counts."""


def unique_copies(
    copies: ir.Table, duplicates: ir.Table, repeated: ir.Table | None = None
) -> ir.Table:
    """Return clean rows without surplus copies, each under the id of its event.

    Args:
        copies: Clean rows of some days.
        duplicates: The rows of `DuplicateEvents` for the same days.
        repeated: Those of `copies` that are in `duplicates`, with the columns of `COPY_COLUMNS`;
            None if `copies` have these columns.
    """
    ordinary = copies.anti_join(received_ids(duplicates), ["event_date", "event_id"])
    named = with_event_ids(copies if repeated is None else repeated, duplicates)
    counted = counted_copies(named.filter(named.has_kept_copy), EVENT_COPIES)
    counted = counted.mutate(event_id=counted.clean_event_id).select(*copies.columns)
    return union_all(ordinary, counted)


def with_event_ids(copies: ir.Table, duplicates: ir.Table) -> ir.Table:
    """Return the clean rows of ids in `DuplicateEvents`, with their `clean_event_id`.

    They have `has_kept_copy`, too: whether one copy of the event and day stays.
    """
    events = duplicates.select(
        day="event_date",
        received_id=ibis.coalesce(duplicates.source_event_id, duplicates.event_id),
        clean_event_id="event_id",
        of_content="content_hash",
        has_kept_copy="has_kept_copy",
    )
    copies = copies.semi_join(received_ids(duplicates), ["event_date", "event_id"])
    rows = with_content(copies)
    # An event that its order alone tells apart has a hash of the order, too.
    apart = events.select("day", "received_id", ordered_hash="of_content")
    rows = rows.left_join(
        apart,
        [
            rows.event_date == apart.day,
            rows.event_id == apart.received_id,
            rows.ordered_hash == apart.ordered_hash,
        ],
    )
    rows = rows.mutate(content_hash=ibis.coalesce(rows.ordered_hash_right, rows.content_hash))
    # Where an id has no other content, the row of `DuplicateEvents` says none.
    is_of_event = events.of_content.isnull() | (events.of_content == rows.content_hash)
    rows = rows.join(
        events, [rows.event_date == events.day, rows.event_id == events.received_id, is_of_event]
    )
    return rows.select(*copies.columns, "clean_event_id", "has_kept_copy")


def surplus_rows(copies: ir.Table, duplicates: ir.Table) -> ir.Table:
    """Return the clean rows that are surplus copies, under the ids of their events.

    The arguments are those of `unique_copies`.
    """
    rows = numbered_copies(with_event_ids(copies, duplicates), EVENT_COPIES)
    rows = rows.filter((rows[COPY_NUMBER] > 0) | ~rows.has_kept_copy)
    return rows.mutate(event_id=rows.clean_event_id).select(*copies.columns)


def received_ids(duplicates: ir.Table) -> ir.Table:
    """Return the days and ids, as received, of the rows of `DuplicateEvents`."""
    ids = duplicates.select(
        "event_date", event_id=ibis.coalesce(duplicates.source_event_id, duplicates.event_id)
    )
    return ids.distinct()


def is_well_formed(event_type: ir.StringValue) -> ir.BooleanValue:
    """Return whether text can be an event type.

    It must have 1 to 255 characters, no control characters, and no space at either end.
    """
    has_length = event_type.length().between(1, LONGEST_EVENT_TYPE)
    has_space_at_an_end = event_type.startswith(" ") | event_type.endswith(" ")
    result: ir.BooleanValue = (
        has_length & ~has_space_at_an_end & ~event_type.re_search(NOT_IN_EVENT_TYPES)
    )
    return result.fill_null(NO)


def _refused_types(
    event_type: ir.StringValue, rule: CleaningRule
) -> list[tuple[ir.BooleanValue, str]]:
    # The platform's own types are tested first, because checking each character is the most
    # expensive test of a row.
    malformed = event_type.isnull() | (event_type.notin(EVENT_TYPES) & ~is_well_formed(event_type))
    refused = [(malformed, "malformed_event_type")]
    if rule.event_types is not None:
        refused.append((event_type.notin(rule.event_types), "unknown_event_type"))
    return refused


def _is_in_time(raw: ir.Table, late_days: int) -> ir.BooleanValue:
    day_after = raw.received_date + ibis.interval(days=1)
    last_day = raw.event_date + ibis.interval(days=late_days)
    return (raw.event_date <= day_after.cast("date")) & (raw.received_date <= last_day.cast("date"))


def _has_no_identity(raw: ir.Table) -> ir.BooleanValue:
    """Return whether a row has no id but placeholders; one of them hides no other id."""
    # Not by `&`, because engines would look every id up in the list.
    user, session, device = (_is_nobody(raw[name]) for name in IDS)
    return user.ifelse(session.ifelse(device, NO), NO)


def _has_no_consent(raw: ir.Table) -> ir.BooleanValue:
    # A refusal is no placeholder: the session says no more of who it was.
    is_refused = (ibis.coalesce(raw.user_id, raw.session_id).lower() == NO_CONSENT).fill_null(NO)
    return is_refused & _is_nobody(raw.anonymous_id)


def _is_nobody(value: ir.StringValue) -> ir.BooleanValue:
    return is_placeholder(value, NOBODY).fill_null(~NO)


OF_IDENTITY = ("visitor_id", "joined_by", "session_device_id")
"""The columns of `CleanEvents` that the identity rule adds."""


def as_clean_events(
    copies: ir.Table, robots: Sequence[str] | None = None, among: ir.Table | None = None
) -> ir.Table:
    """Return unique copies in the columns of `CleanEvents`, without `OF_IDENTITY`.

    Columns that cannot be computed from those of `copies` are left out.

    Placeholders of users, devices, sessions and products are left out.

    Args:
        copies: Unique copies.
        robots: The user agents of robots among theirs, if they are known.
        among: A table that has at least their user agents and costs less to read, such as the
            received rows; None for none.
    """
    renamed = without_placeholders(
        copies.rename(source_session_id="session_id", device_id="anonymous_id")
    )
    if "user_agent" in renamed.columns:
        agent = renamed.user_agent
        is_bot = is_robot(agent, robots) if among is None else is_true_of(agent, is_robot, among)
        renamed = renamed.mutate(is_bot=is_bot)
    return renamed.select(*(name for name in CleanEvents.columns if name in renamed.columns))


def without_placeholders(events: ir.Table) -> ir.Table:
    """Return events in which placeholders of ids are null."""
    words = {
        "user_id": NOBODY,
        "device_id": NOBODY,
        "source_session_id": NOBODY,
        "product_id": NO_PRODUCTS,
    }
    return events.mutate(
        **{
            name: known(events[name], some)
            for name, some in words.items()
            if name in events.columns
        }
    )


def clean_events(raw: ir.Table, duplicates: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the clean events of `days`, each once, without the columns `OF_IDENTITY`.

    Args:
        raw: As in `clean_copies`.
        duplicates: The rows of `DuplicateEvents` for the same days.
        rule: The cleaning rule.
        days: The event days to compute.
    """
    copies = unique_copies(clean_copies(raw, rule, days), duplicates)
    return as_clean_events(copies, among=raw)


def accounting(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    days: Days | None,
    late_days: int,
    raw: ir.Table,
    clean: ir.Table,
    quarantined: ir.Table,
    surplus: ir.Table,
) -> ir.Table:
    """Return the row counts of each day, in `day`, and their `residue`, which must be zero."""
    if days is not None:
        raw = raw.filter(
            days.widened(before=1, after=late_days).contain(raw[str(RawEvents.day_column)])
        )
    return balance(
        days,
        {
            "received_count": (raw.select(day=accounted_date(raw, late_days)), "day", None),
            "clean_count": (clean, "event_date", None),
            "quarantined_count": (quarantined, "accounted_date", None),
            "surplus_count": (surplus, "event_date", "surplus_count"),
        },
    )
