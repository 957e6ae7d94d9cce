"""Patterns that people send: what the engine searches by,
of a size that it searches for quickly.
"""

import time
from contextlib import nullcontext

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.conditions import (
    MAX_PATTERN_LENGTH,
    MAX_PATTERN_SIZE,
    check_pattern,
    parse_where,
    pattern_size,
    where_from,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples


@each(
    "pattern, size",
    [
        ("abc", 3),
        ("a{3}", 3),
        ("a{2,5}b", 6),
        ("a{2,}", 2),
        ("a{,5}", 5),  # which RE2 looks for as it is written
        ("(ab){10}", 30),
        ("((ab){10}){10}", 310),
        ("[a-z]{4}", 4),
        ("[]a{9}]{3}", 3),
        ("[[:alpha:]x]{3}", 3),
        (r"\{3}", 3),
        (r"\\{3}", 3),
        (r"\Qa{1000}\E{2}", 8),
        (r"\pL{3}", 60),
        (r"\p{Greek}{3}", 60),
        (r"[\pL-]{3}", 60),
        ("[" + r"\p" * 400, 1 + 200 * 21),
        ("a{0,1000}" * 50, 50_000),
    ],
)
def test_the_size_counts_each_repetition(pattern: str, size: int) -> None:
    assert pattern_size(pattern) == size


@each(
    "text",
    ["^/product/[0-9]+$", "(?i)shoes|boots", r"\bsale\b", ".{0,500}x", "[[:alpha:]]+", r"\pL+"],
)
def test_what_the_engine_takes_is_taken(text: str) -> None:
    check_pattern("It", text)


@each(
    "pattern, why",
    [
        ("x" * (MAX_PATTERN_LENGTH + 1), "longer than 1000 characters"),
        (
            f"x{{{MAX_PATTERN_SIZE}}}y",
            "has 1001 parts with its repetitions written out, and may have 1000",
        ),
        ("a{0,1000}" * 50, "has 50000 parts"),
        ("(?=a)", "RE2's syntax .invalid perl operator"),
        ("(?<=a)b", "RE2's syntax"),
        (r"(a)\1", "RE2's syntax .invalid escape sequence"),
        ("a++", "RE2's syntax .bad repetition operator"),
        ("(?>a)b", "RE2's syntax"),
        ("(?P=n)", "RE2's syntax"),
        ("(?#words)a", "RE2's syntax"),
        (r"\Z", "RE2's syntax"),
        (r"\N{DIGIT ONE}", "RE2's syntax"),
        ("(?(1)a|b)", "RE2's syntax"),
        ("x{2}{3}", "RE2's syntax"),
        ("a{1001}", "parts"),
        ("[", "RE2's syntax .missing \\]"),
        ("\ud800", "half a character"),
    ],
)
def test_what_the_engine_would_refuse_or_take_long_for_is_refused_before(
    pattern: str, why: str
) -> None:
    with pytest.raises(DefinitionError, match=why):
        where_from({"column": "page_url", "operator": "matches", "value": pattern})


def test_the_engine_looks_for_the_largest_patterns_quickly() -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE t AS SELECT 'https://shop.example/product/' || i || '?utm=google' AS u FROM "
        "range(17000) t(i)"
    )
    patterns = [
        f".{{0,{MAX_PATTERN_SIZE - 1}}}#",
        "(?:[a-z]?[a-z/:.]?){140}9z",
        "(?:x|y)*x(?:x|y){160}",
        r"\pL{50}",
        "a{0,9}" * 100,
    ]
    began = time.process_time()
    for pattern in patterns:
        check_pattern("It", pattern)
        con.execute(
            "SELECT count(*) FILTER (regexp_matches(u, $1, 's')) FROM t", [pattern]
        ).fetchall()
    con.close()
    assert time.process_time() - began < 5, "CPU seconds; one of the refused takes as long alone"


@given(st.text(alphabet=r"a0()[]{}|*+?.^$\pPLQEdbwsz:,<>=!#-" + "\u00e9\u4e2d", max_size=40))
@examples(400)
def test_no_pattern_ends_in_an_error_of_the_engine(pattern: str) -> None:
    try:
        check_pattern("It", pattern)
    except DefinitionError:
        return
    con = duckdb.connect()
    con.execute(
        "SELECT regexp_matches(u, $1, 's') FROM (VALUES ('abc'), (NULL)) t(u)", [pattern]
    ).fetchall()
    con.close()


def test_a_definition_and_a_command_have_the_same_rule() -> None:
    for pattern, is_taken in (("a+", True), ("a++", False)):
        text = f"page_url matches {pattern}"
        for read, written in ((parse_where, [text]), (where_from, text)):
            with (
                nullcontext() if is_taken else pytest.raises(DefinitionError, match="RE2's syntax")
            ):
                read(written)
