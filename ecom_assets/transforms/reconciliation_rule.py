"""When an event and an order are the same purchase. Not here: the comparison (`reconciliation.py`)."""

from dataclasses import asdict, dataclass
from typing import Any

REACH_DAYS = 5
"""Days that a change of one day's orders or events can reach: a match looks a day ahead or back, and so does that of
the other side, first by order id and then by customer; a repeated event looks at its neighbours' matches."""


@dataclass(frozen=True)
class ReconciliationRule:
    """What makes an event and an order one purchase; both are at most one calendar day apart.

    Attributes:
        order_id_keys: Keys of an event's `properties` that may name the order, the first that is there counts; GA4 and
            many others say transaction_id.
        line_suffix: What the id of an order's line has behind the id of the order, as a regular expression; events name
            orders, not lines.
        shift_s: Seconds between an order and an event of one customer and one amount that may be the same purchase: 14
            hours, the farthest that a clock of another zone than UTC can be off.
        near_s: Seconds between an order and an event of one customer and different amounts that may be the same
            purchase: an hour, as nobody buys again so soon as a rule.
        repeat_s: Seconds within which an event without an order repeats another of the same customer and amount: an
            hour, in which a thank-you page is loaded again.
    """

    order_id_keys: tuple[str, ...] = ("order_id", "transaction_id", "transactionid")
    line_suffix: str = "-[0-9]+(-r)?$"
    shift_s: int = 14 * 3600
    near_s: int = 3600
    repeat_s: int = 3600

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition as answers carry it."""
        return asdict(self)
