"""What a migration keeps of deliveries before the ledger kept ids: those of people, as the
warehouse has them still.
"""

from contextlib import closing

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import ledger_is_there, open_store
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.outputs.delivery.contracts import Deliveries
from ecom_assets.outputs.delivery.ledger import sent_ids
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.sent_links import sent_ids_of


def note_delivered_ids(settings: Settings, engine: Engine) -> int:
    """Keep the ids of people that tools were sent,
    before days are computed again with other spellings.

    Returns:
        How many ids of an account a rule may spell otherwise.
    """
    tables = (CleanEvents, Deliveries)
    if not (ledger_is_there(settings) and all(map(engine.has, tables))):
        return 0
    rows = engine.rows_of(
        sent_ids_of(engine.stored_table(CleanEvents), engine.stored_table(Deliveries))
    )
    with closing(open_store(settings)) as store:
        DeliveryLedger(store)  # creates the tables
        with store.transaction():
            for row in rows:
                sent_ids.note(store, row["account"], [row["id"]], str(row["first_sent_at"]))
    return len(rows)
