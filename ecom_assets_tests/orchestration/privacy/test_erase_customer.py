"""Erasing a customer of events, orders and deliveries, killed after each step that finds orders or
deliveries: it ends as if it had not been killed.

Ann, Bob and Cid browse and order on two days, and Amplitude's stand-in gets their events. The shop
of reference never had Ann.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import SqliteStore
from ecom_assets.orchestration.privacy import erasure
from ecom_assets.orchestration.privacy.pending import Pending, pending_files, write_pending
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import HEADER, CommandResult, ecom
from ecom_assets_tests.orchestration.privacy.test_erase import files_with, query
from ecom_sandbox.vendors.amplitude import AmplitudeReceiver

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy_erase_customer")]
ANN, BOB, CID = "ann-4711", "bob-4712", "cid-4713"
NUMBER = {ANN: 1, BOB: 2, CID: 3}
DAYS = ("2026-01-01", "2026-01-02")
STEPS = ("product_view", "add_to_cart", "purchase")
ORDER_HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount,order_keys"
)
CLICK, KEY = "Cj0KCQ-of-{}", "checkout-of-{}"
"""The click of somebody's ad in the address of a page, and what their order is called, too."""


def land(root: Path, *people: str) -> tuple[str, ...]:
    """Land events and order lines, and return the options that name them;
    Ann's one line arrives on both days.
    """
    root.mkdir(parents=True)
    events = [
        f"e{NUMBER[who]}-{day}-{n},{who},{step},{day}T10:0{n}:00Z,p1,hats,s-{who},"
        f"https://shop.example/?gclid={CLICK.format(NUMBER[who])},,2{n}.00"
        for who in people
        for day in DAYS
        for n, step in enumerate(STEPS)
    ]
    (root / "events.csv").write_text("\n".join([HEADER, *events]) + "\n")
    for day in DAYS:
        folder = root / "orders" / f"increment_date={day}"
        folder.mkdir(parents=True)
        ordered = {who: DAYS[0] if who == ANN else day for who in people}
        lines = [
            f"{NUMBER[who]},o{NUMBER[who]}-{on},{on} 10:02:00,1,Oslo,{who},F,L,p1,hat,1,22.00,"
            f"{KEY.format(NUMBER[who])}"
            for who, on in ordered.items()
        ]
        (folder / "orders.csv").write_text("\n".join([ORDER_HEADER, *lines]) + "\n")
    return ("--events", str(root / "events.csv"), "--orders", str(root / "orders"))


def numbers(home: Path) -> dict[str, tuple[int, int]]:
    """Return the content of every table that neither names paths nor is about deliveries."""
    actual = contents(home / "warehouse.duckdb")
    return {name: row for name, row in actual.items() if not name.startswith(("raw.", "export."))}


WHATEVER_THE_SOURCE = {"recomputed", "verified"}
"""Steps after which `test_erase_kills.py` kills an erasure of few tables: all of them are computed
or read again.
"""


class Kills:
    """Ends an erasure after its steps, just before it is recorded that the step is done."""

    def __init__(self) -> None:
        self.after: list[str] = []

    def write(self, settings: Settings, pending: Pending) -> None:
        """Record the state of an erasure, or end it."""
        last = list(pending.results)[-1] if pending.results else "intent"
        if last not in {*self.after, *WHATEVER_THE_SOURCE, "intent"}:
            self.after.append(last)
            raise RuntimeError(last)
        write_pending(settings, pending)


@pytest.fixture(scope="module")
def amplitude() -> Iterator[AmplitudeReceiver]:
    with AmplitudeReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def run(amplitude: AmplitudeReceiver) -> Callable[..., CommandResult]:
    """Run `ecom` with Amplitude's stand-in as the only tool."""
    env = {f"ECOM_{name.upper()}": value for name, value in amplitude.settings().items()}
    return lambda *arguments, home: ecom(*arguments, home=home, env=env)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, run: Callable[..., CommandResult]) -> Path:
    """A shop from which Ann was erased by a command that was killed after eight steps."""
    root = tmp_path_factory.mktemp("erased")
    paths = land(root / "landing", ANN, BOB, CID)
    assert run("run", *paths, home=root / "home").exit_code == 0
    kills = Kills()
    arguments = ("erase", "--customer", ANN, *paths, "--yes", "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "write_pending", kills.write)
        for _ in range(20):
            try:
                result = run(*arguments, home=root / "home")
            except RuntimeError:
                continue
            break
    assert result.exit_code == 0, result.err
    (root / "said.json").write_text(json.dumps({**result.json, "kills": kills.after}))
    return root


def reported(shop: Path) -> dict[str, Any]:
    actual: dict[str, Any] = json.loads((shop / "said.json").read_text())
    return actual


def test_it_was_killed_after_its_steps_and_the_receipt_counts_all(shop: Path) -> None:
    receipt = reported(shop)
    assert receipt["kills"] == [
        "blocked",
        "files",
        "raw_rows",
        "ledger",
        "left_rows",
        "purged",
        "tools",
        "other_files",
    ]
    removed = receipt["removed"]
    assert {
        name: removed["tables"][name] for name in ("raw.events", "raw.user_order_log", "mart.sales")
    } == {
        "raw.events": 6,
        "raw.user_order_log": 2,
        "mart.sales": 1,
    }
    assert [file["record_count"] for file in removed["files"]] == [6, 1, 1]
    assert removed["ledger_records"] == 7, "six events, and her properties as a user"
    assert not pending_files(Settings(home=shop / "home"))


def test_every_table_is_that_of_a_shop_that_never_had_her(shop: Path, tmp_path: Path) -> None:
    paths = land(tmp_path / "landing", BOB, CID)
    assert ecom("run", *paths, home=tmp_path / "home").exit_code == 0
    assert numbers(shop / "home") == numbers(tmp_path / "home")
    assert (
        query(
            shop / "home",
            "SELECT sum(order_count) FROM mart.revenue_daily WHERE item_category = '(all)'",
        )
        is not None
    )


def test_her_id_is_in_the_bytes_of_no_file(shop: Path) -> None:
    assert files_with(ANN, shop / "home", shop / "landing") == []


def test_erasure_leaves_no_key_of_her_order_and_no_click_of_hers(shop: Path) -> None:
    for word in (CLICK, KEY):
        assert files_with(word.format(NUMBER[ANN]), shop / "home", shop / "landing") == []
        assert files_with(word.format(NUMBER[BOB]), shop / "home"), "the same search finds Bob's"


def test_the_ledger_keeps_counts_and_hashes(shop: Path) -> None:
    with closing(SqliteStore(shop / "home" / "ledger.sqlite")) as store:
        rows = store.rows(
            "SELECT record_id, outcome FROM sendings WHERE destination = 'amplitude_events'"
        )
    assert len(rows) == 18
    assert {outcome for _, outcome in rows} == {"delivered"}
    assert sum(record.startswith("erased-") for record, _ in rows) == 6
    assert not [record for record, _ in rows if record.startswith("e1-")]


def test_amplitude_was_asked_once(
    shop: Path, amplitude: AmplitudeReceiver, run: Callable[..., CommandResult]
) -> None:
    assert amplitude.deleted_ids == [ANN]
    assert reported(shop)["tools"]["amplitude"][0]["answer"] == "job of 2026-02-14, staging"
    before = amplitude.held.taken_count
    land(shop / "again", ANN, BOB, CID)
    again = run(
        "run",
        "--events",
        shop / "again" / "events.csv",
        "--orders",
        shop / "again" / "orders",
        home=shop / "home",
    )
    assert again.exit_code == 0, again.err
    assert amplitude.held.taken_count == before + 2, (
        "properties of Bob and Cid, whose scores have changed"
    )
    assert query(
        shop / "home",
        "SELECT source_table, sum(erased_count)::INT FROM raw.erased_rows GROUP BY 1 ORDER BY 1",
    ) == [
        ("raw.events", 6),
        ("raw.user_order_log", 2),
    ]
