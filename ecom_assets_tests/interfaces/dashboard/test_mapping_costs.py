"""What orders cost, said on the page: kept as versions, only shown where a file says it, and
refused with a sentence.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
import requests

from ecom_assets.core.operations.requests import SHOP, Requests
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.settings.uploaded import (
    MOST_COST_VERSIONS,
    choose_shop,
    cost_versions,
    note_cost_version,
    shop_choices,
)
from ecom_assets.ingestion.uploads.asking import ask_shop, waiting_requests
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.orchestration.automation.test_upload_changes import Runs
from ecom_assets_tests.patience import PATIENCE_S

FEES: Final = {
    "payment_fee_rules.1.payment_method": "card",
    "payment_fee_rules.1.percent": "1,4",
    "payment_fee_rules.1.per_order": "0.25",
    "shipping_cost_rules.1.per_order": "4.20",
}
"""What somebody types: 1.4 % and 0.25 of card payments, 4.20 for each parcel."""
PAGE: Final = "/dashboard/mapping-costs"


class Page:
    """The page of a home without data, where nobody needs a key."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def text(self) -> str:
        """Return what is seen."""
        return read(self.session.get(self.address + PAGE, timeout=PATIENCE_S).text).one("main").text

    def send(self, action: str, form: Mapping[str, str]) -> str:
        """Send a form, and return what is seen then."""
        shown = self.session.get(self.address + PAGE, timeout=PATIENCE_S).text
        (token, *_) = re.findall(r'name="token" value="([^"]+)"', shown)
        answer = self.session.post(
            f"{self.address}{PAGE}/{action}",
            data={"token": token, "next": PAGE, **form},
            headers={"origin": self.address},
            timeout=PATIENCE_S,
        )
        return read(answer.text).one("main").text


@contextmanager
def page_of(home: Path) -> Iterator[Page]:
    with served(build_dashboard_app(load_settings(home=home))) as answer:
        yield Page(answer.address)


def test_a_saved_rule_is_a_version_that_can_be_used_again(tmp_path: Path) -> None:
    with page_of(tmp_path) as page:
        assert "Saved. The next run counts by it." in page.send("change", FEES)
        (fee,) = load_settings(home=tmp_path).payment_fee_rules
        assert (fee.payment_method, fee.percent, fee.per_order) == (
            "card",
            Decimal("1.4"),
            Decimal("0.25"),
        )
        assert "Nothing is changed." in page.send("change", FEES)
        dearer = {**FEES, "shipping_cost_rules.1.per_order": "5"}
        seen = page.send("change", dearer)
        assert "Version 2 Newest" in seen
        assert "Shipping: 4.2 per order" in seen, "the version before"
        page.send("restore", {"number": "1"})
        (shipping,) = load_settings(home=tmp_path).shipping_cost_rules
        assert shipping.per_order == Decimal("4.2")
        assert [version.number for version in cost_versions(tmp_path)] == [3, 2, 1]
        # Empty lines are no rules: the list is empty then.
        page.send("change", {"payment_fee_rules.1.percent": ""})
        assert load_settings(home=tmp_path).payment_fee_rules == ()


def test_what_cannot_be_a_rule_is_said_and_changes_nothing(tmp_path: Path) -> None:
    with page_of(tmp_path) as page:
        page.send("change", FEES)
        for wrong, sentence in (
            (
                {"shipping_cost_rules.2.per_order": "5"},
                "Shipping: rules 1 and 2 are for the same country and first day; nothing is",
            ),
            (
                {"payment_fee_rules.1.percent": "140"},
                "Fees of payments: rule 1 has percent",
            ),
            ({"payment_fee_rules.1.percent": "a lot"}, "% of what was charged is 'a lot'"),
            ({"commission_rules.1.percent": "12"}, "rule 1 has no sales_channel"),
            (
                {
                    "shipping_cost_rules.1.valid_from_date": "2026-03-01",
                    "shipping_cost_rules.1.valid_until_date": "2026-02-01",
                },
                "ends on 2026-02-01, before it begins on 2026-03-01",
            ),
        ):
            assert sentence in page.send("change", {**FEES, **wrong})
        assert "Version 'x' is not kept" in page.send("restore", {"number": "x"})
        assert [version.number for version in cost_versions(tmp_path)] == [1]


def test_what_the_environment_says_is_only_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_PAYMENT_FEE_RULES", '[{"percent": 2}]')
    with page_of(tmp_path) as page:
        assert "2 % of what was charged The environment, .env or ecom.toml says them" in page.text()
        page.send("change", FEES)
        settings = load_settings(home=tmp_path)
        assert [rule.percent for rule in settings.payment_fee_rules] == [Decimal(2)]
        assert [rule.per_order for rule in settings.shipping_cost_rules] == [Decimal("4.2")]


def test_a_run_computes_all_days_by_other_rules_or_all_is_as_before(tmp_path: Path) -> None:
    choose_shop(tmp_path, {"currency": "EUR"})
    runs = Runs(tmp_path, ends=[RunEnd(is_published=True), RunEnd(False, "The disk is full.")])  # noqa: FBT003 (as a tuple)
    first, second = '[{"per_order": "4.20"}]', '[{"per_order": "5"}]'
    for text, problems in ((first, []), (second, ["The disk is full."])):
        ask_shop(tmp_path, {"shipping_cost_rules": text}, "ann")
        run = UploadRun(tmp_path, "a-run", runs.run, runs.reset)
        assert run.do(waiting_requests(tmp_path)) == problems
        (rule,) = load_settings(home=tmp_path).shipping_cost_rules
        assert rule.per_order == Decimal("4.2"), "what a failed run was to change is as before"
    assert [(one.saved_by, one.rules) for one in cost_versions(tmp_path)] == [
        ("ann", {"shipping_cost_rules": first})
    ]
    assert shop_choices(tmp_path) == {"currency": "EUR"}
    # No upload says how far the data go: the run finds it.
    assert {last for _, _, last in runs.seen} == {None}
    assert Requests(tmp_path).waiting(SHOP) == []


def test_so_many_versions_are_kept_and_their_numbers_go_on(tmp_path: Path) -> None:
    for _ in range(MOST_COST_VERSIONS + 2):
        note_cost_version(tmp_path, "ann", datetime(2026, 3, 1))  # noqa: DTZ001 (UTC without a zone)
    kept = cost_versions(tmp_path)
    assert (len(kept), kept[0].number, kept[-1].number) == (100, 102, 3)
