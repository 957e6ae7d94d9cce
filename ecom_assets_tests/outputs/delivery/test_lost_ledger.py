"""A ledger that is gone or old: nothing is sent until it is put back,
or rebuilt from the warehouse's copy of it.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import PostgresStore, SqliteStore
from ecom_assets.outputs.delivery.contracts import DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.outputs.delivery.ledger.copy import gap_of, restore
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import UNTIL_DUE, CommandResult, ecom, page_views
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.outputs.delivery.test_exports import (
    BOTH,
    DOWN,
    MONDAY,
    SHOP,
    TUESDAY,
    UNLIKED,
    event,
)
from ecom_sandbox.vendors.running import Receivers

DAYS = tuple(f"2026-01-0{day}" for day in range(1, 6))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    """A shop of which one event was refused, one waits, one could not go, one has changed,
    and two are there.
    """
    opened = DeliveredShop(tmp_path)
    opened.land_orders({MONDAY: 1, TUESDAY: 2})
    opened.land(SHOP)
    opened.tool.answers = {"m1": UNLIKED, "t1": DOWN}
    opened.deliver(BOTH)
    opened.land([*SHOP[:2], event("m3", MONDAY, "refund", "ben", 10), *SHOP[3:]])
    opened.deliver(BOTH)
    yield opened
    opened.close()


def copied(shop: DeliveredShop) -> dict[str, list[Row]]:
    """Return the tables of deliveries, but for how often a record went,
    which a rebuilt ledger knows once only.
    """
    rows: dict[str, list[Row]] = {
        table.name: shop.rows(table) for table in (Deliveries, DeadLetters, ReconciliationDaily)
    }
    for row in rows[Deliveries.name]:
        del row["sending_count"]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_ledger_rebuilt_from_the_copy_says_what_the_lost_one_did(
    shop: DeliveredShop, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before, sent = copied(shop), len(shop.tool.received)
    (tmp_path / "ledger.sqlite").unlink()
    store: Database = (
        PostgresStore(request.getfixturevalue("postgres_url"))
        if kind == "postgres"
        else SqliteStore(tmp_path / "ledger.sqlite")
    )
    address = request.getfixturevalue("postgres_url") if kind == "postgres" else store.address
    with closing(store):
        assert gap_of(None, shop.engine)[0] == 6
        done = restore(store, shop.engine)
        assert (done.record_count, done.without_hash_count, gap_of(store, shop.engine)[0]) == (
            6,
            0,
            0,
        )
        assert restore(store, shop.engine).record_count == 0, (
            "a second time there is nothing to bring back"
        )
    shop.settings = shop.settings.model_copy(
        update={"ledger_url": type(shop.settings.ledger_url)(address)}
    )
    with closing(shop._delivery_context()) as delivery_context:  # noqa: SLF001 (as a run does)
        shop.copy(delivery_context, BOTH)
    assert copied(shop) == before
    shop.tool.answers = {}
    again = shop.deliver(BOTH)
    assert again.total.outcomes == {"delivered": 4, "rejected": 1, "refused": 1}
    assert again.total.sent == len(shop.tool.received) - sent, "what waited, and nothing else"
    assert again.total.sent in {1, 2}


@pytest.mark.slow
def test_nothing_is_sent_and_no_copy_replaced_while_the_ledger_is_emptier(
    shop: DeliveredShop, tmp_path: Path
) -> None:
    before = copied(shop)
    (tmp_path / "ledger.sqlite").unlink()
    lost = "lacks 6 of the 6 deliveries that export.deliveries has.*`ecom ledger restore`"
    with (
        closing(shop._delivery_context()) as delivery_context,  # noqa: SLF001 (as a run does)
        pytest.raises(DeliveryError, match=lost),
    ):
        shop.copy(delivery_context, BOTH)
    assert copied(shop) == before
    assert not (tmp_path / "ledger.sqlite").exists()


class Shop:
    """A shop of a person's own, whose events go to a stand-in of Amplitude."""

    def __init__(self, folder: Path, tools: Receivers) -> None:
        self.home, self.events, self.tools = folder / "home", folder / "clicks.csv", tools
        self.ledger = self.home / "ledger.sqlite"

    def has(self, days: int) -> None:
        """Let there be an event of each of so many days."""
        page_views(self.events, *DAYS[:days])
        ran = self.ecom("run", "--select", UNTIL_DUE)
        assert ran.exit_code == 0, ran.err

    def export(self) -> CommandResult:
        """Deliver what is due."""
        return self.ecom("export", "--to", "amplitude", "--json")

    def ecom(self, *arguments: str | Path) -> CommandResult:
        """Run a command with the shop's settings."""
        env = {
            "ECOM_EVENTS": str(self.events),
            "ECOM_AMPLITUDE_URL": self.tools["amplitude"].url,
            "ECOM_AMPLITUDE_API_KEY": "sandbox-amplitude-key",
            "ECOM_AMPLITUDE_MIN_ID_LENGTH": "1",
        }
        return ecom(*arguments, home=self.home, env=env)

    @property
    def sent(self) -> int:
        """How many events the tool took, repeated ones too."""
        return self.tools["amplitude"].held.taken_count


@pytest.mark.slow
def test_a_lost_ledger_stops_deliveries_until_rebuilt_and_nothing_goes_twice(
    tmp_path: Path, tools: Receivers
) -> None:
    shop = Shop(tmp_path, tools)
    shop.has(days=3)
    assert shop.export().exit_code == 0, "a first run has no copy to compare with"
    assert shop.sent == 3
    for path in shop.home.glob("ledger.sqlite*"):
        path.unlink()
    shop.has(days=4)
    refused = shop.export()
    assert refused.exit_code == 1
    assert "lacks 3 of the 3 deliveries" in refused.err
    assert "`ecom ledger restore`" in refused.err
    assert (shop.sent, shop.ledger.exists()) == (3, False)
    restored = shop.ecom("ledger", "restore", "--json").json
    assert (restored["record_count"], restored["without_hash_count"]) == (3, 0)
    after = shop.export()
    assert (after.exit_code, shop.sent) == (0, 4), after.err
    assert shop.ecom("ledger", "restore").out.endswith("nothing was changed.\n")


@pytest.mark.slow
def test_an_old_backup_is_noticed_and_completed_from_the_copy(
    tmp_path: Path, tools: Receivers
) -> None:
    shop, backup = Shop(tmp_path, tools), tmp_path / "backup.sqlite"
    shop.has(days=2)
    shop.export()
    assert shop.ecom("ledger", "backup", "--to", backup).exit_code == 0
    assert backup.stat().st_mode & 0o077 == 0
    assert shop.ecom("ledger", "backup", "--to", backup).sentence.endswith(
        "give --to another name."
    )
    shop.has(days=4)
    shop.export()
    assert shop.sent == 4
    for path in shop.home.glob("ledger.sqlite*"):
        path.unlink()
    shutil.copy(backup, shop.ledger)
    assert "lacks 2 of the 4 deliveries" in shop.export().err
    assert shop.ecom("ledger", "restore", "--json").json["record_count"] == 2
    assert (shop.export().exit_code, shop.sent) == (0, 4)


@pytest.mark.slow
def test_beginning_again_must_be_stated(tmp_path: Path, tools: Receivers) -> None:
    shop = Shop(tmp_path, tools)
    shop.has(days=2)
    shop.export()
    for path in shop.home.glob("ledger.sqlite*"):
        path.unlink()
    assert shop.ecom("ledger", "reset").sentence.endswith("confirm with --yes.")
    assert shop.ecom("ledger", "reset", "--yes").exit_code == 0
    assert (shop.export().exit_code, shop.sent) == (0, 4)
