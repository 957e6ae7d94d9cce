"""Each shipped mapping on its layout: the real file where there is one,
else a few rows as documented.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.conftest import Read, Row, ndjson_text, rows_of, write

RealFile = Callable[[str], Path]


def reported(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of the rows in the order of their time."""
    ordered = sorted(rows, key=lambda row: (str(row["event_at"]), str(row["event_type"])))
    return [
        tuple(str(row[name]) if name == "event_at" else row[name] for name in names)
        for row in ordered
    ]


def test_rees46_counts_are_those_taken_with_other_tools(real_file: RealFile, read: Read) -> None:
    rows = read(real_file("rees46_2019_10_01.csv"), "rees46")
    by_id = {row["event_id"]: row for row in rows}
    assert (len(rows), len(by_id)) == (17_434, 17_429)  # 5 exact duplicates
    assert Counter(row["event_type"] for row in by_id.values()) == {
        "product_view": 17_051,
        "add_to_cart": 164,
        "purchase": 214,
    }
    assert len({row["user_id"] for row in rows}) == 4_504
    assert len({row["session_id"] for row in rows}) == 5_066
    assert {str(row["received_date"]) for row in rows} == {"2019-10-01"}
    assert all(
        row["event_at"] and row["malformed_row"] is None and row["cart_amount"] is not None
        for row in rows
    )
    assert json.loads(by_id[rows[0]["event_id"]]["properties"]).keys() <= {"category_id", "brand"}


def test_otto_counts_are_those_taken_with_other_tools(real_file: RealFile, read: Read) -> None:
    rows = read(real_file("otto_sessions.jsonl"), "otto")
    assert (len(rows), len({row["event_id"] for row in rows})) == (862, 862)
    assert len({row["session_id"] for row in rows}) == 20  # numbered from 0
    assert Counter(row["event_type"] for row in rows) == {
        "product_view": 800,
        "add_to_cart": 52,
        "purchase": 10,
    }
    assert all(row["event_at"] and row["product_id"] for row in rows)


def test_otto_sessions_in_parquet_are_the_same(
    real_file: RealFile, read: Read, tmp_path: Path
) -> None:
    file, copy = real_file("otto_sessions.jsonl"), tmp_path / "otto_sessions.parquet"
    with fresh_duckdb() as con:
        con.execute(f"COPY (FROM read_ndjson('{file}')) TO '{copy}' (FORMAT parquet)")
    assert {row["event_id"] for row in read(copy, "otto")} == {
        row["event_id"] for row in read(file, "otto")
    }


def test_equal_events_in_one_otto_session_stay_apart(tmp_path: Path, read: Read) -> None:
    event = {"aid": 5, "ts": 1659304800025, "type": "clicks"}
    rows = read(
        write(tmp_path / "s.jsonl", ndjson_text([{"session": 1, "events": [event, event]}])), "otto"
    )
    assert len({row["event_id"] for row in rows}) == 2


def test_retailrocket(tmp_path: Path, read: Read) -> None:
    lines = [
        "timestamp,visitorid,event,itemid,transactionid",
        "1433221332117,257597,view,355908,",
        "1433221999827,257597,addtocart,355908,",
        "1433222276276,257597,transaction,355908,4000",
    ]
    rows = read(write(tmp_path / "events.csv", "\n".join(lines)), "retailrocket")
    assert reported(rows, "event_at", "event_type", "user_id", "product_id", "properties") == [
        ("2015-06-02 05:02:12.117000", "product_view", "257597", "355908", None),
        ("2015-06-02 05:13:19.827000", "add_to_cart", "257597", "355908", None),
        ("2015-06-02 05:17:56.276000", "purchase", "257597", "355908", '{"transactionid":"4000"}'),
    ]


def parameter(key: str, member: str, value: Any) -> Row:
    members = {"string_value": None, "int_value": None, "float_value": None, "double_value": None}
    return {"key": key, "value": {**members, member: value}}


def ga4_hit(
    micros: int,
    name: str,
    *parameters: Row,
    items: list[Row] | None = None,
    user: str | None = None,
) -> Row:
    shared = [
        parameter("ga_session_id", "int_value", 1767261600),
        parameter("page_location", "string_value", "https://shop.example/lamp"),
    ]
    return {
        "event_date": "20260101",
        "event_timestamp": micros,
        "event_name": name,
        "event_params": [*shared, *parameters],
        "user_id": user,
        "user_pseudo_id": "111.222",
        "device": {"category": "mobile"},
        "items": items or [],
    }


# 1767261600 is 2026-01-01 10:00:00 UTC.
GA4 = [
    ga4_hit(
        1767261600000000,
        "session_start",
        parameter("page_referrer", "string_value", "https://search.example/"),
    ),
    ga4_hit(
        1767261600000001,
        "view_item",
        items=[{"item_id": "lamp", "item_category": "light"}, {"item_id": "bulb"}],
    ),
    ga4_hit(1767261660500000, "begin_checkout", parameter("value", "int_value", 20)),
    ga4_hit(
        1767261720000000,
        "purchase",
        parameter("value", "double_value", 19.9),
        items=[{"item_id": "lamp"}],
        user="ann",
    ),
]
GA4_COLUMNS = (
    "event_at",
    "event_type",
    "user_id",
    "product_id",
    "product_category",
    "referrer_url",
    "cart_amount",
)
GA4_REPORTED = [
    ("2026-01-01 10:00:00", "session_start", None, None, None, "https://search.example/", None),
    ("2026-01-01 10:00:00.000001", "product_view", None, "lamp", "light", None, None),
    ("2026-01-01 10:01:00.500000", "checkout_start", None, None, None, None, "20.0000"),
    ("2026-01-01 10:02:00", "purchase", "ann", "lamp", None, None, "19.9000"),
]


def ga4_reported(rows: list[Row]) -> list[tuple[Any, ...]]:
    amounts = [
        {**row, "cart_amount": None if row["cart_amount"] is None else str(row["cart_amount"])}
        for row in rows
    ]
    return reported(amounts, *GA4_COLUMNS)


def test_ga4_export_as_ndjson_and_parquet(
    tmp_path: Path, read: Read, con: duckdb.DuckDBPyConnection
) -> None:
    file = write(tmp_path / "events_20260101.json.gz", ndjson_text(GA4))
    rows = read(file, "ga4_export")
    assert ga4_reported(rows) == GA4_REPORTED
    assert {(row["session_id"], row["anonymous_id"], row["page_url"]) for row in rows} == {
        ("111.222.1767261600", "111.222", "https://shop.example/lamp"),
    }
    assert json.loads(rows[0]["properties"])["device"] == {"category": "mobile"}
    copy = tmp_path / "events_20260101.parquet"
    con.execute(f"COPY (FROM read_ndjson('{file}', sample_size=-1)) TO '{copy}' (FORMAT parquet)")
    assert ga4_reported(read(copy, "ga4_export")) == GA4_REPORTED


BESIDES = {
    "user_ltv": {"revenue": 0.0, "currency": "USD"},
    "user_properties": [],
    "user_first_touch_timestamp": "1",
}
"""Keys of the export whose names are close to those that it leaves out."""


def without_nulls(hits: list[Row]) -> list[Row]:
    """Return hits without the fields that are null, as BigQuery writes them."""
    return [{name: value for name, value in hit.items() if value is not None} for hit in hits]


def test_ga4_export_without_nulls_is_read_with_the_same_ids(tmp_path: Path, read: Read) -> None:
    whole = [{**hit, **BESIDES} for hit in GA4]
    ids = [
        row["event_id"]
        for row in read(write(tmp_path / "whole.ndjson", ndjson_text(whole)), "ga4_export")
    ]
    rows = read(write(tmp_path / "e.ndjson", ndjson_text(without_nulls(whole))), "ga4_export")
    assert [row["event_id"] for row in rows] == ids
    nobody = without_nulls([{**hit, "user_id": None} for hit in whole])
    rows = read(write(tmp_path / "nobody.ndjson", ndjson_text(nobody)), "ga4_export")
    assert {(row["user_id"], row["session_id"]) for row in rows} == {(None, "111.222.1767261600")}


@pytest.mark.parametrize("missing", ["user_id", "user_pseudo_id", "items"])
def test_ga4_export_may_leave_out_what_no_hit_of_a_file_has(
    tmp_path: Path, read: Read, missing: str
) -> None:
    hits = [
        {name: value for name, value in {**hit, **BESIDES}.items() if name != missing}
        for hit in GA4
    ]
    rows = read(write(tmp_path / "e.ndjson", ndjson_text(hits)), "ga4_export")
    assert len({row["event_id"] for row in rows}) == len(GA4)
    assert [row["event_type"] for row in sorted(rows, key=lambda row: row["event_at"])] == [
        "session_start",
        "product_view",
        "checkout_start",
        "purchase",
    ]


def test_ga4_numbers_that_bigquery_wrote_as_text(tmp_path: Path, read: Read) -> None:
    hit = ga4_hit(1767261600000000, "page_view")
    hit["event_timestamp"] = "1767261600000000"
    hit["event_params"] = [{"key": "ga_session_id", "value": {"int_value": "1767261600"}}]
    [row] = read(write(tmp_path / "e.ndjson", ndjson_text([hit])), "ga4_export")
    assert reported([row], "event_at", "session_id") == [
        ("2026-01-01 10:00:00", "111.222.1767261600")
    ]


def entity(schema: str, **data: Any) -> Row:
    return {
        "schema": f"iglu:com.snowplowanalytics.snowplow.ecommerce/{schema}/jsonschema/1-0-0",
        "data": data,
    }


def snowplow_hit(number: int, event_name: str, **more: Any) -> Row:
    return {
        "app_id": "shop",
        "event_id": f"c6ef3124-b53a-4b13-a233-00000000000{number}",
        "collector_tstamp": f"2026-01-01 10:0{number}:05.500",
        "derived_tstamp": f"2026-01-01 10:0{number}:00.250",
        "event_name": event_name,
        "user_id": None,
        "domain_userid": "d-1",
        "domain_sessionid": "s-1",
        "page_url": "https://shop.example/lamp",
        "page_referrer": None,
        "useragent": "Firefox",
        **more,
    }


def action(kind: str) -> Row:
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": entity("snowplow_ecommerce_action", type=kind),
    }


SNOWPLOW = [
    snowplow_hit(1, "page_view"),
    snowplow_hit(
        2,
        "snowplow_ecommerce_action",
        unstruct_event=action("add_to_cart"),
        contexts={
            "schema": "iglu:…/contexts/jsonschema/1-0-1",
            "data": [
                entity("product", id="lamp", category="light", price=19.9),
                entity("cart", total_value=39.8),
            ],
        },
    ),
    snowplow_hit(
        3,
        "event",
        se_category="ecommerce",
        se_action="remove_from_cart",
        se_property="lamp",
        se_value=19.9,
    ),
    snowplow_hit(
        4,
        "snowplow_ecommerce_action",
        unstruct_event=action("transaction"),
        user_id="ann",
        derived_tstamp=None,
        contexts={
            "schema": "iglu:…/contexts/jsonschema/1-0-1",
            "data": [entity("transaction", revenue=39.8)],
        },
    ),
]
SNOWPLOW_COLUMNS = (
    "event_at",
    "event_type",
    "user_id",
    "product_id",
    "product_category",
    "cart_value",
)


@pytest.mark.slow
def test_snowplow_as_ndjson(tmp_path: Path, read: Read) -> None:
    rows = read(write(tmp_path / "e.ndjson", ndjson_text(SNOWPLOW)), "snowplow")
    assert reported(rows, *SNOWPLOW_COLUMNS) == [
        ("2026-01-01 10:01:00.250000", "page_view", None, None, None, None),
        ("2026-01-01 10:02:00.250000", "add_to_cart", None, "lamp", "light", "39.8"),
        ("2026-01-01 10:03:00.250000", "remove_from_cart", None, "lamp", None, "19.9"),
        ("2026-01-01 10:04:05.500000", "purchase", "ann", None, None, "39.8"),
    ]
    assert {(row["anonymous_id"], row["session_id"], row["user_agent"]) for row in rows} == {
        ("d-1", "s-1", "Firefox")
    }
    assert str(rows[0]["received_at"]) == "2026-01-01 10:01:05.500000"


@pytest.mark.slow
def test_snowplow_as_csv_without_the_json_columns(tmp_path: Path, read: Read) -> None:
    hits = [snowplow_hit(1, "page_view"), snowplow_hit(2, "page_ping")]
    lines = [
        ",".join(hits[0]),
        *(",".join("" if value is None else str(value) for value in hit.values()) for hit in hits),
    ]
    rows = read(write(tmp_path / "e.csv", "\n".join(lines)), "snowplow")
    assert reported(rows, "event_at", "event_type", "properties") == [
        ("2026-01-01 10:01:00.250000", "page_view", '{"app_id":"shop"}'),
        ("2026-01-01 10:02:00.250000", "page_ping", '{"app_id":"shop"}'),
    ]


@pytest.mark.slow
def test_snowplow_with_a_column_per_schema(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    base = "com_snowplowanalytics_snowplow_ecommerce"
    hit = snowplow_hit(1, "snowplow_ecommerce_action")
    hit[f"unstruct_event_{base}_snowplow_ecommerce_action_1"] = {"type": "product_view"}
    hit[f"contexts_{base}_product_1"] = [{"id": "lamp", "category": "light"}]
    source, copy = write(tmp_path / "e.ndjson", ndjson_text([hit])), tmp_path / "p" / "e.parquet"
    copy.parent.mkdir()
    con.execute(f"COPY (FROM read_ndjson('{source}')) TO '{copy}' (FORMAT parquet)")
    for file in (source, copy):
        [row] = rows_of(con, RecordFiles.open(con, [file], load_mapping("snowplow")).received_sql())
        assert (row["event_type"], row["product_id"], row["product_category"]) == (
            "product_view",
            "lamp",
            "light",
        )


ECOMMERCE = "com_snowplowanalytics_snowplow_ecommerce"
CLIENT_SESSION = "contexts_com_snowplowanalytics_snowplow_client_session"


def by_schema(versions: dict[str, str], **entities: Any) -> Row:
    """Return the columns of a loader that keeps each entity in a column named for its schema."""
    base = f"contexts_{ECOMMERCE}"
    columns = {
        f"{base}_{name}_{versions.get(name, '1')}": [data]
        for name, data in entities.items()
        if name != "action"
    }
    name = f"unstruct_event_{ECOMMERCE}_snowplow_ecommerce_action_{versions.get('action', '1')}"
    return {**columns, name: entities["action"]}


def csv_text(hits: list[Row]) -> str:
    """Return hits as a warehouse exports them: nested columns as JSON text,
    lists that are empty as `[]`.
    """
    names = list(dict.fromkeys(name for hit in hits for name in hit))
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(names)
    for hit in hits:
        values = [hit.get(name, [] if name.startswith("contexts_") else None) for name in names]
        writer.writerow(
            [json.dumps(value) if isinstance(value, dict | list) else value for value in values]
        )
    return lines.getvalue()


def ecommerce_hits(versions: dict[str, str]) -> list[Row]:
    """Return what Ann does: two lamps into the cart, a purchase of 41.50, and 20.00 of it back."""
    lamp = {"id": "lamp", "category": "light", "price": 20.75, "currency": "EUR"}
    sale = {
        "transaction_id": "t-1",
        "revenue": 41.5,
        "currency": "EUR",
        "payment_method": "card",
        "total_quantity": 2,
    }
    back = {"transaction_id": "t-1", "refund_amount": 20, "currency": "EUR"}
    cart = {"total_value": 41.5, "currency": "EUR"}
    acts = [
        {"action": {"type": "add_to_cart"}, "product": lamp, "cart": cart},
        {"action": {"type": "transaction"}, "product": lamp, "transaction": sale},
        {"action": {"type": "refund"}, "product": lamp, "transaction": sale, "refund": back},
    ]
    return [
        snowplow_hit(number, "snowplow_ecommerce_action", **by_schema(versions, **act))
        for number, act in enumerate(acts, 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "versions", [{}, dict.fromkeys(("action", "product", "cart", "transaction", "refund"), "1_0_0")]
)
@pytest.mark.parametrize("ending", ["ndjson", "csv", "parquet"])
def test_snowplow_money_with_a_column_per_schema(
    tmp_path: Path,
    read: Read,
    con: duckdb.DuckDBPyConnection,
    versions: dict[str, str],
    ending: str,
) -> None:
    hits, file = ecommerce_hits(versions), tmp_path / f"e.{ending}"
    if ending == "parquet":
        lines = write(tmp_path / "lines" / "e.ndjson", ndjson_text(hits))
        con.execute(f"COPY (FROM read_ndjson('{lines}')) TO '{file}' (FORMAT parquet)")
    else:
        write(file, ndjson_text(hits) if ending == "ndjson" else csv_text(hits))
    rows = read(file, "snowplow")
    assert reported(rows, "event_type", "product_id", "product_category", "cart_value") == [
        ("add_to_cart", "lamp", "light", "41.5"),
        ("purchase", "lamp", "light", "41.5"),
        ("refund", "lamp", "light", "20"),
    ]
    kept = json.loads(rows[1]["properties"])
    assert kept["transaction"]["transaction_id"] == "t-1"
    assert (kept["app_id"], "cart" in kept) == ("shop", False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "member"),
    [(f"{CLIENT_SESSION}_1", "{}Id"), (f"{CLIENT_SESSION}_1_0_1", "{}_id"), ("contexts", "{}Id")],
)
def test_snowplow_sessions_of_apps(tmp_path: Path, read: Read, column: str, member: str) -> None:
    session = {member.format("user"): "device-7", member.format("session"): "visit-7"}
    schema = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
    entities: Any = (
        {"data": [{"schema": schema, "data": session}]} if column == "contexts" else [session]
    )
    hit = snowplow_hit(1, "screen_view", **{column: entities}) | {
        "domain_userid": None,
        "domain_sessionid": None,
    }
    rows = read(
        write(tmp_path / "e.ndjson", ndjson_text([hit, snowplow_hit(2, "page_view")])), "snowplow"
    )
    assert reported(rows, "event_type", "anonymous_id", "session_id") == [
        ("page_view", "device-7", "visit-7"),
        ("page_view", "d-1", "s-1"),
    ]


@pytest.mark.slow
def test_snowplow_transactions_of_the_older_tracker(tmp_path: Path, read: Read) -> None:
    hit = snowplow_hit(1, "transaction", tr_orderid="t-1", tr_total=41.5)
    [row] = read(write(tmp_path / "e.ndjson", ndjson_text([hit])), "snowplow")
    assert (row["event_type"], row["cart_value"]) == ("purchase", "41.5")


@each("name", ["ga4_export", "snowplow", "retailrocket", "otto", "rees46", "ecommerce"])
def test_event_types_are_ours(name: str) -> None:
    ours = {
        "page_view",
        "product_view",
        "category_view",
        "search",
        "add_to_cart",
        "remove_from_cart",
        "checkout_start",
        "purchase",
        "refund",
    }
    assert set(load_mapping(name).event_types.values()) <= ours
