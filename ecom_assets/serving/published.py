"""The marts in the Postgres of ECOM_POSTGRES_URL, for `ecom status` and `ecom doctor`."""

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field

from ecom_assets.errors import EcomError
from ecom_assets.serving.places import newest_publication, publication_target
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.factory import new_engine


@dataclass(frozen=True)
class PublicationStatus:
    """A sentence about the newest publication (empty where none is set), and its rows by table."""

    ok: bool
    found: str
    row_counts: dict[str, int] = field(default_factory=dict)


def published_state(settings: Settings, marts: Iterable[type[Table]]) -> PublicationStatus:
    """Inspect the published marts; a database that cannot be reached is a finding, not an error."""
    if not settings.postgres_url.get_secret_value():
        return PublicationStatus(ok=True, found="")
    try:
        return _look(settings, marts)
    except EcomError as error:
        return PublicationStatus(ok=False, found=str(error))


def _look(settings: Settings, marts: Iterable[type[Table]]) -> PublicationStatus:
    with closing(publication_target(settings).open()) as target:
        warehouse = new_engine(settings)
        if isinstance(warehouse, type(target)):
            with closing(warehouse.open()):
                if target.is_same_database(warehouse):
                    return PublicationStatus(
                        ok=True, found="ECOM_POSTGRES_URL is the warehouse itself: nothing to publish."
                    )
        newest = newest_publication(target)
    if newest is None:
        return PublicationStatus(ok=True, found=f"{target.address} opens; nothing is published there yet.")
    counts = json.loads(newest["table_row_counts"])
    shown = {contract.qualified_name(): counts.get(contract.qualified_name()) for contract in marts}
    when = newest["published_at"].isoformat(sep=" ", timespec="seconds")
    result = (
        f"Published in {target.address}: version {newest['data_version']}, at {when} UTC by run {newest['run_id']}."
    )
    return PublicationStatus(ok=True, found=result, row_counts={name: n for name, n in shown.items() if n is not None})
