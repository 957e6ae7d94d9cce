"""Deliveries that send again what a tool has refused, because somebody asked for it."""

from ecom_assets.delivery.ledger.opening import DeliveryContext
from ecom_assets.delivery.pending import Due
from ecom_assets.delivery.sending import Exported, export
from ecom_assets.operations.requests import RETRY, Requests
from ecom_assets.tables.days import Days


def export_as_requested(delivery_context: DeliveryContext, name: str, due: Due, days: Days, run_id: str) -> Exported:
    """Deliver the due records of some days, and take the requests for them: dead letters are sent again.

    A request waits if the run does not cover all of its days, or if the tool refuses our account.

    Args:
        delivery_context: The destinations, the ledger and where requests are.
        name: The destination.
        due: What is due.
        days: The days of the run; none for records without days, which are all due.
        run_id: The run that delivers.

    Raises:
        DeliveryError: Another delivery has taken over, or the ledger cannot be used.
    """
    requests = Requests(delivery_context.settings.home)
    requested = [one for one in requests.waiting(RETRY, name) if not days.dates or one.is_within(days)]
    exported = export(delivery_context, name, due, days, retry_rejected=bool(requested))
    if not exported.total.refusal:
        requests.take(requested, run_id)
    return exported
