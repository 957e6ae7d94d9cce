"""Profit in the weekly report, for those only who may see costs.

Two hats at 20 less 2.50, costing 10, leave 15 in the first week. In the second, one at 20, costing
12, leaves 8, and one comes back: 7.50 less. So profit is 14.50 lower: -7.75 by one hat less, 3.75
without a discount, -3 by the cost, -7.50 by the return.
"""

from typing import Any

import pytest
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.report.page import render_page
from ecom_assets.interfaces.report.report import build_report, send_report
from ecom_assets.interfaces.weeks.weekly import Week
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets_tests.interfaces.profit_shop import GROUP, profit_shop_home
from ecom_assets_tests.mail_server import mail_server

pytestmark = [pytest.mark.xdist_group(GROUP), pytest.mark.slow]
OWNER, ANN = "owner@shop.example", "ann@shop.example"
WEEK = Week.parse("2026-W22")


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop."""
    return Settings(home=profit_shop_home(tmp_path_factory.getbasetemp()))


@pytest.fixture
def report(settings: Settings) -> dict[str, Any]:
    """The report of the second week, for readers who may see costs."""
    return build_report(settings, WEEK, with_costs=True)


def test_the_causes_add_up_to_the_change(report: dict[str, Any]) -> None:
    causes = {row["cause"]: str(row["contribution_amount"]) for row in report["profit"]["causes"]}
    assert causes == {
        "volume": "-7.75",
        "mix": "0.00",
        "price": "0.00",
        "discount": "3.75",
        "cost": "-3.00",
        "returns": "-7.50",
        "coverage": "0.00",
    }
    assert str(report["profit"]["change_amount"]) == "-14.50"


def test_margin_stands_beside_what_it_covers(report: dict[str, Any]) -> None:
    numbers = report["profit"]["numbers"]
    assert {name: values["value"] for name, values in numbers.items()} == pytest.approx(
        {"gross_profit_amount": 0.5, "gross_margin_rate": 0.2, "cost_coverage_rate": 20 / 70},
        abs=1e-6,
    )


def test_the_page_and_the_text_say_so(report: dict[str, Any]) -> None:
    text, page = "\n".join(text_lines(report)), render_page(report)
    assert "Why gross profit changed by \N{MINUS SIGN}14.50" in text
    assert "Discounts" in text
    assert "Why gross profit changed" in page
    assert "\N{MINUS SIGN}7.50" in page


def test_a_report_without_costs_has_no_word_of_them(settings: Settings) -> None:
    report = build_report(settings, WEEK)
    assert report["profit"] is None
    for text in ("\n".join(text_lines(report)), render_page(report)):
        assert "profit" not in text.lower()
        assert "14.50" not in text


@pytest.mark.parametrize(
    ("may_see", "sent"),
    [((), [[OWNER, ANN]]), ((OWNER,), [[OWNER], [ANN]]), ((OWNER, ANN), [[OWNER, ANN]])],
)
def test_profit_is_mailed_to_those_only_who_may_see_costs(
    settings: Settings, may_see: tuple[str, ...], sent: list[list[str]]
) -> None:
    with mail_server() as mailbox:
        url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
        changes = {"smtp_url": url, "report_email": (OWNER, ANN), "costs_email": may_see}
        line = send_report(settings.model_copy(update=changes), WEEK)
    assert mailbox.recipients == sent
    for recipients, message in zip(mailbox.recipients, mailbox.messages, strict=True):
        body = message.get_body()
        assert body is not None
        assert ("gross profit" in body.get_content()) == (recipients[0] in may_see)
    assert len({message["Message-ID"] for message in mailbox.messages}) == len(sent)
    assert ("with profit to" in line) == bool(may_see)
