"""The simulated shop: on no morning of two weeks is there anything to look at, and after the day on
which nobody on a phone can pay there is that and nothing else.
"""

from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from ecom_assets.commerce.attribution.order_visits import ReconciliationRule
from ecom_assets.commerce.findings.assets import findings
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.orchestration.rules import order_rule
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import ecom
from ecom_sandbox.shop.shop import generate

FIRST, DAYS, MORNINGS = date(2026, 1, 1), 50, 14
LAST = FIRST + timedelta(days=DAYS - 1)
INCIDENT = LAST - timedelta(days=2)


def found_each_morning(folder: Path, incident: date | None) -> dict[date, list[Row]]:
    """Return what there is to look at on each of the mornings after the last days of a shop."""
    generate(folder / "shop", days=DAYS, visitors=5_000, seed=11, incident=incident)
    home = folder / "home"
    selected = ("--select", '+key:"mart/findings"')
    result = ecom("run", "--events", folder / "shop" / "events", *selected, home=home)
    assert result.exit_code == 0, result.err
    settings = Settings(home=home)
    with closing(new_engine(settings, read_only=True).open()) as engine:
        tables = {name: engine.table(reads.contract) for name, reads in findings.reads.items()}
        mornings = [LAST + timedelta(days=1 - back) for back in range(MORNINGS)]
        return {
            morning: rows_of(
                findings.function(
                    **tables,
                    order_rule=order_rule(settings),
                    reconciliation_rule=ReconciliationRule(),
                    empty_days="auto",
                    warehouse=engine,
                    clock=lambda day=morning: datetime.combine(day, time(6), UTC),
                    timezone="UTC",
                )
            )
            for morning in mornings
        }


@pytest.mark.slow
def test_without_an_incident_there_is_nothing(tmp_path: Path) -> None:
    found = found_each_morning(tmp_path, None)
    assert {morning: rows for morning, rows in found.items() if rows} == {}


@pytest.mark.slow
def test_the_day_without_payments_on_phones_is_the_one_row_from_the_morning_after(
    tmp_path: Path,
) -> None:
    found = found_each_morning(tmp_path, INCIDENT)
    subjects = {
        morning: [tuple(row[name] for name in (*ShopFindings.key, "first_date")) for row in rows]
        for morning, rows in found.items()
    }
    phones = ("conversion", "(checkout)", 2, "device", "mobile", INCIDENT)
    assert subjects == {morning: [phones] if morning > INCIDENT else [] for morning in subjects}
