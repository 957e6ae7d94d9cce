"""A process that delivers and is killed: it forks one child per line of JSON on its standard input.

Per child it prints the child's process id, and when it is over its exit status. A child either
delivers all that is due and ends with 0, or dies at the phase that it was given.
"""

import faulthandler
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import open_store
from ecom_assets.outputs.delivery.destination import DeliveryResult, Destination
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.payloads import EVENT_ROWS
from ecom_assets.outputs.delivery.sending import Delivery
from ecom_assets.outputs.delivery.tools.all import destinations

USERS, BATCH = 40, 10
"""Who the events are of, and how many go together at most: small batches make
many requests of few records.
"""
HANGS_S = 60
"""After this time a child says where it is, and ends."""
BEFORE, REPLIED = "before_sending", "replied"


class Mortal:
    """A destination that dies at its `at`-th batch: before it is sent,
    or after the answer and before the ledger.
    """

    def __init__(self, inner: Destination, phase: str, at: int) -> None:
        self._inner, self._phase, self._at = inner, phase, at
        self._batches = count()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Cut as the tool wants it, and smaller."""
        for batch in self._inner.batches(payloads):
            for first in range(0, len(batch), BATCH):
                yield batch.slice(first, BATCH)

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Send a batch, or die."""
        is_last = next(self._batches) == self._at
        if is_last and self._phase == BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        answers = self._inner.send(batch)
        if is_last and self._phase == REPLIED:
            os.kill(os.getpid(), signal.SIGKILL)
        return answers


def rows_of(first: int, size: int, now: datetime) -> pa.Table:
    """Return events `first`, … of the last hour, in their order; every fifth is a purchase."""
    numbers = range(first, first + size)
    made = [
        {
            "event_id": f"event-{number:07}",
            "event_at": now - timedelta(hours=1) + timedelta(milliseconds=number - first),
            "event_type": "purchase" if number % 5 == 0 else "page_view",
            "visitor_id": f"visitor-{number % USERS:03}",
            "user_id": f"visitor-{number % USERS:03}",
            "source_session_id": f"session-{number % USERS:03}",
            "session_started_at": now - timedelta(hours=1),
            "product_id": "p1",
            "cart_amount": 10 if number % 5 == 0 else None,
        }
        for number in numbers
    ]
    return pa.Table.from_pylist(made, schema=EVENT_ROWS)


def deliver(job: dict[str, Any]) -> None:
    """Deliver what a job says, in this process."""
    settings = Settings(**job["settings"])
    now = datetime.fromisoformat(job["now"])
    ledger = DeliveryLedger(open_store(settings))
    destination = Mortal(destinations(settings)[job["destination"]], job["phase"], job["at"])
    with ledger.writer(destination, patience_s=20) as writer:
        rows = rows_of(job["first"], job["size"], now)
        Delivery(destination, ledger, writer, sending_at=lambda: now).deliver(
            date.fromisoformat(job["day"]), [rows]
        )
    ledger.close()


def main() -> None:
    """Fork a child for each job; it is buried when the next begins,
    so that its id is nobody else's until then.
    """
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(HANGS_S, exit=True)
            try:
                deliver(json.loads(line))
            except BaseException:  # noqa: BLE001 (whatever it is, the child ends here)
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        _report(child)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        _report(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)


def _report(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
