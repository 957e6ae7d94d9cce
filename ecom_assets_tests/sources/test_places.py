r"""Several paths in one setting: separated by commas, `\,` within a path."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import events_place
from ecom_assets.sources.files.places import joined_places, split_places
from ecom_assets.sources.order_reports.source import orders_place
from ecom_assets_tests.command import FEW_SALES, FEW_TABLES, SMALL, ecom
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.sources.conftest import SHOP, csv_text, write


@examples(100)
@given(st.lists(st.text("ab, /*", min_size=1, max_size=6).map(str.strip).filter(bool)))
def test_paths_with_commas_come_back_as_they_were(paths: list[str]) -> None:
    assert split_places(joined_places(paths)) == paths


def test_the_settings_of_events_and_orders_hold_several_paths() -> None:
    settings = Settings(events=r"landing , more/a\,b.csv,", orders=r"x\,y.csv,z")
    assert events_place(settings) == ["landing", "more/a,b.csv"]
    assert orders_place(settings) == ["x,y.csv", "z"]


@pytest.mark.slow
def test_a_file_with_a_comma_in_its_name_is_read_by_every_command(tmp_path: Path) -> None:
    events = write(tmp_path / "in" / "a,b.csv", csv_text(SHOP))
    orders = write(
        tmp_path / "in" / "o,p.csv",
        "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
        "payment_amount\n1,l1,2026-01-01T10:00:00Z,1,Bern,c1,Ann,A,i1,Lamp,1,19.90\n",
    )
    ran = ecom("run", "--events", events, *FEW_TABLES, home=tmp_path / "home", env=SMALL)
    assert ran.exit_code == 0, ran.err
    ran = ecom("run", "--orders", orders, *FEW_SALES, home=tmp_path / "sales", env={"ECOM_ORDER_CUSTOMERS_OVER": "0"})
    assert ran.exit_code == 0, ran.err
    for command in (("sessions",), ("funnel", "--steps", "product_view,purchase")):
        assert ecom(*command, "--events", events, "--json", home=tmp_path).exit_code == 0
