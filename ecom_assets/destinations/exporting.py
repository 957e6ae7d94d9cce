"""The delivery of everything that is due at a destination on some days, and what it came to.

Not here: one day's delivery (`delivery.py`), Dagster (`assets/exports.py`).
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta

from ecom_assets.destinations.delivery import Delivery
from ecom_assets.destinations.due_records import Due
from ecom_assets.destinations.opening import Outlets
from ecom_assets.destinations.tally import Tally
from ecom_assets.transforms.days import Days


@dataclass
class Exported:
    """What a delivery of several days came to."""

    total: Tally = field(default_factory=Tally)
    unaccounted: dict[date, int] = field(default_factory=dict)
    """Days whose rows in the mart are not all accounted for, and how many are not."""
    days: list[date] = field(default_factory=list)
    late: list[date] = field(default_factory=list)
    """Days of which records still wait that should be there by now."""


def export(outlets: Outlets, name: str, due: Due, days: Days) -> Exported:
    """Deliver what is due of some days, and of earlier days that were not finished.

    Raises:
        DeliveryError: Another delivery has taken over, or the ledger cannot be used.
    """
    destination, ledger = outlets.destinations[name], outlets.ledger
    exported = Exported()
    with ledger.writer(destination, patience_s=outlets.settings.ledger_patience_s) as writer:
        unfinished = ledger.unfinished_days(writer)
        asked = due.counts(Days.of([*days.dates, *unfinished]))
        delivery = Delivery(
            destination, ledger, writer, retry_rejected=outlets.retry_rejected, sending_at=outlets.sending_at
        )
        exported.days = sorted({*asked, *unfinished})
        with ExitStack() as stack:
            known = None
            if exported.days:
                ends = exported.days[0], exported.days[-1]
                known = delivery.known_of(*ends, whole_history=due.is_whole)
            if known is not None:
                stack.callback(known.close)
            tallies = {a_day: delivery.deliver(a_day, due.chunks(a_day), known) for a_day in exported.days}
        _deliver_doubted_again(delivery, due, tallies)
        for a_day, tally in tallies.items():
            exported.total.add(tally)
            if left := asked.get(a_day, 0) - tally.outcomes.total():
                exported.unaccounted[a_day] = left
        newest = due.newest_day()
        if newest:
            oldest_well = newest - timedelta(days=outlets.settings.delivery_late_days)
            exported.late = [a_day for a_day in ledger.unfinished_days(writer) if a_day < oldest_well]
    return exported


def _deliver_doubted_again(delivery: Delivery, due: Due, tallies: dict[date, Tally]) -> None:
    """Send again what a tool refused without a reason before it had taken anything, if it has taken something since.

    Then it knows us, and what it refuses is the record: one bad record must not wait forever for being the first.
    """
    if not any(tally.delivered for tally in tallies.values()):
        return
    for a_day, tally in tallies.items():
        if tally.doubted and not delivery.is_down:
            tallies[a_day] = delivery.deliver(a_day, due.chunks(a_day)).after(tally)
