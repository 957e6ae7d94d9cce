"""Keyed hashes of ids: with the key one can check whether an id is known, but nobody can list the ids."""

import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ecom_assets.atomic_files import sync_file, sync_folder
from ecom_assets.errors import SettingError
from ecom_assets.settings.settings import Settings

USER, SESSION, DEVICE = "user", "session", "device"
"""The kinds of ids of a person. A user of events and a customer of orders are the same person."""
KEY_FILE = "erasure.key"
KEY_BYTES, HASH_CHARACTERS = 32, 32


@dataclass(frozen=True)
class KeyedHashes:
    """Hashes ids with a key, by HMAC-SHA256."""

    key: bytes

    def of(self, kind: str, value: str) -> str:
        """Return the hash of an id; equal ids of different kinds have different hashes."""
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), "sha256").hex()[:HASH_CHARACTERS]

    def of_all(self, kind: str, values: Iterable[str]) -> set[str]:
        """Return the hashes of several ids."""
        return {self.of(kind, value) for value in values}


def open_key(settings: Settings, *, create: bool) -> KeyedHashes | None:
    """Return the hashes with the key in the settings, else with the one in the home folder.

    Args:
        settings: The settings.
        create: Whether to create a missing key; else None is returned.

    Raises:
        SettingError: The key file cannot be read or written.
    """
    given = settings.erasure_key.get_secret_value()
    if given:
        return KeyedHashes(given.encode())
    path = settings.home / KEY_FILE
    try:
        if not path.exists():
            if not create:
                return None
            _create(path)
        return KeyedHashes(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path} cannot be used ({error}); put your backup of it back, or set ECOM_ERASURE_KEY."
        ) from error


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    sync_file(fresh)
    try:
        path.hardlink_to(fresh)  # fails if another process was faster, whose key then counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_folder(path.parent)
