"""Mappings: what is wrong in one, or does not fit a file, is said in one
sentence before anything runs.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets.core.errors import MappingError
from ecom_assets.ingestion.sources.files.fit import columns_used, likeliest
from ecom_assets.ingestion.sources.files.mapping import (
    EventMapping,
    RecordMapping,
    load,
    load_mapping,
    shipped,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.conftest import (
    SHOP,
    Read,
    Row,
    csv_text,
    ndjson_text,
    rows_of,
    write,
    write_parquet,
)

BASE: dict[str, Any] = {
    "event_id": "id",
    "event_type": "kind",
    "event_timestamp": "at",
    "user_id": "who",
}
LINE = "id,kind,at,who\n1,view,2026-01-01,ann\n"


def read_with(path: Path, **mapping: Any) -> list[Row]:
    parsed = EventMapping.model_validate({"name": "mine", "fields": BASE, **mapping})
    with fresh_duckdb() as con:
        return rows_of(con, RecordFiles.open(con, [path], parsed).received_sql())


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (
            "fields: {event_idd: x}",
            "unknown key 'event_idd' under `fields` (did you mean 'event_id'?)",
        ),
        ("fild: {}", "unknown key 'fild' (did you mean 'fields'?)"),
        ("name: x", "`fields` is missing"),
        (
            "fields: {event_id: a, event_type: b, event_timestamp: {colum: c}, user_id: d}",
            "(did you mean 'column'?)",
        ),
        (
            "fields: {event_id: a, event_type: b, event_timestamp: c}",
            "one of user_id and session_id is needed",
        ),
        (
            (
                "fields: {event_id: {column: a, hash_of: [b]}, event_type: b, event_timestamp: c, "
                "user_id: d}"
            ),
            "exactly one of",
        ),
        (
            (
                "fields: {event_id: {column: a, unless: b}, event_type: b, event_timestamp: c, "
                "user_id: d}"
            ),
            "give hash_of, too",
        ),
        (
            (
                "fields: {event_id: a, event_type: b, event_timestamp: {column: c, "
                "timezone: Mars}, user_id: d}"
            ),
            "not a time zone",
        ),
        (
            (
                "fields: {event_id: a, event_type: b, event_timestamp: {column: c, format: ms}, "
                "user_id: d}"
            ),
            "'ms' is neither",
        ),
        (
            (
                "other_columns: keep\n"
                "fields: {event_id: a, event_type: b, event_timestamp: c, user_id: d}"
            ),
            "`other_columns`",
        ),
        ("fields: [", "not valid YAML at line 1"),
        ("just text", "is not a mapping"),
        (
            "name: a\nname: b\nfields: {}\n",
            "mine.yaml: the key 'name' is given twice at line 2, column 1; leave one of them out.",
        ),
    ],
)
def test_a_wrong_mapping_is_said_in_one_sentence(tmp_path: Path, body: str, result: str) -> None:
    file = write(tmp_path / "mine.yaml", body)
    with pytest.raises(MappingError) as refusal:
        load_mapping(file)
    assert result in str(refusal.value)
    assert "mine.yaml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_name_or_path_of_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="did you mean 'rees46'"):
        load_mapping("rees64")
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "gone.yaml")


def test_shipped_mappings_load_and_translate() -> None:
    assert [load_mapping(name).name for name in shipped(EventMapping)] == shipped(EventMapping)
    rees46 = load_mapping("rees46")
    assert [rees46.translate(step) for step in ("view", "cart", "purchase", "product_view")] == [
        "product_view",
        "add_to_cart",
        "purchase",
        "product_view",
    ]


def test_a_mapping_that_extends_another_says_only_what_differs(tmp_path: Path) -> None:
    own = tmp_path / "ours.yaml"
    own.write_text(
        "extends: posthog\n"
        "event_types: {lamp lit: product_view}\n"
        "fields:\n"
        "  event_timestamp: {timezone: Europe/Berlin}\n"
        "  session_id: {column: visit}\n"
    )
    ours, theirs = load_mapping(own), load_mapping("posthog")
    assert ours.name == "ours"
    assert ours.translate("lamp lit") == "product_view"
    assert ours.translate("$pageview") == theirs.translate("$pageview") == "page_view"
    assert (ours.time_field.column, ours.time_field.timezone) == ("timestamp", "Europe/Berlin")
    assert (ours.fields.session_id.column, ours.fields.session_id.expression) == ("visit", None)
    assert ours.fields.product_id == theirs.fields.product_id
    own.write_text("extends: post_hog\n")
    with pytest.raises(
        MappingError, match="'post_hog', which is not shipped \\(did you mean 'posthog'"
    ):
        load_mapping(own)


def test_usual_names_of_event_types_are_known_as_written_and_in_snake_case() -> None:
    segment = load_mapping("segment")
    for name in ("Order Completed", "order_completed", "Completed Order", "purchase"):
        assert segment.translate(name) == "purchase"
    assert segment.translate("order completed!") == "order completed!"
    assert load_mapping("rees46").translate("Order Completed") == "Order Completed"


def test_a_missing_column_is_named_with_what_was_expected(tmp_path: Path, read: Read) -> None:
    without = [
        {"eventid" if key == "event_id" else key: value for key, value in row.items()}
        for row in SHOP
    ]
    for file in (
        write(tmp_path / "e.csv", csv_text(without)),
        write(tmp_path / "e.ndjson", ndjson_text(without)),
    ):
        with pytest.raises(
            MappingError,
            match=f"{file.name} has no column 'event_id'.* expects for event_id.*'eventid'",
        ):
            read(file)


def test_a_file_of_another_layout_is_recognised(tmp_path: Path, read: Read) -> None:
    header = (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
        "user_session"
    )
    with pytest.raises(MappingError, match="looks like mapping 'rees46'"):
        read(write(tmp_path / "e.csv", header + "\n"))
    with pytest.raises(MappingError, match="looks like mapping 'otto'"):
        read(write(tmp_path / "e.jsonl", '{"session": 1, "events": []}'), "rees46")


def known_columns(mapping: RecordMapping) -> set[str]:
    explode = {mapping.explode} if mapping.explode else set[str]()
    return explode.union(*columns_used(mapping).values())


@pytest.mark.parametrize("kind", [name for name, feed in feeds().items() if feed.mapping])
def test_all_columns_of_a_shipped_mapping_look_like_it(kind: str) -> None:
    feed = feeds()[kind]
    mappings = [load(feed.model, name) for name in feed.shipped]
    for mapping in mappings:
        columns = known_columns(mapping)
        likely = likeliest(mappings, columns)
        # `snowplow_tsv` has the columns of `snowplow`, without a header.
        assert likely is not None
        assert known_columns(likely) == columns, (mapping.name, likely.name)


def test_an_unknown_column_is_refused_ignored_or_kept(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "e.csv", "id,kind,at,who,colour,size\n1,view,2026-01-01,ann,red,\n"),
        write(
            tmp_path / "e.ndjson",
            '{"id": "1", "kind": "view", "at": "2026-01-01", "who": "ann", "colour": "red"}',
        ),
        write_parquet(
            tmp_path / "e.parquet",
            "SELECT '1' id, 'view' kind, DATE '2026-01-01' \"at\", 'ann' who, 'red' colour",
        ),
    ]
    for file in files:
        with pytest.raises(
            MappingError, match=f"unknown column 'colour' in {file.name}.*ignore_columns"
        ):
            read_with(file)
        assert read_with(file, ignore_columns=["colour", "size"])[0]["properties"] is None
        assert read_with(file, other_columns="ignore")[0]["properties"] is None
        assert read_with(file, other_columns="properties")[0]["properties"] == '{"colour":"red"}'


def test_a_key_that_only_a_late_line_has_is_refused_too(tmp_path: Path) -> None:
    rows = [
        {"id": str(number), "kind": "view", "at": "2026-01-01", "who": "ann"}
        for number in range(3000)
    ]
    file = write(tmp_path / "e.ndjson", ndjson_text([*rows, {**rows[0], "colour": "red"}]))
    with pytest.raises(MappingError, match=r"unknown column 'colour' in e\.ndjson"):
        read_with(file)
    assert (
        sum(row["properties"] is not None for row in read_with(file, other_columns="properties"))
        == 1
    )


def test_other_columns_join_the_properties_that_there_are(tmp_path: Path) -> None:
    lines = [
        '{"id": "1", "kind": "v", "at": "", "who": "a", "more": {"x": 1}, "n": 2}',
        '{"id": "2", "kind": "v", "at": "", "who": "a", "n": 3}',
    ]
    file = write(tmp_path / "e.ndjson", "\n".join(lines))
    rows = read_with(file, fields={**BASE, "properties": "more"}, other_columns="properties")
    assert [row["properties"] for row in rows] == ['{"x":1,"n":2}', '{"n":3}']


@pytest.mark.parametrize(
    ("column", "result"),
    [
        (
            "1767261600 AS at, 'ann' AS who",
            "column 'at' of e.parquet is INTEGER, but event_timestamp expects a moment",
        ),
        (
            "DATE '2026-01-01' AS at, true AS who",
            "column 'who' of e.parquet is BOOLEAN, but user_id expects text",
        ),
        ("DATE '2026-01-01' AS at, ['ann'] AS who", "is VARCHAR\\[\\]"),
        ("DATE '2026-01-01' AS at, {'id': 1} AS who", "is STRUCT"),
        ("DATE '2026-01-01' AS at, 'ann'::BLOB AS who", "is BLOB"),
        ("TIME '10:00:00' AS at, 'ann' AS who", "is TIME"),
    ],
)
def test_a_wrong_type_in_parquet_is_refused(tmp_path: Path, column: str, result: str) -> None:
    file = write_parquet(tmp_path / "e.parquet", f"SELECT 1 AS id, 'view' AS kind, {column}")
    with pytest.raises(MappingError, match=result):
        read_with(file)


def test_a_wrong_type_in_ndjson_and_csv_is_refused(tmp_path: Path) -> None:
    for member, result in [
        ('"at": 1767261600, "who": "a"', "is number"),
        ('"at": "", "who": {"id": 1}', "is nested"),
    ]:
        with pytest.raises(MappingError, match=result):
            read_with(write(tmp_path / "e.ndjson", '{"id": 1, "kind": "view", ' + member + "}"))
    with pytest.raises(MappingError, match=r"holds numbers like 1767261600025.*format: epoch_ms"):
        read_with(write(tmp_path / "e.csv", "id,kind,at,who\n1,view,1767261600025,ann\n"))


def test_json_may_leave_out_what_is_empty_but_not_when_a_key_is_nearly_the_same(
    tmp_path: Path, read: Read
) -> None:
    lean = {key: SHOP[0][key] for key in ("event_id", "event_type", "event_timestamp", "user_id")}
    assert read(write(tmp_path / "e.ndjson", ndjson_text([lean])))[0]["product_id"] is None
    with pytest.raises(MappingError, match="did you mean 'productid'"):
        read(write(tmp_path / "e.ndjson", ndjson_text([{**lean, "productid": "lamp"}])))


def test_files_of_one_source_may_differ_in_optional_columns(tmp_path: Path, read: Read) -> None:
    write(tmp_path / "a.csv", csv_text(SHOP[:1]))
    write(
        tmp_path / "b.csv",
        csv_text([{**SHOP[1], "user_agent": "Firefox", "received_at": "2026-01-03T01:00:00Z"}]),
    )
    rows = read(tmp_path)
    assert [(row["user_agent"], str(row["received_at"])) for row in rows] == [
        (None, "None"),
        ("Firefox", "2026-01-03 01:00:00"),
    ]


def test_expressions_over_the_files_columns(tmp_path: Path) -> None:
    file = write(tmp_path / "e.csv", LINE + "2,cart,2026-01-02,\n")
    fields = {
        **BASE,
        "event_type": {"expression": "upper(kind)"},
        "user_id": {"expression": "coalesce(who, 'nobody')"},
    }
    rows = read_with(file, fields=fields, event_types={"VIEW": "product_view"})
    assert [(row["event_type"], row["user_id"]) for row in rows] == [
        ("product_view", "ann"),
        ("CART", "nobody"),
    ]
    fields["cart_value"] = {"expression": "CAST(who AS DECIMAL)"}  # no row raises
    assert [row["cart_amount"] for row in read_with(file, fields=fields)] == [None, None]


@pytest.mark.parametrize(
    ("expression", "word"),
    [("at", "at"), ("lower(at) || 'x'", "at"), ("coalesce(order, kind)", "order")],
)
def test_a_column_whose_name_is_a_word_of_sql_is_to_be_quoted(
    tmp_path: Path, expression: str, word: str
) -> None:
    with pytest.raises(MappingError, match="expression of product_id") as refusal:
        read_with(
            write(tmp_path / "e.csv", LINE),
            fields={**BASE, "product_id": {"expression": expression}},
        )
    sentence = f'{word} is a word of SQL, so quote it where it is a column, as in "{word}"'
    assert str(refusal.value).endswith(sentence)


def test_an_expression_gives_nothing_on_a_malformed_line(tmp_path: Path) -> None:
    fields = {**BASE, "event_type": {"expression": "'product_view'"}}
    rows = read_with(
        write(tmp_path / "e.csv", LINE + "cut"), fields=fields, ignore_columns=["kind"]
    )
    assert [(row["event_type"], row["malformed_row"]) for row in rows] == [
        ("product_view", None),
        (None, "cut"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "kind +",
        "nosuchfunction(kind)",
        "kind; DROP TABLE x",
        "count(*)",
        "kind -> ",
        "1) FROM x --",
    ],
)
def test_a_broken_expression_is_refused(tmp_path: Path, broken: str) -> None:
    with pytest.raises(MappingError, match="expression of product_id") as refusal:
        read_with(
            write(tmp_path / "e.csv", LINE), fields={**BASE, "product_id": {"expression": broken}}
        )
    assert "\n" not in str(refusal.value)


HASHED = {**BASE, "event_id": {"hash_of": ["kind", "at", "who"]}}


def ids(path: Path, **id_field: Any) -> list[str]:
    fields = {**BASE, "event_id": {"hash_of": ["kind", "at", "who"], **id_field}}
    return [row["event_id"] for row in read_with(path, fields=fields, ignore_columns=["id"])]


def test_equal_rows_of_one_file_stay_apart_and_a_second_delivery_gets_the_same_ids(
    tmp_path: Path,
) -> None:
    row = "0,view,2026-01-01,ann\n"
    once = ids(write(tmp_path / "a" / "e.csv", LINE + row + row))
    assert len(set(once)) == 3
    write(tmp_path / "a" / "again.csv", LINE + row + row)
    twice = ids(tmp_path / "a")
    assert (len(twice), set(twice)) == (6, set(once))


def test_equal_rows_merge_where_the_mapping_says_so(tmp_path: Path) -> None:
    file = write(tmp_path / "e.csv", LINE + "0,view,2026-01-01,ann\n" + "0,view,2026-01-01,bob\n")
    merged = ids(file, equal_rows="merge")
    assert (len(merged), len(set(merged))) == (3, 2)
    assert set(merged) < set(ids(file))  # the first of equal rows has the same id either way


def test_ids_do_not_depend_on_the_order_of_lines_nor_on_how_values_touch(tmp_path: Path) -> None:
    lines = [
        "1,view,2026-01-01,ann",
        "2,view,2026-01-01,ann",
        "3,ab,c,x",
        "4,a,bc,x",
        "5,a,,x",
        "6,,a,x",
    ]
    files = [
        write(tmp_path / f"{n}.csv", "\n".join(["id,kind,at,who", *order]))
        for n, order in enumerate([lines, lines[::-1]])
    ]
    fields = {**HASHED, "product_id": "id"}
    forth, back = (
        {row["product_id"]: row["event_id"] for row in read_with(file, fields=fields)}
        for file in files
    )
    assert forth == back
    assert len(set(forth.values())) == 6


def test_the_example_of_the_documentation_works(tmp_path: Path, read: Read) -> None:
    page = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text()
    blocks = [block.split("\n", 1) for block in page.split("```")[1::2]]
    [example] = [
        body for kind, body in blocks if kind == "yaml" and body.startswith("name: klickpfad")
    ]
    sample, _ = [body for kind, body in blocks if kind == "csv"]
    table, _ = [body for kind, body in blocks if kind == "result"]
    mapping = write(tmp_path / "klickpfad.yaml", example)
    assert yaml.safe_load(example)["name"] == "klickpfad"
    rows = sorted(
        read(write(tmp_path / "clicks.csv", sample), mapping),
        key=lambda row: str(row["event_timestamp"]),
    )
    names = [name.strip() for name in table.splitlines()[0].split("|")]
    shown = [
        row | {"cart_amount": row["cart_amount"] and round(row["cart_amount"], 2)} for row in rows
    ]
    actual = [[str(row[name] if row[name] is not None else "") for name in names] for row in shown]
    assert actual == [[cell.strip() for cell in line.split("|")] for line in table.splitlines()[1:]]


ORDERED = "id,kind,at,who,beleg,bestellnr,extra,own\n"


@pytest.mark.parametrize(
    ("cells", "other_columns", "result"),
    [
        (",7001,red,", "ignore", {"order_id": "7001"}),
        ("B-9,7001,red,", "ignore", {"order_id": "B-9"}),
        (",,red,", "ignore", None),
        (",7001,red,", "properties", {"order_id": "7001", "extra": "red"}),
        (",,red,", "properties", {"extra": "red"}),
        (',7001,red,"{""order_id"":""x"",""a"":1}"', "ignore", {"order_id": "7001", "a": 1}),
        (',,red,"{""order_id"":""x""}"', "ignore", {"order_id": "x"}),
    ],
)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_the_columns_that_name_the_order_of_an_event_are_said(
    tmp_path: Path, form: str, cells: str, other_columns: str, result: Row | None
) -> None:
    """Reconciliation looks for the first name of an order among properties."""
    own = "{" in cells
    text = f"{ORDERED}1,purchase,2026-01-01,ann,{cells}\n"
    (row,) = csv.DictReader(text.splitlines())
    content = text if form == "csv" else json.dumps(row) + "\n"
    path = write(tmp_path / f"e.{form}", content)
    fields = {
        **BASE,
        "order_ids": {"first_of": ["beleg", "bestellnr"]},
        **({"properties": "own"} if own else {}),
    }
    mapping: dict[str, Any] = {"fields": fields, "other_columns": other_columns}
    if not own:
        mapping["ignore_columns"] = ["own"]
    (event,) = read_with(path, **mapping)
    properties = event["properties"] and json.loads(event["properties"])
    assert properties == result
    assert own or list(properties or {})[:1] == list(result or {})[:1]
