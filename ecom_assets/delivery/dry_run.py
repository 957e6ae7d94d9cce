"""A dry run: write to files what would be sent, one payload per line, and what would be refused and why."""

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow.compute as pc

from ecom_assets.delivery.destination import Destination
from ecom_assets.delivery.ledger.known import KnownRecords
from ecom_assets.delivery.ledger.store import Store
from ecom_assets.delivery.pending import Due
from ecom_assets.tables.days import ONE_DAY, Days


@dataclass
class DryRun:
    """The result of a dry run for one destination: what would have been sent, and the file with it."""

    folder: Path
    due: int = 0
    would_send: int = 0
    would_refuse: int = 0
    known: int = 0
    """Due records that need not be sent, according to the ledger."""
    byte_count: int = 0


@dataclass(frozen=True)
class DryDestination:
    """A destination and its ledger, if there is one."""

    destination: Destination
    due: Due
    store: Store | None
    sent_at: datetime

    def write(self, days: Days, folder: Path) -> DryRun:
        """Write the payloads of some days, one file per day."""
        result = DryRun(folder / self.destination.name)
        result.folder.mkdir(parents=True, exist_ok=True)
        for old in result.folder.glob("*.ndjson"):
            old.unlink()
        for a_day in sorted(self.due.counts(days)):
            self._write_day(a_day, result)
        return result

    def _write_day(self, a_day: date, result: DryRun) -> None:
        identity = _identity(self.store, self.destination)
        around = (None, None) if self.due.is_whole else (a_day - ONE_DAY, a_day + ONE_DAY)
        with ExitStack() as stack:
            known = stack.enter_context(closing(KnownRecords(self.store if identity else None, identity, *around)))
            files = {
                name: stack.enter_context((result.folder / f"{a_day}{end}.ndjson").open("w", encoding="utf-8"))
                for name, end in (("send", ""), ("refuse", "_refused"))
            }
            for chunk in self.due.chunks(a_day):
                payloads = self.destination.payloads(chunk, self.sent_at)
                plan = known.plan(payloads, self.destination, self.sent_at, retry_rejected=False)
                going = payloads.filter(pc.equal(plan["decision"], "send"))
                refused = payloads.filter(pc.equal(plan["decision"], "refuse"))
                files["send"].writelines(f"{payload}\n" for payload in going["payload"].to_pylist())
                refusals = refused.select(["record_id", "reason", "words"]).to_pylist()
                files["refuse"].writelines(json.dumps(row) + "\n" for row in refusals)
                result.due += len(chunk)
                result.would_send += len(going)
                result.would_refuse += len(refused)
                result.known += len(chunk) - len(going) - len(refused)
                result.byte_count += pc.sum(pc.binary_length(going["payload"])).as_py() or 0


def _identity(store: Store | None, destination: Destination) -> int | None:
    key = (destination.name, destination.account)
    rows = store.rows("SELECT id FROM destinations WHERE name = ? AND account = ?", key) if store else []
    return int(rows[0][0]) if rows else None
