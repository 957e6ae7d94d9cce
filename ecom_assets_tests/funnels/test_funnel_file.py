"""The file that declares the daily funnels: what it may say, each refusal, and that the table counts them by name."""

from datetime import timedelta
from pathlib import Path

import pytest

from ecom_assets.errors import DefinitionError, SettingError
from ecom_assets.funnels.contracts import ConversionFunnel
from ecom_assets.rules import daily_funnels, read_funnels
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Step, journeys
from ecom_assets_tests.platform import Platform

DECLARED = """
views:
  steps: [page_view, {event_type: product_view, where: {product_category: hats}}]
  within: 1h
at once:
  steps: [page_view, product_view]
  order: exact
  per: session
without search:
  steps: [page_view, product_view]
  exclude: [search]
  per: user
"""
DAYS = Days.between(DAY_ONE - timedelta(days=1), DAY_ONE + timedelta(days=9))


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    path = tmp_path / "funnels.yaml"
    path.write_text(DECLARED)
    return path


def test_each_name_has_its_definition_and_its_units(declared: Path) -> None:
    actual = daily_funnels(Settings(funnels=declared))
    assert [(one.name, one.units, one.funnel.order) for one in actual] == [
        ("views", ("session", "visitor"), "ordered"),
        ("at once", ("session",), "exact"),
        ("without search", ("visitor",), "ordered"),
    ]


def test_the_table_counts_each_funnel_under_its_name(declared: Path) -> None:
    shop = Platform(Settings(home=Path("never written"), funnels=declared))
    hats = {"product_category": "hats"}
    people: dict[str, list[Step]] = {
        "anna": [("09:00", "page_view"), ("09:01", "product_view", hats)],
        "ben": [("09:00", "page_view"), ("09:01", "search"), ("09:02", "product_view")],
    }
    shop.receive(journeys(people), DAYS)
    shop.run(DAYS)
    actual = {
        (row["funnel_name"], row["unit"], row["step"]): row["unit_count"]
        for row in shop.rows(ConversionFunnel)
        if row["product_category"] == "(all)"
    }
    assert actual == {
        ("views", "session", 1): 2,
        ("views", "session", 2): 1,
        ("views", "visitor", 1): 2,
        ("views", "visitor", 2): 1,
        ("at once", "session", 1): 2,
        ("at once", "session", 2): 1,
        ("without search", "visitor", 1): 2,
        ("without search", "visitor", 2): 1,
    }
    shop.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: [a, b", "cannot be read as YAML or JSON"),
        ("[]", "declares no funnels"),
        ("a: {steps: []}", "funnel 'a': A funnel has 1 to 64 steps"),
        ("7: {steps: [a, b]}", "names a funnel 7; a name is a text"),
        ("a: {steps: [a, b], per: totals}", "counts totals, which days do not have"),
        ("a: {steps: [a, b], by: product_id}", "has `by`; leave it out"),
        ("a: {steps: [a, b], order: exact}", "has the order 'exact'; use ordered"),
        ("a: {steps: [a, {event_type: b, where: {prodct_id: x}}]}", "did you mean 'product_id'"),
        ("a: {steps: [a, b], hold: [user_agent]}", "names the column 'user_agent'"),
    ],
)
def test_what_cannot_be_counted_daily_is_refused_with_file_and_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "funnels.yaml"
    path.write_text(text)
    with pytest.raises(DefinitionError, match=words) as refused:
        read_funnels(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_and_two_ways_of_declaring_are_refused_with_the_setting(declared: Path) -> None:
    with pytest.raises(SettingError, match=r"ECOM_FUNNELS: .*none\.yaml cannot be read"):
        daily_funnels(Settings(funnels=declared.with_name("none.yaml")))
    with pytest.raises(SettingError, match="ECOM_FUNNELS: ECOM_FUNNEL_STEPS declares a funnel too"):
        daily_funnels(Settings(funnels=declared, funnel_steps=("page_view", "purchase")))
