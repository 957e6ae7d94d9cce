"""A currency that files state is used and shown where none is set; several, or none,
are no currency.
"""

from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.stated_currency import note_currencies, stated_currency
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.events import ReceivedEventFiles
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.order_source import FileOrders
from ecom_assets.ingestion.sources.files.question_source import EventFileSource
from ecom_assets.ingestion.sources.order_reports.source import OrderReader, ReceivedOrderFiles
from ecom_assets_tests.ingestion.sources.conftest import write

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
ORDERS = """\
name: shop
fields:
  date_time: at
  customer_id: who
  uniq_id: id
  item_id: item
  quantity: n
  payment_amount: paid
  currency: money
"""
EVENTS = """\
name: shop
fields: {event_id: id, event_type: what, event_timestamp: at, user_id: who, \
cart_value: paid, currency: money}
"""


def orders(folder: Path, *currencies: str) -> Settings:
    """Write an order per day, each in its currency."""
    lines = [
        f"o{number},2026-03-0{number}T10:00:00Z,ann,hat,1,10.00,{currency}"
        for number, currency in enumerate(currencies, start=1)
    ]
    file = write(folder / "orders.csv", "\n".join(["id,at,who,item,n,paid,money", *lines, ""]))
    mapping = write(folder / "orders.yaml", ORDERS)
    return Settings(home=folder / "home", orders=str(file), orders_mapping=str(mapping))


def load(settings: Settings, *days: date) -> None:
    currencies = Currencies.from_settings(settings)
    reader = OrderReader(connect(), "UTC", str(settings.orders), None, currencies, settings.home)
    ReceivedOrderFiles(reader, settings).received(Days.from_dates(days))


@pytest.mark.parametrize(("set_currency", "shown"), [("", "EUR"), ("USD", "USD")])
def test_the_currency_of_orders_is_that_of_all_amounts(
    tmp_path: Path, set_currency: str, shown: str
) -> None:
    settings = orders(tmp_path, "EUR", "EUR")
    load(settings, FIRST, SECOND)
    assert settings.model_copy(update={"currency": set_currency}).known_currency == shown


def test_files_without_a_currency_state_none(tmp_path: Path) -> None:
    settings = orders(tmp_path, "", "")
    load(settings, FIRST, SECOND)
    assert settings.known_currency == ""
    assert not (settings.home / "currency.json").exists()


def test_days_of_several_currencies_have_none_until_they_are_loaded_again(tmp_path: Path) -> None:
    """Each day states one: together they are two; the file is mended,
    and the second day loaded again.
    """
    settings = orders(tmp_path, "EUR", "USD")
    load(settings, FIRST)
    assert settings.known_currency == "EUR"
    load(settings, SECOND)
    assert settings.known_currency == ""
    load(orders(tmp_path, "EUR", "EUR"), SECOND)
    assert settings.known_currency == "EUR"


def test_orders_and_events_that_disagree_have_none(tmp_path: Path) -> None:
    note_currencies(tmp_path, "orders", [FIRST], {"EUR"})
    note_currencies(tmp_path, "events", [FIRST], {"USD"})
    assert stated_currency(tmp_path) == ""
    note_currencies(tmp_path, "events", [FIRST], {"EUR"})
    assert stated_currency(tmp_path) == "EUR"


def test_what_a_run_loads_changes_no_rule(tmp_path: Path) -> None:
    """Bounds follow what is set: dong that were loaded first must not let more
    of the same files in later.
    """
    settings = orders(tmp_path, "VND", "VND")
    before = settings.largest_amount
    load(settings, FIRST, SECOND)
    assert (settings.known_currency, settings.set_currency) == ("VND", "")
    assert settings.largest_amount == before


def test_events_and_questions_about_files_state_theirs(tmp_path: Path) -> None:
    lines = ["e1,view,2026-03-01T09:00:00Z,ann,,", "e2,purchase,2026-03-01T10:00:00Z,ann,10.00,EUR"]
    file = write(tmp_path / "events.csv", "\n".join(["id,what,at,who,paid,money", *lines, ""]))
    mapping = write(tmp_path / "events.yaml", EVENTS)
    settings = Settings(home=tmp_path / "home", events=str(file), events_mapping=str(mapping))
    ReceivedEventFiles(connect(), settings, print).received(Days((FIRST,)))
    assert settings.known_currency == "EUR"
    fresh = settings.model_copy(update={"home": tmp_path / "other"})
    source = EventFileSource(FileEvents.open([str(file)], fresh))
    assert source.facts()["currency"] == "EUR"
    of_orders = orders(tmp_path, "EUR", "EUR")
    assert FileOrders.open([str(of_orders.orders)], of_orders).currency == "EUR"
