"""The file of addresses to write to: published beside the snapshot, where a setting says so.

It is no table of the snapshot and none in Postgres, so that no other answer can read an address:
docs/privacy.md.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.commerce.customers.contracts import EmailConsents
from ecom_assets.core.atomic_files import replacing
from ecom_assets.core.settings.memory import limit_of_answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import arrow_schema_of, batches_of, conform
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.outputs.serving.places import serving_folder

FILE_NAME: Final = "email_consents.parquet"
BLOCK_ROWS: Final = 50_000
FOR_ITS_OWNER: Final = 0o600


@dataclass(frozen=True)
class AgreedAddress:
    """The address of a customer who agreed to be written to, and since when, in UTC."""

    email: str
    since: datetime | None


@dataclass(frozen=True)
class Consents:
    """What customers of a list said: who agreed and has an address, and how many refused."""

    agreed: dict[str, AgreedAddress]
    refused_count: int


def consents_path(settings: Settings) -> Path:
    """Return where the file is, if there is one."""
    return serving_folder(settings.home) / FILE_NAME


def publish_email_consents(source: Engine, settings: Settings) -> None:
    """Write the file again from the open warehouse; remove it where the setting is off, and where
    the shop has no customers.
    """
    path = consents_path(settings)
    if not settings.publish_email_addresses or not source.has(EmailConsents):
        forget_email_consents(settings)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = conform(source.table(EmailConsents).order_by("customer_id"), EmailConsents)
    with replacing(path) as fresh:
        fresh.touch(FOR_ITS_OWNER)
        # As plain bytes, in which an erasure finds ids that it left.
        with (
            pq.ParquetWriter(
                fresh,
                arrow_schema_of(EmailConsents),
                compression="none",
                use_dictionary=False,
            ) as file,
            batches_of(rows, BLOCK_ROWS) as batches,
        ):
            for batch in batches:
                file.write_table(pa.Table.from_batches([batch]).cast(file.schema))


def forget_email_consents(settings: Settings) -> None:
    """Remove the file, so that nobody is written to until the next publication."""
    consents_path(settings).unlink(missing_ok=True)


def are_published(settings: Settings) -> bool:
    """Return whether addresses may be read, and are there."""
    return settings.publish_email_addresses and consents_path(settings).exists()


def consents_of(settings: Settings, customer_ids: Sequence[str]) -> Consents:
    """Return what customers said; nothing where addresses are not published."""
    if not are_published(settings):
        return Consents({}, 0)
    with closing(plain_connection(limit_of_answer(settings))) as con:
        con.register("listed", pa.table({"customer_id": pa.array(customer_ids, pa.string())}))
        try:
            rows = con.execute(
                "SELECT customer_id, email, email_consent_at, has_email_consent "
                "FROM read_parquet(?) SEMI JOIN listed USING (customer_id)",
                [str(consents_path(settings))],
            ).fetchall()
        except duckdb.IOException:  # removed meanwhile
            rows = []
    agreed = {
        customer_id: AgreedAddress(email, since)
        for customer_id, email, since, has_consent in rows
        if has_consent and email
    }
    return Consents(agreed, sum(not has_consent for *_, has_consent in rows))
