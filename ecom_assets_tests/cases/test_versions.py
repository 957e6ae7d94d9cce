"""Cases in which an order changed after it was first exported: its newest version counts, whatever is in it."""

import pytest

from ecom_assets_tests.cases.case import Case


@pytest.mark.parametrize("case", ["01"], indirect=True)
def test_an_order_that_is_cancelled_later_is_no_sale(case: Case) -> None:
    summary = case.run("--orders", "in", "--orders-mapping", "woocommerce")
    assert summary["sales"]["revenue_amount"] == "360.00"


@pytest.mark.parametrize("case", ["02"], indirect=True)
def test_a_line_that_is_removed_later_does_not_count(case: Case) -> None:
    summary = case.run("--orders", "in", "--orders-mapping", "woocommerce")
    assert summary["sales"]["revenue_amount"] == "400.00"
