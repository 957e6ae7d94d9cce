"""A destination that is talked to over HTTP: its payloads, its batches and its manner put together.

Not here: any particular one (a client per tool), how a batch is sent (`conversation.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ecom_assets.destinations.conversation import Conversation, Manner
from ecom_assets.destinations.destination import Answer
from ecom_assets.destinations.http_sender import HttpRule, Patience
from ecom_assets.settings import Settings


@dataclass
class HttpDestination:
    """A `Destination`; `send` may be called from many threads at once."""

    name: str
    make: Callable[[pa.Table, datetime], pa.Table]
    cut: Callable[[pa.Table], Iterator[pa.Table]]
    manner: Manner
    safe_to_repeat: bool
    repeat_window_s: float | None
    account: str = ""
    former_account: str = ""
    senders: int = 1
    confirms: bool = True
    takes_updates: bool = False

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the `PAYLOADS` of rows of the mart."""
        return self.make(rows, sent_at)

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Cut payloads that can go into batches."""
        return self.cut(payloads)

    def close(self) -> None:
        """Give back what was opened for sending."""
        self.manner.sender.close()

    def send(self, batch: pa.Table) -> Sequence[Answer]:
        """Send a batch to its end."""
        return Conversation(self.manner, batch).answers()


def http_rule(  # noqa: PLR0913 (each is a trait of the tool, given by name)
    settings: Settings,
    name: str,
    *,
    named_by: str,
    secrets: Sequence[str],
    most_records: int,
    per_s: float,
    takes_gzip: bool = False,
) -> HttpRule:
    """Return how a tool is talked to, by the settings that hold for all."""
    return HttpRule(
        name=name,
        settings=named_by,
        secrets=tuple(secrets),
        per_s=per_s,
        most_records=most_records,
        takes_gzip=takes_gzip,
        connections=settings.delivery_senders,
        connect_timeout_s=settings.delivery_connect_timeout_s,
        read_timeout_s=settings.delivery_read_timeout_s,
    )


def patience(
    settings: Settings, *, pause_s: float, base_s: float = 1.0, jitter: tuple[float, float] = (0.0, 0.5)
) -> Patience:
    """Return how long a tool is waited for: what it documents, where the settings say nothing else."""
    return Patience(
        base_s=settings.delivery_retry_base_s or base_s,
        jitter=jitter,
        pause_s=settings.delivery_pause_s or pause_s,
        retries=settings.delivery_retries,
        total_s=settings.delivery_max_wait_s,
    )


def rate(chosen: float | None, documented: float) -> float:
    """Return the records per second that a tool gets at most: what is set, else what it documents; 0: no bound."""
    return documented if chosen is None else chosen
