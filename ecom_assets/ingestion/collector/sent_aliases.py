"""Aliases that public keys sent: which keys, and how many were refused."""

from collections import Counter
from contextlib import suppress

import pyarrow.parquet as pq

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile, KeyRing
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector.rights import ALIAS_REFUSED
from ecom_assets.ingestion.sources.landing import dead_letter_folder, landing_folder

_LETTER = ["reason", "caller"]


def public_keys(settings: Settings) -> dict[str, str]:
    """Return the valid keys that may send events and join no users:
    what to call each, by its caller.

    Raises:
        EcomError: The keys cannot be read.
    """
    file = KeyFile(settings.home)
    callers = [
        (f"key {key.key_id} ({key.name})", key.caller)
        for key in file.all()
        if key.revoked_at is None
    ]
    ring = KeyRing.read(file, settings.api_keys.get_secret_value())
    numbered = ((caller.name.rpartition(":")[2], caller) for caller in ring.of_setting.values())
    callers += [(f"key {number} of ECOM_API_KEYS", caller) for number, caller in numbered]
    return {
        caller.name: title
        for title, caller in callers
        if caller.may(Scope.COLLECT) and not caller.may(Scope.LINK)
    }


def refused_aliases(settings: Settings) -> Counter[str]:
    """Return how many aliases of each caller are kept as dead letters,
    since its key joins no users.
    """
    counts: Counter[str] = Counter()
    with suppress(UsageError):  # nothing lands here by these settings
        folder = dead_letter_folder(landing_folder(settings, is_sandbox=True))
        for path in folder.glob("received_date=*/collect-*.parquet"):
            with suppress(FileNotFoundError):  # retention took it
                letters = pq.read_table(path, columns=_LETTER, partitioning=None).to_pylist()
                counts.update(
                    letter["caller"] for letter in letters if letter["reason"] == ALIAS_REFUSED
                )
    return counts
