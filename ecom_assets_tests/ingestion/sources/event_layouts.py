"""One story in the export layouts of tools, each after its vendor's documentation (the
address is in its docstring).

Ann opens a page, views a lamp, puts it into the cart, begins to check out, signs in and buys it for
19.90. Bob views it and puts it into the cart; Cem views it. So 3 of them view, 2 put it into the
cart, 1 buys. They are known by their devices, and Ann by her user once she has signed in.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets_tests.fresh_duckdb import fresh_duckdb

Row = dict[str, Any]
URL, REFERRER = "https://shop.example/lamp", "https://search.example/"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Act(NamedTuple):
    """What somebody does: minutes after the start, the device, the user if signed in, and what."""

    minute: int
    device: str
    user: str | None
    kind: str

    @property
    def at(self) -> datetime:
        """When."""
        return START + timedelta(minutes=self.minute)

    @property
    def epoch_s(self) -> int:
        """When, in seconds."""
        return int(self.at.timestamp())

    @property
    def iso(self) -> str:
        """When, as most tools write it."""
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    @property
    def id(self) -> str:
        """Its own id."""
        return f"5f7c1a52-0000-4000-8000-{self.minute:012}"


STORY = [
    Act(0, "d-ann", None, "page"),
    Act(1, "d-ann", None, "view"),
    Act(2, "d-ann", None, "add"),
    Act(3, "d-ann", None, "checkout"),
    Act(4, "d-ann", "u-ann", "sign_in"),
    Act(5, "d-ann", "u-ann", "buy"),
    Act(10, "d-bob", None, "view"),
    Act(11, "d-bob", None, "add"),
    Act(20, "d-cem", None, "view"),
]
SPEC_NAMES = {
    "view": "Product Viewed",
    "add": "Product Added",
    "checkout": "Checkout Started",
    "buy": "Order Completed",
}
LAMP = {"product_id": "lamp", "category": "light", "price": 19.9, "quantity": 1}
"""The e-commerce specification of Segment, which the senders of several tools follow."""


def properties(act: Act) -> Row:
    """Return the properties of an event by that specification."""
    if act.kind in {"view", "add"}:
        return {**LAMP, "currency": "EUR"}
    order = {"order_id": "o-1", "currency": "EUR", "products": [LAMP]}
    return (
        {**order, "value": 19.9}
        if act.kind == "checkout"
        else {**order, "revenue": 19.9, "total": 24.8}
    )


def json_lines(rows: list[Row]) -> bytes:
    """Return an object per line."""
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def parquet(path: Path, rows: list[Row]) -> Path:
    """Write rows as Parquet, with the types that the engine finds in them."""
    lines = path.with_name("rows.ndjson")
    lines.write_bytes(json_lines(rows))
    with fresh_duckdb() as con:
        con.execute(
            f"COPY (FROM read_ndjson('{lines}', sample_size=-1)) TO '{path}' (FORMAT parquet)"
        )
    lines.unlink()
    return path


def csv_file(path: Path, rows: list[Row]) -> Path:
    """Write rows as CSV; nested values are JSON text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in row.items()}
        )
    path.write_text(text.getvalue())
    return path


def segment_calls(**more: Any) -> list[Row]:
    """Return calls: segment.com/docs/connections/spec/common, …/spec/ecommerce/v2."""
    calls = []
    for act in STORY:
        call: Row = {
            "messageId": act.id,
            "anonymousId": act.device,
            "timestamp": act.iso,
            "originalTimestamp": act.iso,
            "receivedAt": act.iso,
            "context": {"page": {"url": URL, "referrer": REFERRER}, "userAgent": "Firefox", **more},
            "integrations": {},
        }
        if act.user:
            call["userId"] = act.user
        if act.kind == "page":
            call |= {
                "type": "page",
                "properties": {"url": URL, "referrer": REFERRER, "path": "/lamp"},
            }
        elif act.kind == "sign_in":
            call |= {"type": "identify", "traits": {"email": "ann@example.com"}}
        else:
            call |= {"type": "track", "event": SPEC_NAMES[act.kind], "properties": properties(act)}
        calls.append(call)
    return calls


def segment(folder: Path) -> Path:
    """Amazon S3 destination: segment-logs/SOURCE/RECEIVED_DAY/FILE.gz, gzipped JSON lines."""
    path = folder / "1772445600000.abc.def.gz"
    path.write_bytes(gzip.compress(json_lines(segment_calls())))
    return path


def rudderstack(folder: Path) -> Path:
    """Return an object storage dump: as Segment's, with context.sessionId;
    rudderstack.com/docs, Event spec.
    """
    path = folder / "1772445600.source.json.gz"
    path.write_bytes(gzip.compress(json_lines(segment_calls(sessionId=1772445600))))
    return path


def segment_tables(folder: Path) -> Path:
    """Tables in a warehouse: segment.com/docs/connections/storage/warehouses/schema."""
    tables: dict[str, list[Row]] = {}
    for act in STORY:
        row: Row = {
            "id": act.id,
            "anonymous_id": act.device,
            "user_id": act.user,
            "timestamp": act.iso,
            "context_page_url": URL,
            "context_page_referrer": REFERRER,
            "context_user_agent": "Firefox",
        }
        if act.kind == "page":
            tables.setdefault("pages", []).append(
                {**row, "url": URL, "path": "/lamp", "referrer": REFERRER}
            )
        elif act.kind == "sign_in":
            tables.setdefault("identifies", []).append({**row, "email": "ann@example.com"})
        else:
            name = SPEC_NAMES[act.kind].lower().replace(" ", "_")
            own = properties(act) | (
                {"products": json.dumps([LAMP])} if act.kind in {"checkout", "buy"} else {}
            )
            tables.setdefault(name, []).append(
                {**row, "event": name, "event_text": SPEC_NAMES[act.kind], **own}
            )
    for name, rows in tables.items():
        csv_file(folder / f"{name}.csv", rows)
    return folder


def posthog_rows(*, is_text: bool) -> list[Row]:
    """Return rows of the events model: posthog.com/docs/cdp/batch-exports/s3."""
    rows = []
    for act in STORY:
        own: Row = {
            "$device_id": act.device,
            "$session_id": f"s-{act.device}",
            "$current_url": URL,
            "$referrer": REFERRER,
            "$raw_user_agent": "Firefox",
        }
        own |= properties(act) if act.kind in SPEC_NAMES else {}
        own |= {"$anon_distinct_id": act.device} if act.kind == "sign_in" else {}
        name = {"page": "$pageview", "sign_in": "$identify", **SPEC_NAMES}[act.kind]
        rows.append(
            {
                "uuid": act.id,
                "event": name,
                "properties": json.dumps(own) if is_text else own,
                "distinct_id": act.user or act.device,
                "person_id": f"person-{act.device}",
                "team_id": 1,
                "timestamp": act.at.strftime("%Y-%m-%d %H:%M:%S.000000"),
                "created_at": act.iso,
                "person_properties": "{}",
                "_inserted_at": act.iso,
            }
        )
    return rows


def posthog_json(folder: Path) -> Path:
    """Return a batch export as JSON lines, with its manifest beside it."""
    (folder / "2026-03-02-2026-03-03.jsonl.gz").write_bytes(
        gzip.compress(json_lines(posthog_rows(is_text=False)))
    )
    (folder / "2026-03-02-2026-03-03_manifest.json").write_text(
        '{"files": ["2026-03-02-2026-03-03.jsonl.gz"]}'
    )
    return folder


def posthog_parquet(folder: Path) -> Path:
    """Return a batch export as Parquet whose name says how its columns are compressed,
    with its manifest.
    """
    parquet(folder / "events.parquet.zst", posthog_rows(is_text=True))
    (folder / "manifest.json").write_text('{"files": ["events.parquet.zst"]}')
    return folder


def posthog_csv(folder: Path) -> Path:
    """Return what the SQL editor saves of
    `SELECT uuid, event, timestamp, distinct_id, properties FROM events`.
    """
    columns = ("uuid", "event", "timestamp", "distinct_id", "properties")
    return csv_file(
        folder / "events.csv",
        [{name: row[name] for name in columns} for row in posthog_rows(is_text=True)],
    )


def amplitude(folder: Path) -> Path:
    """Return what the Export API answers: amplitude.com/docs/apis/analytics/export."""
    rows = []
    for act in STORY:
        name = {"page": "[Amplitude] Page Viewed", "sign_in": "$identify", **SPEC_NAMES}[act.kind]
        own = properties(act) if act.kind in SPEC_NAMES else {"[Amplitude] Page URL": URL}
        rows.append(
            {
                "uuid": act.id,
                "$insert_id": f"i-{act.minute}",
                "event_type": name,
                "event_properties": own,
                "event_time": act.at.strftime("%Y-%m-%d %H:%M:%S.000000"),
                "user_id": act.user,
                "device_id": act.device,
                "session_id": -1 if act.kind == "sign_in" else 1772445600000,
                "user_properties": {"referrer": REFERRER},
                "amplitude_id": 1,
                "server_upload_time": "2026-03-03 00:00:00.000000",
            }
        )
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "187520/187520_2026-03-02_10#0.json.gz", gzip.compress(json_lines(rows[:4]))
        )
        archive.writestr(
            "187520/187520_2026-03-02_10#1.json.gz", gzip.compress(json_lines(rows[4:]))
        )
    return path


def mixpanel(folder: Path) -> Path:
    """Return a raw export with a row that it has twice:
    docs.mixpanel.com/reference/raw-event-export.
    """
    rows = []
    for act in STORY:
        name = {"page": "$mp_web_page_view", "sign_in": "$identify", **SPEC_NAMES}[act.kind]
        own: Row = {
            "time": act.epoch_s,
            "distinct_id": act.user or f"$device:{act.device}",
            "$insert_id": act.id,
            "$device_id": act.device,
            "$current_url": URL,
            "$referrer": REFERRER,
        }
        own |= {"$user_id": act.user} if act.user else {}
        rows.append(
            {"event": name, "properties": own | (properties(act) if act.kind in SPEC_NAMES else {})}
        )
    path = folder / "export.jsonl"
    path.write_bytes(json_lines([*rows, rows[-1]]))
    return path


def matomo(folder: Path) -> Path:
    """Return Live.getLastVisitsDetails, one JSON array: matomo-org/matomo,
    plugins/Ecommerce/VisitorDetails.php.
    """
    visits: dict[str, Row] = {}
    for act in STORY:
        visit = visits.setdefault(
            act.device,
            {
                "idSite": "1",
                "idVisit": str(len(visits) + 1),
                "visitorId": act.device,
                "userId": None,
                "referrerUrl": REFERRER,
                "siteCurrency": "EUR",
                "actionDetails": [],
            },
        )
        visit["userId"] = visit["userId"] or act.user
        page = {
            "type": "action",
            "url": URL,
            "timestamp": act.epoch_s,
            "idpageview": f"p{act.minute}",
        }
        if act.kind in {"page", "checkout"}:
            visit["actionDetails"].append(page)
        elif act.kind == "view":
            view = {
                "productViewSku": "lamp",
                "productViewPrice": 19.9,
                "productViewCategories": ["light"],
            }
            visit["actionDetails"].append({**page, **view})
        elif act.kind == "buy":
            items = [
                {
                    "itemSKU": "lamp",
                    "itemName": "Lamp",
                    "itemCategory": "light",
                    "price": 19.9,
                    "quantity": 1,
                }
            ]
            visit["actionDetails"].append(
                {
                    "type": "ecommerceOrder",
                    "orderId": "o-1",
                    "revenue": 19.9,
                    "revenueSubTotal": 19.9,
                    "itemDetails": items,
                    "timestamp": act.epoch_s,
                }
            )
    cart = {"type": "ecommerceAbandonedCart", "revenue": 19.9, "timestamp": STORY[7].epoch_s}
    visits["d-bob"]["actionDetails"].append(cart)
    path = folder / "visits.json"
    path.write_text(json.dumps(list(visits.values()), indent=2))
    return path


def mparticle(folder: Path) -> Path:
    """Return batches as a feed has them, a line each: docs.mparticle.com/developers/server/
    json-reference. A batch is of one person, with the identities known at its time.
    """
    batches: dict[tuple[str, str | None], Row] = {}
    actions = {"view": "view_detail", "add": "add_to_cart", "checkout": "checkout"}
    product = {"id": "lamp", "name": "Lamp", "category": "light", "price": 19.9, "quantity": 1}
    for act in STORY:
        known = [{"identity_type": "customer_id", "identity": act.user}] if act.user else []
        head = {"mpid": act.device, "environment": "production", "user_identities": known}
        batch = batches.setdefault((act.device, act.user), {**head, "events": []})
        data: Row = {
            "event_id": act.minute,
            "session_id": 7,
            "timestamp_unixtime_ms": f"{act.epoch_s}000",
        }
        if act.kind == "page":
            event = {"event_type": "screen_view", "data": {**data, "screen_name": "Home"}}
        elif act.kind == "sign_in":
            event = {"event_type": "custom_event", "data": {**data, "event_name": "Login"}}
        else:
            done: Row = {"action": actions.get(act.kind, "purchase"), "products": [product]}
            if act.kind == "buy":
                done |= {"transaction_id": "o-1", "total_amount": 19.9}
            data |= {"currency_code": "EUR", "product_action": done}
            event = {"event_type": "commerce_event", "data": data}
        batch["events"].append(event)
    path = folder / "batches.ndjson"
    path.write_bytes(json_lines(list(batches.values())))
    return path


def shopify_pixel(folder: Path) -> Path:
    """Return events that a pixel has sent home:
    shopify.dev/docs/api/web-pixels-api/standard-events.
    """
    money = {"amount": 19.9, "currencyCode": "EUR"}
    variant = {
        "id": "4711",
        "sku": "L-1",
        "price": money,
        "product": {"id": "lamp", "title": "Lamp", "type": "light"},
    }
    cart_line = {
        "cartLine": {"cost": {"totalAmount": money}, "merchandise": variant, "quantity": 1}
    }
    checkout: Row = {
        "subtotalPrice": money,
        "totalPrice": {"amount": 24.8, "currencyCode": "EUR"},
        "lineItems": [{"quantity": 1, "variant": variant}],
    }
    order = {"order": {"id": "o-1", "customer": {"id": "u-ann", "isFirstOrder": True}}}
    events_by_kind: dict[str, tuple[str, Row]] = {
        "page": ("page_viewed", {}),
        "view": ("product_viewed", {"productVariant": variant}),
        "add": ("product_added_to_cart", cart_line),
        "checkout": ("checkout_started", {"checkout": checkout}),
        "buy": ("checkout_completed", {"checkout": {**checkout, **order}}),
    }
    seen = {
        "document": {"location": {"href": URL}, "referrer": REFERRER},
        "navigator": {"userAgent": "Firefox"},
    }
    rows = [
        {
            "id": act.id,
            "name": events_by_kind[act.kind][0],
            "clientId": act.device,
            "type": "standard",
            "seq": act.minute,
            "timestamp": act.iso,
            "data": events_by_kind[act.kind][1],
            "context": seen,
        }
        for act in STORY
        if act.kind in events_by_kind
    ]
    path = folder / "pixel.ndjson"
    path.write_bytes(json_lines(rows))
    return path


def ga4_hits() -> list[Row]:
    """Return rows of an events table: support.google.com/analytics, BigQuery Export schema."""
    names = {
        "page": "page_view",
        "view": "view_item",
        "add": "add_to_cart",
        "checkout": "begin_checkout",
        "sign_in": "login",
        "buy": "purchase",
    }
    rows = []
    for act in STORY:
        parameters: list[Row] = [
            {"key": "ga_session_id", "value": {"int_value": "1772445600"}},
            {"key": "page_location", "value": {"string_value": URL}},
        ]
        if act.kind in {"checkout", "buy"}:
            parameters.append({"key": "value", "value": {"double_value": 19.9}})
            parameters.append({"key": "currency", "value": {"string_value": "EUR"}})
        row: Row = {
            "event_date": "20260302",
            "event_timestamp": str(act.epoch_s * 1_000_000),
            "event_name": names[act.kind],
            "event_params": parameters,
            "user_pseudo_id": act.device,
            "privacy_info": {"analytics_storage": "Yes"},
            "items": []
            if act.kind in {"page", "sign_in"}
            else [{"item_id": "lamp", "item_category": "light"}],
        }
        rows.append(row | ({"user_id": act.user} if act.user else {}))
    return rows


def ga4_json(folder: Path) -> Path:
    """Return a daily table as JSON, which leaves out nulls, its intraday table,
    and hits without consent.
    """
    hits = ga4_hits()
    without = {**hits[0], "privacy_info": {"analytics_storage": "No"}}
    without["event_params"] = without["event_params"][1:]
    del without["user_pseudo_id"]
    (folder / "events_20260302.json").write_bytes(
        json_lines([*hits, without, {**without, "user_id": "ann"}])
    )
    (folder / "events_intraday_20260302.json").write_bytes(json_lines(hits[:3]))
    return folder


def ga4_parquet(folder: Path) -> Path:
    """Return the same table as Parquet."""
    return parquet(folder / "events_20260302.parquet", ga4_hits())


def snowplow_events() -> list[Row]:
    """Return events with the entities of the e-commerce tracker: docs.snowplow.io,
    Ecommerce tracking.
    """
    kinds = {
        "view": "product_view",
        "add": "add_to_cart",
        "checkout": "checkout_step",
        "buy": "transaction",
    }
    base = "iglu:com.snowplowanalytics.snowplow.ecommerce"
    rows = []
    for act in STORY:
        at = act.at.strftime("%Y-%m-%d %H:%M:%S.000")
        entities: list[Row] = [
            {
                "schema": f"{base}/product/jsonschema/1-0-0",
                "data": {"id": "lamp", "category": "light"},
            }
        ]
        if act.kind == "buy":
            sale = {"transaction_id": "o-1", "revenue": 19.9, "currency": "EUR"}
            entities.append({"schema": f"{base}/transaction/jsonschema/1-0-0", "data": sale})
        row: Row = {
            "app_id": "shop",
            "platform": "web",
            "collector_tstamp": at,
            "derived_tstamp": at,
            "event_id": act.id,
            "event_name": "page_view" if act.kind == "page" else "identify",
            "user_id": act.user,
            "domain_userid": act.device,
            "domain_sessionid": f"s-{act.device}",
            "page_url": URL,
            "useragent": "Firefox",
        }
        if act.kind in kinds:
            data = {
                "schema": f"{base}/snowplow_ecommerce_action/jsonschema/1-0-2",
                "data": {"type": kinds[act.kind]},
            }
            row |= {
                "event_name": "snowplow_ecommerce_action",
                "contexts": {"schema": "iglu:…", "data": entities},
                "unstruct_event": {"schema": "iglu:…", "data": data},
            }
        rows.append(row)
    return rows


def snowplow_tsv(folder: Path) -> Path:
    """Return enriched events without a header: snowplow/snowplow-python-analytics-sdk,
    event_transformer.py.
    """
    header = load_mapping("snowplow_tsv").header
    lines = []
    for event in snowplow_events():
        cells = [event.get(name) or "" for name in header]
        lines.append(
            "\t".join(json.dumps(cell) if isinstance(cell, dict) else str(cell) for cell in cells)
        )
    path = folder / "enriched.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def snowplow_csv(folder: Path) -> Path:
    """Return atomic.events with column names."""
    return csv_file(folder / "atomic.csv", snowplow_events())


@dataclass(frozen=True)
class EventLayout:
    """A layout: the mapping that reads it, what writes it, and what it has of the story."""

    mapping: str
    write: Callable[[Path], Path]
    row_count: int = len(STORY)
    copies: int = 0
    rejected: int = 0
    has_cart: bool = True


LAYOUTS = {
    "segment": EventLayout("segment", segment),
    "rudderstack": EventLayout("rudderstack", rudderstack),
    "segment tables": EventLayout("segment_tables", segment_tables),
    "posthog json": EventLayout("posthog", posthog_json),
    "posthog parquet": EventLayout("posthog", posthog_parquet),
    "posthog csv": EventLayout("posthog", posthog_csv),
    "amplitude": EventLayout("amplitude", amplitude),
    "mixpanel": EventLayout("mixpanel", mixpanel, len(STORY) + 1, copies=1),
    "matomo": EventLayout("matomo", matomo, 7, has_cart=False),
    "mparticle": EventLayout("mparticle", mparticle),
    "ga4 json": EventLayout("ga4_export", ga4_json, len(STORY) + 5, copies=3, rejected=1),
    "ga4 parquet": EventLayout("ga4_export", ga4_parquet),
    "snowplow tsv": EventLayout("snowplow_tsv", snowplow_tsv),
    "snowplow csv": EventLayout("snowplow", snowplow_csv),
    "shopify pixel": EventLayout("shopify_pixel", shopify_pixel, len(STORY) - 1),
}
