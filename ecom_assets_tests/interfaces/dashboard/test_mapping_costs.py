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

import duckdb
import pytest
import requests

from ecom_assets.core.operations.requests import SHOP, Requests
from ecom_assets.core.settings.settings import Settings, load_settings, with_uploads
from ecom_assets.core.settings.uploaded import (
    MOST_COST_VERSIONS,
    choose_shop,
    cost_versions,
    note_cost_version,
    shop_choices,
    wanted_costs,
)
from ecom_assets.ingestion.uploads.asking import ask_costs, waiting_requests
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.orchestration.automation.upload_runs import (
    RunEnd,
    UploadRun,
    reaches_today,
    run_days,
)
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom
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
        ask_costs(tmp_path, {"shipping_cost_rules": text}, "ann")
        (request,) = waiting_requests(tmp_path)
        assert "4.20" not in request.subject, "whoever may read sees requests, and no cost"
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
    assert wanted_costs(tmp_path) == {}


def test_a_change_that_was_taken_back_is_no_rule_of_a_server_that_goes_on(tmp_path: Path) -> None:
    """What was never chosen before is as the environment says it, which is nothing."""
    before = load_settings(home=tmp_path)
    choose_shop(tmp_path, {"shipping_cost_rules": '[{"per_order": "4.20"}]', "currency": "EUR"})
    during = with_uploads(before)
    assert (len(during.shipping_cost_rules), during.currency) == (1, "EUR")
    (tmp_path / "uploads" / "shop.json").write_text("{}")
    after = with_uploads(during, ["shipping_cost_rules", "currency"])
    assert (after.shipping_cost_rules, after.currency) == ((), "")


def test_the_run_goes_as_far_as_files_do_and_with_an_api_to_today(tmp_path: Path) -> None:
    files = Settings(home=tmp_path, orders="orders.csv")
    assert not reaches_today(files)
    for remote in (
        {"order_api_url": "https://shop.example/orders"},
        {"customer_api_url": "https://shop.example/customers"},
        {"events": "snowflake://reader@account/SHOP/PUBLIC/EVENTS"},
        {"orders": "kafka://broker:9092/orders"},
    ):
        assert reaches_today(files.model_copy(update=remote))


ORDERS: Final = (
    "order_id,order_date,customer_email,item,quantity,amount\n"
    "A1,2026-03-05 10:00,ann@shop.example,lamp,1,10.00\n"
    "A2,2026-03-06 09:00,bob@shop.example,lamp,1,20.00\n"
)


@pytest.mark.slow
def test_files_of_a_terminal_that_are_older_than_today_are_counted_by_the_rules(
    tmp_path: Path,
) -> None:
    """31.00 in a month of 31 days are 1.00 a day. The orders end long before today, so that a run
    over today would be refused.
    """
    home, orders = tmp_path / "home", tmp_path / "orders.csv"
    orders.write_text(ORDERS)
    ecom("mapping", "init", orders, "--orders", "--timezone", "UTC", home=home)
    mapping = tmp_path / "orders.yaml"
    done = ecom("run", "--orders", orders, "--orders-mapping", mapping, "--json", home=home)
    assert done.exit_code == 0, done.err
    ask_costs(home, {"other_cost_rules": '[{"name": "Tool", "per_month": "31"}]'}, "ann")
    assert UploadRun(home, "a-run", run_days, emptied).do(waiting_requests(home)) == []
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "SELECT cost_date, estimated_other_cost_amount FROM mart.other_costs_daily "
            "WHERE cost_date BETWEEN '2026-03-05' AND '2026-03-06' ORDER BY 1"
        ).fetchall()
    assert [(str(day), amount) for day, amount in rows] == [
        ("2026-03-05", Decimal(1)),
        ("2026-03-06", Decimal(1)),
    ]
    (version,) = cost_versions(home)
    assert version.saved_by == "ann"


def test_so_many_versions_are_kept_and_their_numbers_go_on(tmp_path: Path) -> None:
    for number in range(MOST_COST_VERSIONS + 2):
        choose_shop(tmp_path, {"shipping_cost_rules": f'[{{"per_order": "{number}"}}]'})
        note_cost_version(tmp_path, "ann", datetime(2026, 3, 1))  # noqa: DTZ001 (UTC without a zone)
        note_cost_version(tmp_path, "ann", datetime(2026, 3, 1))  # noqa: DTZ001 (UTC without a zone)
    kept = cost_versions(tmp_path)
    assert (len(kept), kept[0].number, kept[-1].number) == (100, 102, 3)
