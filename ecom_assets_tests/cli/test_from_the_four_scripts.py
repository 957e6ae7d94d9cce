"""The page "From the four scripts": what it names is there, and the original increment
comes out by either name.
"""

import re
from pathlib import Path

import pytest

from ecom_assets.cli.app import app
from ecom_assets.cli.commands import COMMANDS
from ecom_assets.core.settings.settings import PREFIX, Settings
from ecom_assets.interfaces.api.app import create_app
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.cli.test_run_orders import queried
from ecom_assets_tests.command import ecom, real_file
from ecom_assets_tests.markdown import ROOT

PAGE = (ROOT / "docs" / "from_the_four_scripts.md").read_text(encoding="utf-8")
THERE = {
    "staging.user_order_inc",
    "mart.f_sales",
    "mart.f_customer_retention",
    "mart.d_customer",
    "mart.d_city",
    "mart.d_item",
    "mart.d_calendar",
}
"""Tables of the original."""


def test_every_table_setting_and_command_that_the_page_names_is_there() -> None:
    tables = set(re.findall(r"`((?:raw|staging|mart|export)\.\w+)`", PAGE))
    views = {f"{contract.layer}.{name}" for contract in ALL for name in contract.views}
    assert tables - THERE <= {contract.qualified_name() for contract in ALL} | views
    assert tables >= THERE
    settings = {name.removeprefix(PREFIX).lower() for name in re.findall(rf"{PREFIX}[A-Z_]+", PAGE)}
    assert settings <= set(Settings.model_fields)
    commands = {*COMMANDS, *(group.name for group in app.registered_groups)}
    assert set(re.findall(r"`ecom (\w+)", PAGE)) <= commands


@pytest.mark.slow
def test_every_path_of_the_page_is_a_route(tmp_path: Path) -> None:
    routes = set(create_app(Settings(home=tmp_path)).openapi()["paths"])
    paths = {path.partition("?")[0] for path in re.findall(r"`(?:POST )?(/analytics/[^`]+)`", PAGE)}
    assert len(paths) >= 12
    assert {f"/v1{path}" for path in paths} <= routes


@pytest.mark.slow
def test_the_commands_about_the_sample_file_work_as_printed(tmp_path: Path) -> None:
    block = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    asked = [line.split()[1:] for line in block[1].splitlines() if line.startswith("ecom ")]
    assert [arguments[0] for arguments in asked] == ["funnel", "journeys"]
    for arguments in asked:
        result = ecom(*arguments, home=tmp_path / "home", cwd=ROOT)
        assert result.exit_code == 0, result.err
        assert "Rows: 200 read, 197 counted" in result.out


def test_readme_links_to_the_page() -> None:
    assert "(docs/from_the_four_scripts.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["user_order_log_inc.csv", "user_orders_log_inc.csv"])
def test_the_original_increment_comes_out_by_either_name(tmp_path: Path, name: str) -> None:
    landed = tmp_path / "reports" / "increment_date=2022-12-05" / name
    landed.parent.mkdir(parents=True)
    landed.write_bytes(real_file("user_order_log_inc.csv").read_bytes())
    tables = ("--select", '+key:"mart/sales" or +key:"mart/order_accounting_daily"')
    arguments = (*tables, "--orders", tmp_path / "reports")
    result = ecom("run", "--json", *arguments, home=tmp_path / "home")
    assert result.exit_code == 0, result.err
    sums = "SELECT status, count(*), sum(revenue_amount)::INT FROM mart.sales GROUP BY 1 ORDER BY 1"
    assert queried(tmp_path / "home", sums) == [("refunded", 6, -2_390), ("shipped", 124, 58_865)]
    assert result.json["sales"]["duplicates"] == 1_144 - 130
