"""Conditions: how they are written, and which rows meet them, against the same
conditions in plain Python.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.columns import holds, text_of
from ecom_assets.core.tables.conditions import NEGATED, Condition, Group, parse_where, where_from
from ecom_assets.core.tables.values import json_path
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.core.tables.json_numbers import SMALLEST, TEXTS
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

ROWS: list[dict[str, Any]] = [
    {
        "page_url": "/Sale/hats",
        "amount": 10.0,
        "is_bot": False,
        "properties": '{"plan": "pro", "n": 2, "a.b": true}',
    },
    {
        "page_url": "/p/1",
        "amount": 50.0,
        "is_bot": True,
        "properties": '{"plan": "free", "deep": {"n": 2.5}}',
    },
    {
        "page_url": None,
        "amount": None,
        "is_bot": False,
        "properties": '{"n": "2", "plan": null, "$os": "x"}',
    },
    {"page_url": "", "amount": 0.0, "is_bot": True, "properties": None},
]


def met(where: Any, of_rows: list[dict[str, Any]] = ROWS) -> list[int]:
    """Return the numbers of the rows that meet a condition."""
    con = connect()
    con.con.register(
        "numbered", pa.Table.from_pylist([row | {"n": n} for n, row in enumerate(of_rows)])
    )
    rows = con.table("numbered")
    return sorted(rows.filter(holds(rows, where)).n.to_pyarrow().to_pylist())


@each(
    "text, rows",
    [
        ("page_url = /p/1", [1]),
        ("page_url != /p/1", [0, 2, 3]),
        ("page_url in /p/1, '/Sale/hats'", [0, 1]),
        ("page_url not in /p/1", [0, 2, 3]),
        ("page_url contains /sale", [0]),
        ("page_url not contains sale", [1, 2, 3]),
        ("page_url matches ^/p/[0-9]+$", [1]),
        (r"page_url not matches \++", [0, 1, 2, 3]),
        ("page_url is set", [0, 1, 3]),
        ("page_url is not set", [2]),
        ("amount > 10", [1]),
        ("amount >= 10", [0, 1]),
        ("amount < 10.5", [0, 3]),
        ("amount between 0 and 10", [0, 3]),
        ("is_bot = true", [1, 3]),
        ("properties.plan = pro", [0]),
        ("properties.plan is set", [0, 1]),
        ("properties.plan != pro", [1, 2, 3]),
        ("properties.n = 2", [0]),
        ("properties.n in 2, x, true", [0]),
        ("properties.n in 3, '2'", [2]),
        ("properties.n not in 2, x", [1, 2, 3]),
        ("properties.n = '2'", [2]),
        ("properties.deep.n > 2", [1]),
        ('properties."a.b" = true', [0]),
        ("properties.$os = x", [2]),
        ("amount > 40 or page_url is not set", [1, 2]),
        ("page_url = ' or ' or amount = 0", [3]),
    ],
)
def test_rows_meet_what_is_written(text: str, rows: list[int]) -> None:
    assert met(parse_where([text])) == rows


def test_a_text_is_found_however_json_writes_it() -> None:
    documents = (
        '{"plan": "pro"}',
        '{"plan":"pr\\u006f"}',
        '{"plan": "project"}',
        '{"other": "pro"}',
        '{"plan": ["pro"]}',
        '{"plan": "a/b"}',
        '{"plan": "a\\/b"}',
        '{"plan": "\u00e9"}',
        '{"plan": "\\u00e9"}',
        '{"plan": "\\"pro\\""}',
        '{"plan": ""}',
        '{"plan": "\\\\"}',
    )
    rows = [{"properties": document} for document in documents]
    for value, expected in (
        ("pro", [0, 1]),
        ("a/b", [5, 6]),
        ("é", [7, 8]),
        ('"pro"', [9]),
        ("", [10]),
        ("\\", [11]),
    ):
        assert met(Condition("properties.plan", "equals", (value,)), rows) == expected
        assert met(Condition("properties.plan", "one_of", ("none", value)), rows) == expected
        others = [n for n in range(len(rows)) if n not in expected]
        assert met(Condition("properties.plan", "not_equals", (value,)), rows) == others


def test_all_that_are_given_must_hold() -> None:
    assert met(parse_where(["amount >= 0", "is_bot = true"])) == [1, 3]
    assert met(parse_where([])) == [0, 1, 2, 3]


def test_a_file_may_nest_them() -> None:
    raw = {
        "any_of": [
            {"page_url": "/p/1"},
            {"all_of": ["amount = 0", {"column": "is_bot", "value": True}]},
        ]
    }
    assert met(where_from(raw)) == [1, 3]
    assert met(
        where_from(
            [{"column": "amount", "operator": "between", "value": [0, 10]}, "is_bot = false"]
        )
    ) == [0]
    assert met(where_from({"any_of": []})) == []


def test_a_long_list_is_looked_up_and_a_longer_one_is_refused() -> None:
    pages = {
        "column": "page_url",
        "operator": "one_of",
        "value": [f"/p/{number}" for number in range(500)],
    }
    plans = {
        "column": "properties.plan",
        "operator": "one_of",
        "value": [*(f"n{n}" for n in range(499)), "pro"],
    }
    assert met(where_from(pages)) == [1]
    assert met(where_from({"any_of": [pages, plans]})) == [0, 1]
    assert met(where_from(plans | {"operator": "not_one_of"})) == [1, 2, 3]
    with pytest.raises(DefinitionError, match="name more than 10,000 values"):
        where_from([{**pages, "value": [f"/p/{number}" for number in range(9_501)]}, plans])


def test_a_long_list_is_a_join_in_the_engine() -> None:
    con = connect()
    rows = con.create_table("pages", pa.table({"page_url": ["/p/1"]}))
    condition = Condition("page_url", "one_of", tuple(f"/p/{number}" for number in range(1_000)))
    for many in (rows.filter(holds(rows, condition)), rows.select(is_met=holds(rows, condition))):
        ((_, plan),) = con.con.execute(f"EXPLAIN {con.compile(many)}").fetchall()
        assert "Join Type: MARK" in plan


@each(
    "text",
    ["amount between 0 and 10", "page_url in a, b", "properties.n is set", "a = 1 or b = 'x'"],
)
def test_a_condition_reads_what_it_writes(text: str) -> None:
    actual = parse_where([text])
    assert where_from(actual.to_mapping()) == actual


@each(
    "text, why",
    [
        ("page_url", "is not a condition; write one as in"),
        ("page_url ~ x", "is not a condition"),
        ("amount > ten", "compares amount, which holds number, with the text 'ten'"),
        ("page_url > 3", "holds text, with the number 3"),
        ("amount contains 1", "contains looks into text, and amount holds number"),
        ("page_urll = x", "no column 'page_urll'; did you mean 'page_url'"),
        ("page_url.key = x", "only properties has keys"),
        ("page_url matches [", "not a regular expression"),
        (r"page_url matches a++", "RE2's syntax"),
        ("""properties."x') OR 1=1 --" = 1""", "is not a condition"),
        ("amount between 1", "needs two values"),
        ("page_url is set x", "has more after"),
        ("amount >", "needs 1 values and has 0"),
        ("amount = 9007199254740993", "which engines round"),
    ],
)
def test_an_impossible_question_is_refused(text: str, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        met(parse_where([text]))


@each(
    "raw",
    [
        3,
        {"any_of": {}},
        {"column": "a", "operator": "like", "value": "x"},
        {"column": "a", "op": 1, "operator": "is_set"},
    ],
)
def test_what_is_no_condition_in_a_file_is_refused(raw: object) -> None:
    with pytest.raises(DefinitionError):
        where_from(raw)


@each("key", ["it's", 'a"b', "a\\b", "x') OR (1=1"])
def test_a_key_that_could_end_its_quotes_is_refused_twice(key: str) -> None:
    """By the definition, and again where the statement is written, as nothing escapes it there."""
    with pytest.raises(DefinitionError, match=r"write a column or properties\.key"):
        Condition(f'properties."{key}"', "is_set")
    rows = ibis.table({"properties": "string"}, name="rows")
    with pytest.raises(DefinitionError, match="has a quote or a backslash"):
        connect().compile(rows.select(value=rows.properties.cast("json")[key].str))


def by_hand(row: dict[str, Any], condition: Condition) -> bool:
    """Return whether a row meets a condition, in plain Python."""
    if plain := NEGATED.get(condition.operator):
        return not by_hand(row, Condition(condition.column, plain, condition.values))
    keys = json_path(condition.column)
    value = json.loads(row["properties"] or "{}").get(keys[0]) if keys else row[condition.column]
    if value is None:
        return False
    tests: dict[str, Callable[[], object]] = {
        "is_set": lambda: True,
        "equals": lambda: value == condition.values[0],
        "one_of": lambda: value in condition.values,
        "contains": lambda: str(condition.values[0]).lower() in value.lower(),
        "matches": lambda: re.search(str(condition.values[0]), value) is not None,
        "greater": lambda: value > condition.values[0],
        "greater_or_equal": lambda: value >= condition.values[0],
        "less": lambda: value < condition.values[0],
        "less_or_equal": lambda: value <= condition.values[0],
        "between": lambda: condition.values[0] <= value <= condition.values[1],
    }
    return bool(tests[condition.operator]())


NUMBERS = st.sampled_from([0.0, 2.0, 10.0, 50.0, -1.5])
WORDS = st.sampled_from(["/p/1", "sale", "/", "pro", "x"])
CONDITIONS = st.one_of(
    st.builds(
        lambda operator, value: Condition("amount", operator, (value,)),
        st.sampled_from(
            ["equals", "not_equals", "greater", "greater_or_equal", "less", "less_or_equal"]
        ),
        NUMBERS,
    ),
    st.builds(lambda low, high: Condition("amount", "between", (low, high)), NUMBERS, NUMBERS),
    st.builds(
        lambda operator, value: Condition("page_url", operator, (value,)),
        st.sampled_from(
            ["equals", "not_equals", "contains", "not_contains", "matches", "not_matches"]
        ),
        WORDS,
    ),
    st.builds(
        lambda operator: Condition("page_url", operator), st.sampled_from(["is_set", "is_not_set"])
    ),
    st.builds(
        lambda texts: Condition("page_url", "one_of", tuple(texts)),
        st.lists(WORDS, min_size=1, max_size=3),
    ),
)


@examples(60)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from(["all_of", "any_of"]))
def test_rows_meet_what_plain_python_says(conditions: list[Condition], kind: str) -> None:
    together = all if kind == "all_of" else any
    by_python = [
        n
        for n, row in enumerate(ROWS)
        if together(by_hand(row, condition) for condition in conditions)
    ]
    assert met(Group(kind, tuple(conditions))) == by_python


def test_a_filter_by_a_key_finds_nothing_where_no_row_has_properties() -> None:
    """DuckDB knows that a stored column is all null, and 2.0 fails at what it
    makes of some filters then.
    """
    con = connect()
    con.raw_sql(
        "CREATE TABLE stored AS SELECT n, NULL::VARCHAR AS properties FROM range(3000) AS "
        "numbers(n)"
    )
    rows = con.table("stored")
    assert (
        rows.filter(text_of(rows, "properties.variant").isin(["control", "test"]))
        .count()
        .to_pyarrow()
        .as_py()
        == 0
    )


def test_a_number_of_more_than_64_bits_is_a_text_as_others_are() -> None:
    """The greatest number of 64 bits is 9223372036854775807;
    a larger one reads as a double does.
    """
    con = connect()
    documents = ['{"id": 9223372036854775807}', '{"id": 9223372036854775808}', '{"id": -5}']
    con.con.register("numbered", pa.table({"n": [1, 2, 3], "properties": documents}))
    rows = con.table("numbered")
    texts = (
        rows.select("n", text=text_of(rows, "properties.id"))
        .order_by("n")
        .to_pyarrow()["text"]
        .to_pylist()
    )
    assert texts == ["9223372036854775807", "9.223372036854776e+18", "-5"]


def test_a_number_has_one_text_in_whatever_form_it_is_sent() -> None:
    con = connect()
    con.con.register(
        "numbered",
        pa.table({"properties": [f'{{"id": {number}}}' for number in {**TEXTS, **SMALLEST}]}),
    )
    rows = con.table("numbered")
    texts = rows.select("properties", text=text_of(rows, "properties.id")).to_pyarrow().to_pylist()
    assert {row["properties"][7:-1]: row["text"] for row in texts} == {**TEXTS, **SMALLEST}
