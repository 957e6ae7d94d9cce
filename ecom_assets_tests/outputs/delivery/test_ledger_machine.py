"""Any sequence of deliveries, faults, kills and waits: no record lost, none doubled,
and the ledger says what is so.

The tool decides, by its own rule for repeats, never the ledger.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ecom_assets.core.state.ledger_store import SqliteStore
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.sending import Delivery, DeliveryStats
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.outputs.delivery.scripted import (
    DAY,
    WEEK_S,
    Clock,
    Killed,
    Tool,
    killed,
    rows,
)

BUSY = DeliveryResult(DeliveryState.POSTPONED, "busy", "Later.")
UNSURE = DeliveryResult(DeliveryState.POSTPONED, "no_answer", "The connection broke.")


class Deliveries(RuleBasedStateMachine):
    """One tool that knows a repeat for a week, or not at all."""

    is_safe = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.tool = Tool(
            self.clock, safe_to_repeat=self.is_safe, confirms=self.is_safe, batch_size=2, senders=2
        )
        self.due: list[str] = []

    @rule(count=st.integers(1, 5))
    def records_come(self, count: int) -> None:
        """More is due."""
        self.due += [f"e{len(self.due) + n:03}" for n in range(count)]

    @rule(
        faults=st.lists(
            st.sampled_from(["well", "killed before", "killed after", "busy", "broken"]), max_size=4
        )
    )
    def deliver(self, faults: list[str]) -> None:
        """A run delivers, and something happens to some of its batches."""
        result: dict[str, Callable[[pa.Table], None]] = {
            "killed before": killed,
            "busy": self._busy,
            "broken": self._broken,
        }
        self.tool.before = [result.get(fault, _well) for fault in faults]
        self.tool.after = [killed if fault == "killed after" else _well for fault in faults]
        self._deliver()

    @rule(seconds=st.sampled_from([1.0, 3600.0, WEEK_S]))
    def time_passes(self, seconds: float) -> None:
        """Until the next run."""
        self.clock.pass_s(seconds)

    @precondition(lambda self: self.due)
    @rule()
    def all_is_well_at_last(self) -> None:
        """What is not there after a delivery without faults is in doubt, and said to be."""
        self.tool.before, self.tool.after, self.tool.script = [], [], []
        stats = self._deliver()
        assert stats is not None
        missing = set(self.due) - set(self.tool.counted)
        assert stats.residue == 0
        assert stats.pending == 0
        assert len(missing) <= stats.outcomes["in_doubt"]
        if self.is_safe and not stats.outcomes["in_doubt"]:
            assert not missing

    @invariant()
    def nothing_counts_twice(self) -> None:
        """By the tool's own rule."""
        assert self.tool.doubled() == []

    def teardown(self) -> None:
        """Forget the ledger."""
        self.folder.cleanup()

    def _deliver(self) -> DeliveryStats | None:
        ledger = DeliveryLedger(
            SqliteStore(Path(self.folder.name) / "ledger.sqlite"), now=self.clock
        )
        try:
            with ledger.writer(self.tool, patience_s=0.0) as writer:
                return Delivery(self.tool, ledger, writer).deliver(
                    DAY, [rows(*self.due, users=3)] if self.due else []
                )
        except Killed:
            return None
        finally:
            ledger.close()

    def _busy(self, _batch: pa.Table) -> None:
        self.tool.script.insert(0, BUSY)

    def _broken(self, _batch: pa.Table) -> None:
        self.tool.script.insert(0, UNSURE)


class AtMostOnce(Deliveries):
    """A tool that knows no repeats, and never says what it has."""

    is_safe = False


def _well(_batch: pa.Table) -> None:
    return


@pytest.mark.parametrize("machine", [Deliveries, AtMostOnce])
def test_no_sequence_loses_or_doubles_a_record(machine: type[Deliveries]) -> None:
    run_state_machine_as_test(machine, settings=settings(examples(4), stateful_step_count=10))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Deliveries, AtMostOnce])
def test_no_long_search_finds_a_sequence_that_loses_or_doubles_a_record(
    machine: type[Deliveries],
) -> None:
    run_state_machine_as_test(machine, settings=examples(60))
