"""Convert rows to JSON payloads with DuckDB in this process,
from the SQL expressions in each tool's module.

The rows come as Arrow tables, so the warehouse may be any database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from ecom_assets.behaviour.identity.links import ZEROS
from ecom_assets.commerce.customers.contracts import UNKNOWN
from ecom_assets.core.tables.placeholders import JOINS_NOBODY
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.delivery.destination import PAYLOADS
from ecom_assets.outputs.delivery.event_properties import PropertyRule, fitted_column
from ecom_assets.outputs.delivery.hashed_addresses import without_addresses

_PLACEHOLDERS = ", ".join(map(text, JOINS_NOBODY))
SIGN_IN = "identify:"
"""How the ids of records begin that only say that a user signed in on a device."""
EVENT_KEYS = {
    "record_id": f"CASE WHEN is_sign_in THEN {text(SIGN_IN)} ELSE '' END || event_id || '@' || "
    "strftime(event_at, '%Y-%m-%d')",
    "at_us": "epoch_us(event_at)",
    "known_user": "CASE WHEN $user_key = 'user_id' THEN user_id "
    "WHEN NOT starts_with(visitor_id, 'anon-') THEN visitor_id END",
    "substitute": (
        "CASE WHEN $user_key = 'user_id' THEN coalesce('anon-' || source_session_id, "
        "visitor_id) ELSE visitor_id END"
    ),
    "device": "coalesce(device_id, substitute)",
    "is_unlinked": f"coalesce(joins_nobody OR lower(user_id) IN ({_PLACEHOLDERS}) "
    f"OR regexp_matches(user_id, {text(ZEROS)}), false)",
    "page": "CASE $urls WHEN 'whole' THEN page_url ELSE split_part(page_url, '?', 1) END",
    "referrer": (
        "CASE $urls WHEN 'whole' THEN referrer_url ELSE split_part(referrer_url, '?', 1) END"
    ),
}
"""The SQL of what every tool needs of an event, by name.

record_id: The source's id and the day, because a source may reuse an id for another event days
later; of a record that only says who signed in, it begins with `SIGN_IN`. known_user: The user of
the event, null for anonymous visitors. device: the device, else `substitute`: the id of an
anonymous visitor. is_unlinked: whether too many share the user or the device, or the user stands
for none, such as `guest`: a tool that got both would join them.
"""
USER_PROPERTIES = {
    "customer_segment": "segment",
    "customer_tier": "customer_tier",
    "lifetime_value": "lifetime_value_amount",
    "churn_risk": "round(churn_risk_rate, 4)",
}
"""The names of user properties in tools.

Risks are rounded to four digits, because refitting the model changes the digits after them.
"""


LATEST = ("last_session_channel", "funnel_step")
"""The names, and the columns, of the user properties that `ECOM_DELIVERY_USER_PROPERTIES` adds."""
LATEST_CHARACTERS = 36
"""Longer values are left out: GA4 takes no more, and a step is no reason to refuse a user."""
VISITOR_SEGMENTS = "visitor_segments"
"""The name of the user property in tools."""
SEGMENT_LIST = (
    "CASE WHEN visitor_segments = '' THEN []::VARCHAR[] ELSE "
    "list_sort(string_split(visitor_segments, chr(10))) END"
)
"""The SQL of a user's visitor segments as a list; null if none is declared."""
NO_SEGMENTS = "(none)"


def segments_joined(joint: str) -> str:
    """Return the SQL of a user's visitor segments as one text, for tools that take no lists;
    null if none is declared.

    A visitor in none of them gets a text too, because such tools cannot take a property back.
    """
    return (
        f"CASE WHEN visitor_segments = '' THEN {text(NO_SEGMENTS)} "
        f"ELSE array_to_string({SEGMENT_LIST}, {text(joint)}) END"
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row cannot be sent: a fixed reason, a sentence, and the SQL condition,
    where null means false.
    """

    reason: str
    message: str
    when: str


@dataclass(frozen=True, slots=True)
class PayloadForm:
    """How a tool's payload is made from a row, in SQL over the row's columns."""

    user_key: str
    payload: str
    refusals: Sequence[Refusal]
    """If several conditions are true, the first one is reported."""
    most_bytes: int
    """Maximum size of a payload."""
    named: Mapping[str, str]
    """Additional columns; each may use the ones before it."""
    properties: PropertyRule | None = None
    """What the tool takes of an event's properties; None if the rows are users."""
    former: str = "NULL"
    """The payload as an earlier release wrote it, so that nothing it sent counts as changed."""

    def payloads(self, rows: pa.Table, sent_at: datetime, choices: "EventChoices") -> pa.Table:
        """Return the `PAYLOADS` for rows of events (`EVENT_COLUMNS`) or users (`USER_COLUMNS`)."""
        if choices.addresses == "plain":
            return self._payloads_as_they_are(rows, sent_at, choices)
        hashed_rows, has_address = without_addresses(rows)
        payloads = self._payloads_as_they_are(hashed_rows, sent_at, choices)
        if not pc.any(has_address).as_py():
            return payloads
        # As earlier releases sent them; and the ledger knows users by their own id.
        plain = self._payloads_as_they_are(rows, sent_at, choices)
        former = pc.if_else(
            has_address, pc.coalesce(plain["former"], plain["payload"]), payloads["former"]
        )
        columns = {name: payloads[name] for name in PAYLOADS.names}
        columns |= {"record_id": plain["record_id"], "former": former}
        return pa.table(columns, schema=PAYLOADS)

    def _payloads_as_they_are(
        self, rows: pa.Table, sent_at: datetime, choices: "EventChoices"
    ) -> pa.Table:
        if self.properties is None:
            return _user_payloads(rows, self)
        return _event_payloads(rows, self, self.properties, choices, sent_at)


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )


def json_object(fields: Mapping[str, str], *more: str) -> str:
    """Return the SQL of a JSON object, from names and the SQL of their values;
    null values are left out.

    `more` is the SQL of texts that already contain fields.
    """
    each = [f"{text(chr(34) + name + chr(34) + ':')} || {sql}" for name, sql in fields.items()]
    return f"concat('{{', concat_ws(',', {', '.join([*each, *more])}), '}}')"


def json_value(sql: str) -> str:
    """Return the SQL of a value as JSON text."""
    return f"to_json({sql})::VARCHAR"


def money_json(sql: str) -> str:
    """Return the SQL of an amount as JSON text: with two decimals,
    as records had it before amounts could have more.

    An amount of more digits has three or four, so that no record changes that was sent already.
    """
    by_digits = " ".join(
        f"WHEN ({sql}) = round({sql}, {digits}) THEN "
        f"{json_value(f'({sql})::DECIMAL(38, {digits})')}"
        for digits in (2, 3)
    )
    return f"CASE {by_digits} ELSE {json_value(sql)} END"


EVENT_PROPERTIES = {
    "event_id": json_value("event_id"),
    "session_id": json_value("source_session_id"),
    "product_id": json_value("product_id"),
    "product_category": json_value("product_category"),
    "page_url": json_value("page"),
    "referrer_url": json_value("referrer"),
}
"""The SQL of the properties of an event that are no properties of its source, by the names that
tools without their own names for them get.
"""
MEASURES = {"characters": "length", "bytes": "strlen"}
"""The SQL functions of the length of a text, by unit."""


def any_longer(columns: str, most: int, measure: str = "length") -> str:
    """Return the SQL that checks whether any text is too long, by one of `MEASURES`."""
    return " OR ".join(
        f"coalesce({measure}({column}), 0) > {most}" for column in columns.split(", ")
    )


def nothing_known(tool: str) -> Refusal:
    """Return the refusal of customers without any property in the column `known`."""
    return Refusal(
        "nothing_known",
        f"Nothing is known of this customer that {tool} could be sent.",
        "known = '{}'",
    )


def text_too_long(
    tool: str, columns: str, most: int, unit: str = "characters", subject: str = ""
) -> Refusal:
    """Return the refusal of texts that a tool would truncate;
    `subject` names the columns in other words.
    """
    message = f"{subject or f'One of {columns}'} has more than the {most} {unit} that {tool} takes."
    return Refusal("text_too_long", message, any_longer(columns, most, MEASURES[unit]))


def segment_too_long(tool: str, most: int, unit: str = "characters") -> Refusal:
    """Return the refusal of names of visitor segments, in `segment_list`,
    that a tool would truncate.
    """
    message = f"The name of a visitor segment has more than the {most} {unit} that {tool} takes."
    longer = f"len(list_filter(segment_list, lambda one: {MEASURES[unit]}(one) > {most})) > 0"
    return Refusal("segment_too_long", message, longer)


def user_texts_too_long(tool: str, most: int) -> list[Refusal]:
    """Return the refusals of users whose texts, or names of segments,
    are longer than a tool takes, in characters.
    """
    message = (
        f"The names of the visitor segments have more than the {most} characters that {tool} takes."
    )
    return [
        text_too_long(tool, "segment, customer_tier", most, subject="The segment or tier"),
        Refusal("segments_too_long", message, any_longer("joined_segments", most)),
    ]


def forbidden_id(tool: str, column: str, ids: Sequence[str], also: str = "false") -> Refusal:
    """Return the refusal of ids that a tool does not accept: none at all, some of `ids`,
    or those that meet `also`.
    """
    message = f"{tool} refuses this user id, because many trackers send it where they know none."
    listed = ", ".join(map(text, ids))
    return Refusal(
        "forbidden_id", message, f"{column} IS NULL OR lower({column}) IN ({listed}) OR {also}"
    )


def id_length(reason: str, message: str, column: str, most: int) -> Refusal:
    """Return the refusal of ids that are empty or longer than a tool takes, in characters."""
    return Refusal(
        reason, message, f"{column} IS NULL OR length({column}) NOT BETWEEN 1 AND {most}"
    )


def known_properties(segments: str) -> dict[str, str]:
    """Return the SQL of what is known of a user, by the name of the property;
    `segments` is that of their segments.
    """
    values = user_values(segments).items()
    return {
        name: money_json(sql) if sql.endswith("_amount") else json_value(sql)
        for name, sql in values
    }


def user_values(segments: str) -> dict[str, str]:
    """Return the same as values in SQL, before they are JSON."""
    latest = {
        name: f"CASE WHEN length({name}) <= {LATEST_CHARACTERS} THEN {name} END" for name in LATEST
    }
    return {**USER_PROPERTIES, VISITOR_SEGMENTS: segments, **latest}


@dataclass(frozen=True, slots=True)
class EventChoices:
    """A shop's options for the events that are sent to tools."""

    user_key: Literal["visitor_id", "user_id"] = "visitor_id"
    """The user of an event: the visitor that identity resolution assigned,
    or only the user id in the event itself.
    """
    properties: tuple[str, ...] = ()
    """Names of the properties to send; empty: all. Sending fewer shares less personal data."""
    urls: Literal["whole", "without_query"] = "whole"
    """Whether page URLs include the query string, which can be long and contain personal data."""
    currency: str | None = "USD"
    """The ISO 4217 currency of every amount, because events have no currency;
    None sends amounts without one.
    """
    cart_value: Literal["cart", "item"] = "cart"
    """The meaning of `cart_amount`: the value of the whole cart, or the price of the item."""
    addresses: Literal["hashed", "plain"] = "hashed"
    """How ids that are mail addresses are sent."""


def _event_payloads(
    rows: pa.Table,
    form: PayloadForm,
    properties: PropertyRule,
    choices: EventChoices,
    sent_at: datetime,
) -> pa.Table:
    events = conformed(rows, EVENT_ROWS)
    fitted = fitted_column(events["properties"], properties, choices.properties)
    for name, column in (
        ("fields", "property_fields"),
        ("reason", "property_reason"),
        ("words", "property_words"),
    ):
        events = events.append_column(column, fitted[name])
    events = events.append_column("order_id", fitted["order_id"]).append_column(
        "search_term", fitted["search_term"]
    )
    values = {
        "user_key": choices.user_key,
        "urls": choices.urls,
        "currency": choices.currency,
        "cart_value": choices.cart_value,
        "sent_us": int(
            (sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)).timestamp() * 1_000_000
        ),
    }
    return _payloads(events, form, {**EVENT_KEYS, **form.named}, values)


def _user_payloads(rows: pa.Table, form: PayloadForm) -> pa.Table:
    users = conformed(rows, USER_ROWS)
    tiers = users["customer_tier"]
    tiers_set = pc.if_else(pc.equal(tiers, UNKNOWN), pa.scalar(None, pa.string()), tiers)
    users = users.set_column(users.column_names.index("customer_tier"), "customer_tier", tiers_set)
    for column in ("property_reason", "property_words"):
        users = users.append_column(column, pa.nulls(len(users), pa.string()))
    return _payloads(users, form, {"record_id": "customer_id", **form.named}, {})


def _payloads(
    rows: pa.Table, form: PayloadForm, named: Mapping[str, str], values: Mapping[str, object]
) -> pa.Table:
    source = "rows"
    for name, sql in named.items():
        source = f"(SELECT *, {sql} AS {name} FROM {source})"  # noqa: S608 (as below)
    whens = " ".join(
        f"WHEN {refusal.when} THEN {text(refusal.reason)}" for refusal in form.refusals
    )
    messages = " ".join(
        f"WHEN {text(refusal.reason)} THEN {text(refusal.message)}" for refusal in form.refusals
    )
    too_large = f"As JSON it has more than the {form.most_bytes} bytes that a record may have."
    query = f"""
        SELECT record_id, user_key, CASE WHEN reason IS NULL THEN payload END AS payload, reason,
               CASE reason WHEN 'too_large' THEN {text(too_large)} {messages}
                 ELSE property_words END
               AS words,
               CASE WHEN reason IS NULL THEN former END AS former
        FROM (
            SELECT record_id, user_key, payload, former, property_words,
                   coalesce(refused, CASE WHEN strlen(payload) > {form.most_bytes}
                     THEN 'too_large' END) AS reason
            FROM (
                SELECT record_id, coalesce({form.user_key}, '') AS user_key, {form.payload}
                  AS payload, {form.former} AS former, property_words,
                       CASE {whens} WHEN property_reason IS NOT NULL THEN property_reason END
                         AS refused
                FROM {source}
            )
        )
    """  # noqa: S608 (names and conditions are this package's own; values are parameters)
    used = {name: value for name, value in values.items() if f"${name}" in query}
    with (
        _engine().cursor() as engine
    ):  # a separate connection per call, because threads cannot share one
        engine.register("rows", rows)
        return engine.sql(query, params=used).to_arrow_table().cast(PAYLOADS)


EVENT_ROWS = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("event_type", pa.string()),
        ("visitor_id", pa.string()),
        ("user_id", pa.string()),
        ("device_id", pa.string()),
        ("source_session_id", pa.string()),
        ("product_id", pa.string()),
        ("product_category", pa.string()),
        ("page_url", pa.string()),
        ("referrer_url", pa.string()),
        ("cart_amount", pa.decimal128(18, 4)),
        ("properties", pa.string()),
        ("joins_nobody", pa.bool_()),
        ("is_sign_in", pa.bool_()),
        ("session_started_at", pa.timestamp("us")),
    ]
)
EVENT_COLUMNS = tuple(EVENT_ROWS.names)
"""The columns of `staging.events` that event payloads need. Rows of bots are excluded.

joins_nobody: whether the event does not join its user and its device; see `pending.events_due`.
is_sign_in: whether the record only says that the user signed in on the device; most tools get none.
session_started_at: the start of the event's source session, for tools that know sessions by it, as
they were sent it first; null for an event without a source session, and for other tools.
"""
USER_ROWS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("segment", pa.string()),
        ("customer_tier", pa.string()),
        ("lifetime_value_amount", pa.decimal128(38, 4)),
        ("churn_risk_rate", pa.float64()),
        ("visitor_segments", pa.string()),
        *((name, pa.string()) for name in LATEST),
    ]
)
USER_COLUMNS = tuple(USER_ROWS.names)
"""The columns that user payloads need, one row per customer.

segment: From `mart.customer_segments`. customer_tier: From the current row of `staging.customers`.
lifetime_value_amount: From `mart.lifetime_value`. churn_risk_rate: 1 minus its alive_probability.
visitor_segments: The names of visitor segments, one to a line; an empty text for a visitor who is
in none. last_session_channel, funnel_step: See `totals.latest_of_visitors`. All but the first may
be null, which means unknown, as a tier of `unknown` does.
"""


def conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema, cast to its types, because types differ between databases."""
    columns = [_naive(rows[field.name]).cast(field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _naive(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove the time zone: times are in UTC with or without one."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
    return column


TITLED = {
    "page_view": "Page Viewed",
    "product_view": "Product Viewed",
    "category_view": "Product List Viewed",
    "search": "Products Searched",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "checkout_start": "Checkout Started",
    "purchase": "Order Completed",
    "refund": "Order Refunded",
}
"""Event names of Segment's e-commerce specification, which shops use in most analytics tools."""


def names_as(names: Mapping[str, str]) -> str:
    """Return the SQL of an event's name in a tool; custom event types keep their name."""
    each = " ".join(
        f"WHEN {text(event_type)} THEN {text(tool_name)}" for event_type, tool_name in names.items()
    )
    return f"CASE event_type {each} ELSE event_type END"


def hashes_of(column: pa.ChunkedArray) -> pa.Array:
    """Return the 64-bit XXH3 hash of each text (`string`, as UTF-8) as `uint64`; null becomes 0.

    It needs a seventh of the time of MD5. Its definition is final, so hashes in a ledger stay
    valid.
    """
    texts = column.to_pylist()
    return pa.array(
        [0 if text is None else xxh3_64_intdigest(text.encode()) for text in texts], pa.uint64()
    )


def joined(payloads: Sequence[str], head: str, tail: str) -> bytes:
    """Return all payloads joined by commas, between `head` and `tail`."""
    return f"{head}{','.join(payloads)}{tail}".encode()


Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


def cut(payloads: pa.Table, *, most_records: int, most_bytes: int) -> Iterator[pa.Table]:
    """Yield batches in order, each as large as the limits allow.

    Args:
        payloads: `PAYLOADS` that can be sent. One that is larger than `most_bytes` becomes a
            separate batch.
        most_records: Maximum number of records in a batch.
        most_bytes: Maximum bytes of the records in a batch, counting a comma after each.
    """
    begin = 0
    for end in _ends(_sizes(payloads), most_records, most_bytes):
        yield payloads.slice(begin, end - begin)
        begin = end


def cut_by(
    payloads: pa.Table, key: pa.ChunkedArray, *, most_records: int, most_bytes: int
) -> Iterator[pa.Table]:
    """Yield batches of records with the same key.

    Keys, and the records of a key, stay in their order.
    """
    codes = key.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    numbers = codes.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(numbers, kind="stable")
    together = payloads.take(pa.array(order))
    changes = np.flatnonzero(np.diff(numbers[order])) + 1
    bounds = [0, *changes.tolist(), len(payloads)] if len(payloads) else [0]
    sizes = _sizes(together)
    for first, last in pairwise(bounds):
        begin = first
        for end in _ends(sizes[first:last], most_records, most_bytes):
            yield together.slice(begin, first + end - begin)
            begin = first + end


def _sizes(payloads: pa.Table) -> Sizes:
    sizes: Sizes = pc.binary_length(payloads["payload"]).to_numpy()
    return sizes.astype(np.int64) + 1


def _ends(sizes: Sizes, most_records: int, most_bytes: int) -> Iterator[int]:
    """Yield the end of each batch: as many records as the limits allow, at least one."""
    until = np.cumsum(sizes)
    begin, before = 0, 0
    while begin < len(sizes):
        by_bytes = int(np.searchsorted(until, before + most_bytes, side="right"))
        end = max(begin + 1, min(by_bytes, begin + most_records))
        yield end
        begin, before = end, int(until[end - 1])
