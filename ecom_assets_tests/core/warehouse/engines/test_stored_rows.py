"""Expressions computed once per distinct text, and first rows by their least value: on every
engine they are what they are row by row.
"""

import random
from collections.abc import Iterator
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.core.tables.contract import Table, count, text
from ecom_assets.core.tables.portable import (
    dialect_of,
    first_of_each,
    first_of_stored,
    is_among_those,
    is_true_of,
    joined_per_distinct,
    once_per_distinct,
    with_least,
)
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds

TEXTS: Final = (None, "", "a", "A", " ", "null", "ä", "a=b")


class Pages(Table):
    """One row per page that was looked at, in a place of its visitor's visits."""

    layer = "mart"
    key = ("number",)

    number = count("The number of the row")
    visitor_id = text("Who looked")
    place = count("When")
    page_url = text("The page", nullable=True)
    referrer_url = text("The page before", nullable=True)


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES, slow=("spark",)))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp(request.param)
    engine = opened(settings_of(request.param, request, home))
    yield engine
    engine.drop(Pages)
    engine.close()


def filled(engine: Engine, seed: int) -> tuple[ir.Table, list[Row]]:
    """Return random pages as a table of the engine, and as they are."""
    chosen = random.Random(seed)  # noqa: S311 (rows that can be repeated)
    rows: list[Row] = [
        {
            "number": number,
            "visitor_id": chosen.choice("abc"),
            "place": chosen.randrange(4),
            "page_url": chosen.choice(TEXTS),
            "referrer_url": chosen.choice(TEXTS),
        }
        for number in range(chosen.choice((0, 1, 60)))
    ]
    con = connect()
    shape = pa.schema(
        [
            ("number", pa.int64()),
            ("visitor_id", pa.string()),
            ("place", pa.int64()),
            ("page_url", pa.string()),
            ("referrer_url", pa.string()),
        ]
    )
    con.con.register("pages", pa.Table.from_pylist(rows, schema=shape))
    engine.replace(Pages, con.table("pages"), None)
    return engine.table(Pages), rows


def described(pages: ir.Table) -> ir.Table:
    """Return pages whose referrer is not `A`, each with what is null among its addresses."""
    missing = ibis.cases(
        (pages.page_url.isnull() & pages.referrer_url.isnull(), "both"),
        (pages.page_url.isnull(), "page"),
        (pages.referrer_url.isnull(), "referrer"),
        else_=ibis.null("string"),
    )
    both = pages.page_url.concat("|", pages.referrer_url)
    is_kept = (pages.referrer_url != "A").fill_null(ibis.literal(value=True))
    return pages.mutate(missing=missing, both=both).filter(is_kept)


def expected(page: str | None, referrer: str | None) -> tuple[str | None, str | None]:
    """Return the same as `described`, in Python."""
    missing = {(True, True): "both", (True, False): "page", (False, True): "referrer"}
    both = None if page is None or referrer is None else f"{page}|{referrer}"
    return missing.get((page is None, referrer is None)), both


@each("seed", seeds(range(40)))
def test_once_per_distinct_text_is_the_same_as_row_by_row(engine: Engine, seed: int) -> None:
    pages, rows = filled(engine, seed)
    names, added = ("page_url", "referrer_url"), ("missing", "both")
    wanted = {
        row["number"]: (row["page_url"], row["referrer_url"], *expected(page, referrer))
        for row in rows
        for page, referrer in [(row["page_url"], row["referrer_url"])]
        if referrer != "A"
    }
    for result in (
        joined_per_distinct(pages, names, added, described),
        joined_per_distinct(pages, names, added, described, leaves_out=True),
        once_per_distinct(pages, names, added, described),
    ):
        assert result.columns == (*pages.columns, *added)
        actual = [
            (row["number"], (row["page_url"], row["referrer_url"], row["missing"], row["both"]))
            for row in engine.rows_of(result)
        ]
        assert len(actual) == len(dict(actual))
        assert dict(actual) == wanted


def is_marked(text: ir.StringColumn) -> ir.BooleanValue:
    return ((text == "") | text.re_search("[aä]")).fill_null(ibis.literal(value=False))


@each("seed", seeds(range(40)))
def test_a_condition_is_true_of_the_texts_that_are_looked_up(engine: Engine, seed: int) -> None:
    pages, rows = filled(engine, seed)
    wanted = {row["number"]: row["page_url"] in {"", "a", "ä", "a=b"} for row in rows}
    few = pages.filter(pages.place < 2)
    forms = [is_true_of] + [is_among_those] * dialect_of(engine.con).joins_in_columns
    for form in forms:
        result = few.select("number", is_true=form(few.page_url, is_marked, pages))
        actual = {row["number"]: row["is_true"] for row in engine.rows_of(result)}
        assert actual == {row["number"]: wanted[row["number"]] for row in rows if row["place"] < 2}


@each("seed", seeds(range(40)))
def test_the_first_row_of_a_stored_table_is_that_of_its_order(engine: Engine, seed: int) -> None:
    pages, rows = filled(engine, seed)
    unit, order = ["visitor_id"], ["place", "number"]
    wanted = {
        visitor: min((row["place"], row["number"]) for row in rows if row["visitor_id"] == visitor)
        for visitor in {row["visitor_id"] for row in rows}
    }
    for result in (
        first_of_stored(pages, unit, order),
        first_of_each(with_least(pages, unit, "place"), unit, ["number"]),
    ):
        assert result.columns == pages.columns
        actual = [
            (row["visitor_id"], (row["place"], row["number"])) for row in engine.rows_of(result)
        ]
        assert sorted(actual) == sorted(wanted.items())
