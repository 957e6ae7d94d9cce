"""Each record once: what is sent after what the ledger knows."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pytest
from pydantic import SecretStr

from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import PostgresStore, SqliteStore, default_file, open_store
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.sending import Delivery, DeliveryStats
from ecom_assets_tests.outputs.delivery.scripted import (
    DAY,
    WEEK_S,
    Clock,
    Killed,
    Tool,
    killed,
    numbered,
    rows,
)


@dataclass
class Bench:
    """A ledger in a file, a clock and a tool."""

    path: Path
    clock: Clock
    tool: Tool

    def deliver(self, due: pa.Table, **how: object) -> DeliveryStats:
        """Deliver as a new process does."""
        return self.deliver_all([due], **how)

    def deliver_all(self, chunks: Iterable[pa.Table], **how: object) -> DeliveryStats:
        """Deliver several chunks."""
        ledger = DeliveryLedger(SqliteStore(self.path), now=self.clock)
        try:
            with ledger.writer(self.tool, patience_s=0.0) as writer:
                return Delivery(self.tool, ledger, writer, **how).deliver(DAY, chunks)  # type: ignore[arg-type]
        finally:
            ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = Clock()
    return Bench(tmp_path / "ledger.sqlite", clock, Tool(clock))


def test_every_record_is_sent_once_however_often_the_day_is_run(bench: Bench) -> None:
    first = bench.deliver(numbered(10))
    assert (first.due, first.sent, first.delivered, first.batches, first.residue) == (
        10,
        10,
        10,
        4,
        0,
    )
    bench.clock.pass_s(5 * WEEK_S)
    again = bench.deliver(numbered(10))
    assert (again.due, again.sent, again.outcomes, again.residue) == (10, 0, {"delivered": 10}, 0)
    assert len(bench.tool.received) == 10
    more = bench.deliver(numbered(12))
    assert (more.sent, more.outcomes["delivered"]) == (2, 12)


def test_a_kill_before_after_and_between_answers_loses_nothing_and_doubles_nothing(
    bench: Bench,
) -> None:
    """The process dies once before a batch is taken, then after one was taken and
    before that is written down.
    """
    bench.tool.before = [lambda _: None, killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(10))
    bench.tool.after = [killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(10))
    last = bench.deliver(numbered(10))
    assert last.outcomes == {"delivered": 10}
    assert (len(bench.tool.counted), bench.tool.doubled()) == (10, [])
    assert len(bench.tool.received) == 13, "three records of the batch without an answer came twice"


def test_what_had_no_answer_goes_again_only_while_the_tool_knows_it_again(bench: Bench) -> None:
    bench.tool.after = [killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(4))
    bench.clock.pass_s(WEEK_S)
    late = bench.deliver(numbered(4))
    assert late.outcomes == {"in_doubt": 3, "delivered": 1}
    assert bench.tool.doubled() == []
    assert bench.deliver(numbered(4)).sent == 0


def test_the_window_counts_from_the_first_sending_that_may_have_arrived(bench: Bench) -> None:
    bench.tool.after = [killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(3))
    bench.clock.pass_s(WEEK_S - 10)
    bench.tool.before = [killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(3))
    bench.clock.pass_s(20)
    assert bench.deliver(numbered(3)).outcomes == {"in_doubt": 3}
    assert bench.tool.doubled() == []


def test_a_tool_that_never_confirms_gets_nothing_twice_and_one_batch_at_most_is_in_doubt(
    bench: Bench,
) -> None:
    bench.tool = Tool(
        bench.clock, name="ga4_events", safe_to_repeat=False, confirms=False, senders=8
    )
    bench.tool.before = [lambda _: None, killed]
    with pytest.raises(Killed):
        bench.deliver(numbered(10))
    last = bench.deliver(numbered(10))
    assert last.outcomes == {"unconfirmed": 7, "in_doubt": 3}
    assert (len(bench.tool.received), bench.tool.doubled()) == (7, [])


def test_a_changed_record_is_noted_if_the_tool_keeps_the_first_and_sent_if_it_takes_the_last(
    bench: Bench,
) -> None:
    bench.deliver(rows("a", "b"))
    changed = bench.deliver(rows("a", 'b={"new": 1}'))
    assert (changed.sent, changed.changed, changed.outcomes) == (0, 1, {"delivered": 2})
    bench.tool = Tool(bench.clock, name="scripted_users", takes_updates=True, repeat_window_s=None)
    bench.deliver(rows("a", "b"))
    updated = bench.deliver(rows("a", 'b={"new": 1}'))
    assert (updated.sent, updated.changed) == (1, 0)
    assert bench.tool.counted["b"][0][1] == '{"new": 1}'
    assert bench.deliver(rows("a", 'b={"new": 1}')).sent == 0


def test_requests_at_the_same_time_have_no_user_in_common(bench: Bench) -> None:
    """Four senders take 300 records of 23 users, in two chunks and batches of 7."""
    bench.tool.senders, bench.tool.batch_size = 4, 7
    in_progress: set[str] = set()
    most_at_once = 0
    guard = Lock()
    send = bench.tool.send

    def watched(batch: pa.Table) -> Sequence[DeliveryResult]:
        nonlocal most_at_once
        users = set(batch["user_key"].to_pylist())
        with guard:
            assert in_progress.isdisjoint(users)
            in_progress.update(users)
            most_at_once = max(most_at_once, len(in_progress))
        time.sleep(0.002)
        with guard:
            in_progress.difference_update(users)
            return send(batch)

    bench.tool.send = watched  # type: ignore[method-assign]
    due = rows(*(f"{n:03}" for n in range(300)), users=23)
    assert bench.deliver_all([due.slice(0, 200), due.slice(200)]).outcomes == {"delivered": 300}
    assert most_at_once > 7, "batches of several senders were never sent at the same time"
    assert bench.tool.doubled() == []


def test_what_was_sent_before_the_mart_broke_is_counted_once(bench: Bench) -> None:
    def chunks() -> Iterator[pa.Table]:
        yield numbered(9)
        raise OSError("the warehouse is gone")

    with pytest.raises(OSError, match="warehouse is gone"):
        bench.deliver_all(chunks())
    assert bench.deliver(numbered(10)).outcomes == {"delivered": 10}
    assert (len(bench.tool.counted), bench.tool.doubled()) == (10, [])


def test_what_a_tool_refuses_for_good_waits_for_a_change_or_for_a_person(bench: Bench) -> None:
    bench.tool.rejects = {"b"}
    assert bench.deliver(rows("a", "b", "c")).outcomes == {"delivered": 2, "rejected": 1}
    assert bench.deliver(rows("a", "b", "c")).sent == 0
    retried = bench.deliver(rows("a", "b", "c"), retry_rejected=True)
    assert (retried.sent, retried.rejected) == (1, 1)
    bench.tool.rejects = set()
    assert bench.deliver(rows("a", 'b={"fixed": 1}', "c")).outcomes == {"delivered": 3}


def test_what_cannot_go_is_said_once_and_goes_when_it_can(bench: Bench) -> None:
    for _ in range(2):
        refused = bench.deliver(rows("a", "b=!bad"))
        assert (refused.outcomes, refused.residue) == ({"delivered": 1, "refused": 1}, 0)
    ledger = DeliveryLedger(SqliteStore(bench.path))
    assert ledger.store.rows(
        "SELECT record_id, outcome, reason, words FROM sendings ORDER BY record_id"
    ) == [
        ("a", "delivered", "", ""),
        ("b", "refused", "bad_name", "Its name is bad."),
    ]
    ledger.close()
    assert bench.deliver(rows("a", "b")).outcomes == {"delivered": 2}


def test_a_tool_that_is_down_is_not_asked_for_every_batch_and_gets_all_of_it_later(
    bench: Bench,
) -> None:
    bench.tool.script = [
        DeliveryResult(DeliveryState.DELIVERED),
        *[DeliveryResult(DeliveryState.POSTPONED, "busy", "Try later.")] * 99,
    ]
    bench.tool.script[0] = DeliveryResult(DeliveryState.POSTPONED, "busy", "Try later.")
    down = bench.deliver(numbered(100))
    assert (down.sent, down.outcomes, down.pending) == (3, {"postponed": 3, "waiting": 97}, 100)
    bench.tool.script = []
    up = bench.deliver(numbered(100))
    assert (up.outcomes, up.pending, bench.tool.doubled()) == ({"delivered": 100}, 0, [])


def test_records_of_a_user_wait_for_the_one_before(bench: Bench) -> None:
    """One user is throttled: others go on, and hers arrive in order the next time."""
    bench.tool.batch_size = 1
    bench.tool.script = [DeliveryResult(DeliveryState.POSTPONED, "busy", "Too many of her.")]
    first = bench.deliver(rows("a1", "b1", "a2", "b2", "a3"))
    assert first.outcomes == {"postponed": 1, "waiting": 2, "delivered": 2}
    assert bench.deliver(rows("a1", "b1", "a2", "b2", "a3")).outcomes == {"delivered": 5}
    assert [record for record, _ in bench.tool.received if record.startswith("a")] == [
        "a1",
        "a2",
        "a3",
    ]


def test_many_senders_keep_each_users_order(bench: Bench) -> None:
    bench.tool.senders, bench.tool.batch_size = 4, 7
    due = rows(*(f"{n:03}" for n in range(500)), users=23)
    assert bench.deliver(due).outcomes == {"delivered": 500}
    user_of = dict(zip(due["record_id"].to_pylist(), due["user_key"].to_pylist(), strict=True))
    seen: dict[str, list[str]] = {}
    for record, _ in bench.tool.received:
        seen.setdefault(user_of[record], []).append(record)
    assert all(records == sorted(records) for records in seen.values())
    assert len(seen) == 23


def test_a_writer_who_comes_back_after_its_successor_sends_nothing_and_changes_nothing(
    bench: Bench,
) -> None:
    paused = DeliveryLedger(SqliteStore(bench.path), now=bench.clock)
    with paused.writer(bench.tool) as writer:
        bench.clock.pass_s(paused.lease_s + 1)
        assert bench.deliver(numbered(4)).sent == 4
        with pytest.raises(DeliveryError, match="taken over"):
            Delivery(bench.tool, paused, writer).deliver(DAY, [numbered(8)])
    paused.close()
    assert len(bench.tool.received) == 4
    assert bench.deliver(numbered(4)).outcomes == {"delivered": 4}


def test_a_second_delivery_waits_and_says_why_it_sent_nothing(bench: Bench) -> None:
    first = DeliveryLedger(SqliteStore(bench.path), now=bench.clock)
    with (
        first.writer(bench.tool),
        pytest.raises(DeliveryError, match="Another delivery to scripted_events is under"),
    ):
        bench.deliver(numbered(1))
    first.close()
    assert bench.deliver(numbered(1)).sent == 1


def test_another_account_of_the_tool_gets_everything_again(bench: Bench) -> None:
    bench.deliver(numbered(3))
    bench.tool = Tool(bench.clock, account="another project")
    assert bench.deliver(numbered(3)).sent == 3


def test_a_record_that_moves_to_a_neighbouring_day_is_the_same_record(bench: Bench) -> None:
    """The reporting time zone was changed: an event of the evening is now of the next day."""
    bench.deliver(numbered(3))
    ledger = DeliveryLedger(SqliteStore(bench.path), now=bench.clock)
    with ledger.writer(bench.tool) as writer:
        moved = Delivery(bench.tool, ledger, writer).deliver(DAY + timedelta(days=1), [numbered(3)])
    ledger.close()
    assert moved.outcomes == {"delivered": 3}
    assert moved.sent == 0


@pytest.mark.slow
def test_the_ledger_lies_in_postgres_as_well(bench: Bench, postgres_url: str) -> None:
    """A kill, a rejected record, a refused one and a change,
    with the ledger in another database.
    """

    def deliver(*records: str) -> DeliveryStats:
        ledger = DeliveryLedger(PostgresStore(postgres_url), now=bench.clock)
        try:
            with ledger.writer(bench.tool, patience_s=0.0) as writer:
                return Delivery(bench.tool, ledger, writer).deliver(DAY, [rows(*records)])
        finally:
            ledger.close()

    bench.tool.rejects = {"b"}
    bench.tool.after = [killed]
    with pytest.raises(Killed):
        deliver("a", "b", "c", "d=!bad")
    expected = {"delivered": 2, "rejected": 1, "refused": 1}
    assert deliver("a", "b", "c", "d=!bad").outcomes == expected
    again = deliver("a", "b", 'c={"new": 1}', "d=!bad")
    assert (again.outcomes, again.sent, again.changed) == (expected, 0, 1)
    assert bench.tool.doubled() == []
    store = PostgresStore(postgres_url)
    newest = (
        "SELECT DISTINCT ON (record_id) record_id, outcome FROM sendings ORDER BY record_id, "
        "batch DESC"
    )
    answer = store.rows(newest)
    store.close()
    assert answer == [("a", "delivered"), ("b", "rejected"), ("c", "delivered"), ("d", "refused")]


def test_a_second_ledger_is_not_begun_beside_the_first(tmp_path: Path, postgres_url: str) -> None:
    settings = Settings(home=tmp_path, postgres_url=SecretStr(postgres_url))
    bench = Bench(default_file(settings.home), Clock(), Tool(Clock()))
    open_store(settings).close()
    bench.deliver(numbered(1))
    with pytest.raises(
        DeliveryError,
        match="has none yet, so everything would be sent again; set ECOM_LEDGER_URL=sql",
    ):
        open_store(settings)
    open_store(settings.model_copy(update={"ledger_url": SecretStr(postgres_url)})).close()


def test_a_file_that_is_no_ledger_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text(
        "something else, and long enough to be looked at as a database" * 99
    )
    with pytest.raises(
        DeliveryError, match=r"cannot be used \(file is not a database\), so nothing more was sent"
    ):
        open_store(Settings(home=tmp_path))
