"""Contracts of delivery: each record's state, dead letters, and the totals of a day."""

from typing import ClassVar

from ecom_assets.core.tables.contract import Table, count, day, instant, text

OUTCOMES = ("delivered", "unconfirmed", "rejected", "refused", "in_doubt", "postponed", "under_way")
"""What is known of a record, best first: the tool has it; it was sent to a tool that never
confirms; the tool refused it; it cannot go and was never sent; nobody can know; the tool does not
have it yet; its answer is not in yet.
"""
DEAD = ("rejected", "refused")


class DeliveredRecords(Table, abstract=True):
    """Records of the ledger, with their newest outcome."""

    layer = "export"
    key: ClassVar[tuple[str, ...]] = ("record_date", "destination", "account", "record_id")
    day_column = "record_date"

    record_date = day("The day that the record is of; of users the day as of which they are sent")
    destination = text("The asset that delivers it, such as amplitude_events")
    account = text("Which account of the tool: its address and a hash of its key")
    record_id = text(
        "What the tool knows the record by: the event's id and UTC day, or the customer's id",
        pii=True,
    )
    outcome = text("What is known of it", one_of=OUTCOMES)
    reason = text("Why it is not delivered, a fixed code; null where it is", nullable=True)
    words = text("The same in the tool's words, or ours", nullable=True, pii=True)
    batch_number = count("The batch in which it went last, in the ledger", unit="place")


class Deliveries(DeliveredRecords):
    """One row per record, destination and account in the ledger, with its newest outcome."""

    attempt_count = count(
        "Requests in which that batch held it; 0 without an answer", unit="requests"
    )
    sending_count = count("Batches in which it went", unit="batches")
    intended_at = instant("When that batch was about to go")
    answered_at = instant("When the answer was written down; null without one", nullable=True)
    changed_at = instant(
        "When it was found to have changed since it was delivered, and was not sent", nullable=True
    )
    payload_hash = text(
        "Hash of what was sent, by which a lost ledger knows changes again; 0 if nothing",
        nullable=True,
    )


class DeadLetters(DeliveredRecords):
    """One row per record that a destination has refused, or that cannot go there."""

    outcome = text("Whether the tool refused it, or it was never sent", one_of=DEAD)


class ReconciliationDaily(Table):
    """One row per day, destination and account: what was due, what became of it,
    and of the day's purchases.

    due_count is the sum of the six counts after it.
    """

    layer = "export"
    key = ("reconciled_date", "destination", "account")
    day_column = "reconciled_date"

    reconciled_date = day(
        "The day that the records are of; of users the day as of which they are sent", "Day"
    )
    destination = text(
        "The asset that delivers them, such as amplitude_events", example="amplitude_events"
    )
    account = text("Which account of the tool: its address and a hash of its key")
    due_count = count(
        "Records that were due when the day was delivered last", "Due", unit="records"
    )
    accepted_count = count("Of these, the tool says that it has them", "Accepted", unit="records")
    unacknowledged_count = count(
        "Sent to a tool that never says", "Sent, never confirmed", unit="records"
    )
    rejected_count = count("Refused by the tool", "Rejected", unit="records")
    refused_count = count("Never sent, because they cannot go", "Cannot go", unit="records")
    in_doubt_count = count("Sent, and nobody knows", "In doubt", unit="records")
    pending_count = count("To be sent by a later delivery", "Waiting", unit="records")
    changed_count = count("Of those delivered, changed since and not sent again", unit="records")
    newest_batch_number = count(
        "The newest batch of the day, in the ledger; 0 if none went", unit="place", example=12
    )
    order_count = count("Orders and refunds in the order log; 0 for users", unit="orders")
    purchase_count = count("Purchase and refund events that were due; 0 for users", unit="events")
    accepted_purchase_count = count("Of these, the tool says that it has them", unit="events")
    unacknowledged_purchase_count = count("Of these, sent to a tool that never says", unit="events")
