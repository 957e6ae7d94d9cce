"""The snapshot: swapped whole, noticed at once, and left to those who still read it."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.sales import queries as sales
from ecom_assets.commerce.sales.contracts import Customer, PurchaseRevenueDaily, RevenueDaily
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.settings import memory
from ecom_assets.core.settings.memory import AvailableMemory
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import NoOrdersError, Period
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.interfaces.api.store.served_data import require_current
from ecom_assets.interfaces.api.store.store import (
    NothingPublishedError,
    SnapshotStore,
    public_sentence,
)
from ecom_assets.outputs.serving import snapshot
from ecom_assets.outputs.serving.snapshot import (
    OlderPublicationError,
    Origin,
    Snapshot,
    SnapshotWriter,
    publish_snapshot,
)
from ecom_assets_tests.command import ecom

TABLES = (RevenueDaily, PurchaseRevenueDaily, EngagementDaily, Customer)
DAY = "('2026-03-0{}', '(all)', '(all)', '(all)', '(all)', 1, 0, 1, 1, 0, {}, 0, {}, {})"
ANN = "('c1', 'Ann', 'Lee', '1', NULL, NULL, NULL, FALSE, 0, 0, 0, 0)"


class Shop:
    """A warehouse with a few days of revenue, and its publications."""

    def __init__(self, home: Path) -> None:
        self.engine = DuckDBEngine(home / "warehouse.duckdb").open()
        self.folder = home / "serving"
        for table in TABLES:
            self.engine.ensure(table)

    def sell(self, *amounts: int) -> None:
        """Let so much be what was sold on each day."""
        self.engine.execute("DELETE FROM mart.revenue_daily")
        for number, amount in enumerate(amounts, start=1):
            row = DAY.format(number, amount, amount, amount)
            self.engine.execute(f"INSERT INTO mart.revenue_daily ({self.columns}) VALUES {row}")

    @property
    def columns(self) -> str:
        """Return the columns of a day."""
        return (
            "order_date, channel, sales_channel, city_id, item_category, order_count, "
            "refund_count, customer_count, sold_item_count, refunded_item_count, shipped_amount, "
            "refunded_amount, revenue_amount, average_order_value"
        )

    def publish(self, run_id: str = "run-1") -> Snapshot:
        """Publish what there is."""
        return publish_snapshot(
            self.engine, self.folder, TABLES, {"mart.revenue_daily": Origin(run_id)}, run_id
        )

    def files(self) -> set[str]:
        """Return the snapshots that lie there."""
        return {path.name for path in self.folder.iterdir()} - {"lock", "current.json"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.engine.close()


def store_of(tmp_path: Path, **more: float | str) -> SnapshotStore:
    return SnapshotStore(Settings(home=tmp_path).model_copy(update=more))


def revenue(store: SnapshotStore) -> str:
    with store.reading() as reading:
        answer = sales.sales(reading, Period.from_range(reading.newest_date, "month"))
    return str(answer["sales"]["revenue_amount"])


@pytest.mark.slow
def test_a_reader_sees_the_next_publication_by_itself(tmp_path: Path, shop: Shop) -> None:
    with closing(store_of(tmp_path)) as store:
        shop.sell(10, 20)
        first = shop.publish()
        assert revenue(store) == "30.0000"
        shop.sell(10, 25)
        assert revenue(store) == "30.0000", "what is not published is not shown"
        second = shop.publish("run-2")
        assert revenue(store) == "35.0000"
        assert first.data_version != second.data_version
        assert second.written_row_count == 1, "a day that has not changed is not read again"


def test_a_question_has_the_api_s_memory_and_says_how_much_that_is(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_here", lambda: AvailableMemory(2_400))
    shop.publish()
    with (
        closing(store_of(tmp_path, memory_limit="auto")) as store,  # a server and two questions
        store.reading() as reading,
        pytest.raises(QuestionTooLargeError, match="takes more memory than 400MB; ask about fewer"),
        reading.adhoc() as con,
    ):
        con.raw_sql("SELECT len(list(range)) FROM range(200_000_000)")  # 1.6 GB, not on disk


def test_what_is_about_no_days_is_asked_once_per_snapshot(tmp_path: Path, shop: Shop) -> None:
    with closing(store_of(tmp_path)) as store:
        for amount in (10, 20):
            shop.sell(amount)
            shop.publish(f"run-{amount}")
            for _ in range(2):
                with store.reading() as reading:
                    sold = reading.table(RevenueDaily)
                    (answer,) = reading.state(sold.agg(amount=sold.revenue_amount.sum()))
                    assert answer["amount"] == amount
                    assert len(reading.questions) == 1, "explain has the question, asked by either"


@pytest.mark.slow
def test_a_reader_in_the_middle_finishes_on_the_old_snapshot(tmp_path: Path, shop: Shop) -> None:
    shop.sell(10)
    shop.publish()
    with closing(store_of(tmp_path)) as store, store.reading() as early:
        for amount in (11, 12, 13):
            shop.sell(amount)
            shop.publish(f"run-{amount}")
            with store.reading() as late:
                assert late.rows(late.table(RevenueDaily).select("revenue_amount")) == [
                    {"revenue_amount": amount}
                ]
        assert early.rows(early.table(RevenueDaily).select("revenue_amount")) == [
            {"revenue_amount": 10}
        ]
        assert len(shop.files()) == 2, "the file that is read is gone by name, and open still"


def test_the_same_data_are_the_same_version_in_the_same_file(shop: Shop) -> None:
    shop.sell(10, 20)
    first, second = shop.publish(), shop.publish("run-2")
    assert second.written_row_count == 0
    assert (second.file, second.data_version) == (first.file, first.data_version)
    assert second.tables["mart.revenue_daily"].origin.run_id == "run-2"
    assert shop.files() == {first.file}


@pytest.mark.slow
def test_a_dying_publication_leaves_the_old_one(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sell(10)
    shop.publish()
    shop.sell(99)
    steps = (
        (SnapshotWriter, "_write_differences"),
        (snapshot, "sync_file"),
        (snapshot, "_write_pointer"),
    )
    for owner, function in steps:
        with monkeypatch.context() as patch, closing(store_of(tmp_path)) as store:
            patch.setattr(owner, function, _die)
            with pytest.raises(KeyboardInterrupt):
                shop.publish("run-2")
            assert revenue(store) == "10.0000"
    with closing(store_of(tmp_path)) as store:
        shop.publish("run-3")
        assert revenue(store) == "99.0000"
    assert len(shop.files()) <= 2


def _die(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_readers_beside_many_publications_see_each_whole(tmp_path: Path, shop: Shop) -> None:
    shop.sell(0, 100)
    shop.publish()
    seen: list[str] = []
    done = threading.Event()

    def read(store: SnapshotStore) -> None:
        while not done.is_set():
            seen.append(revenue(store))

    with closing(store_of(tmp_path)) as store:
        readers = [threading.Thread(target=read, args=(store,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        for amount in range(1, 5):
            shop.sell(amount, 100 - amount)
            shop.publish(f"run-{amount}")
        done.set()
        for reader in readers:
            reader.join(30)
    assert set(seen) == {"100.0000"}
    assert len(shop.files()) <= 2


def test_names_of_people_stay_in_the_warehouse(tmp_path: Path, shop: Shop) -> None:
    shop.engine.execute(f"INSERT INTO mart.customer VALUES {ANN}")
    published = shop.publish()
    with duckdb.connect(str(tmp_path / "serving" / published.file), read_only=True) as con:
        actual = con.execute(
            "SELECT customer_id, first_name, last_name FROM mart.customer"
        ).fetchall()
    assert actual == [("c1", None, None)]


def test_nothing_published_is_reported_with_what_to_do(tmp_path: Path) -> None:
    result = pytest.raises(
        NothingPublishedError, match="run `ecom run`, which ends with publishing"
    )
    with closing(store_of(tmp_path)) as store, result, store.reading():
        pass


def test_an_empty_shop_has_the_day_of_its_publication_for_a_range(
    tmp_path: Path, shop: Shop
) -> None:
    published = shop.publish()
    with closing(store_of(tmp_path)) as store, store.reading() as reading:
        assert str(reading.newest_date) == published.published_at[:10]
        with pytest.raises(NoOrdersError):
            sales.sales(reading, Period.from_range(reading.newest_date))


@pytest.mark.slow
def test_a_damaged_pointer_is_reported_and_mended_by_publishing(tmp_path: Path, shop: Shop) -> None:
    shop.sell(10)
    shop.publish()
    (shop.folder / "current.json").write_text('{"file": 1}')
    with closing(store_of(tmp_path)) as store:
        with pytest.raises(WarehouseError, match="is damaged; remove it"), store.reading():
            pass
        shop.publish("run-2")
        assert revenue(store) == "10.0000"


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, shop: Shop) -> None:
    shop.folder.write_text("in the way")
    with pytest.raises(WarehouseError, match="cannot be written"):
        shop.publish()
    assert tmp_path.exists()


def test_the_pointer_has_what_explain_says(shop: Shop) -> None:
    shop.sell(10)
    published = shop.publish()
    answer = json.loads((shop.folder / "current.json").read_text())
    assert answer["tables"]["mart.revenue_daily"]["origin"]["run_id"] == "run-1"
    assert Snapshot.read(shop.folder) == replace(published)


def test_what_an_older_version_published_is_not_called_damaged(shop: Shop) -> None:
    """An older pointer lacks members or has others in their place,
    and an older file lacks columns of today's.
    """
    shop.sell(10)
    shop.publish()
    pointer = shop.folder / "current.json"
    today = json.loads(pointer.read_text())
    older = {
        **{name: value for name, value in today.items() if name != "tables"},
        "row_counts": {"a": 1},
    }
    for content in (older, {**today, "held_days": ["2026-01-01"]}):
        pointer.write_text(json.dumps(content))
        with pytest.raises(OlderPublicationError, match="older version") as raised:
            Snapshot.read(shop.folder)
        assert str(shop.folder) not in public_sentence(raised.value)
        assert "older version" in public_sentence(raised.value)
    for damaged in ("{", "[]", '{"a": 1}'):
        pointer.write_text(damaged)
        with pytest.raises(WarehouseError, match="is damaged"):
            Snapshot.read(shop.folder)


@pytest.mark.slow
def test_a_table_without_a_column_of_today_is_of_an_older_version(
    tmp_path: Path, shop: Shop
) -> None:
    shop.sell(10)
    settings = Settings(home=tmp_path)
    require_current(settings, TABLES)  # nothing is published yet, which is no fault
    published = shop.publish()
    require_current(settings, TABLES)
    with duckdb.connect(shop.folder / published.file) as con:
        con.execute("ALTER TABLE mart.revenue_daily DROP COLUMN sales_channel")
    with pytest.raises(OlderPublicationError, match="lacks sales_channel"):
        require_current(settings, TABLES)
    result = ecom("doctor", home=tmp_path)
    (line,) = [line for line in result.out.splitlines() if line.startswith("FAIL api")]
    assert "older version" in line
    assert "fix: run `ecom run --select serving/marts`" in result.out
