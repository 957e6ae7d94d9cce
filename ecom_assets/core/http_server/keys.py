"""API keys: created, stored as hashes in a file in `ECOM_HOME`, and revoked.

A key has 256 random bits, so SHA-256 protects it. A slow hash is for passwords that people choose,
and would cost each request tens of milliseconds.
"""

import hashlib
import secrets
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import SettingError, UsageError, WorkError, did_you_mean
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.json_text import json_text

SHORTEST_KEY = 20
"""The minimum number of characters of a key in the setting; a shorter one could be guessed."""


@dataclass(frozen=True)
class ApiKey:
    """A stored key: `key_id` names it for people, `sha256` identifies it;
    the key itself is not stored.
    """

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None
    origins: tuple[str, ...] = ()
    """The sites whose pages may send events with the key,
    such as https://shop.example; none for any.
    """
    event_types: tuple[str, ...] = ()
    """The only types of events that the key may send, such as mail_open; none for all."""

    @property
    def caller(self) -> Caller:
        """Return who sends a request with this key."""
        scopes, origins = frozenset(self.scopes), frozenset(self.origins)
        return Caller(f"key:{self.key_id}", scopes, origins, frozenset(self.event_types))


_FILE: Final = TypeAdapter(dict[Literal["keys"], list[ApiKey]])


class KeyFile:
    """The keys of one `ECOM_HOME`. Several processes may change them; each change is atomic."""

    def __init__(self, home: Path) -> None:
        """Set the folder; the file is created with the first key."""
        self.path = home / FILE_NAME

    def all(self) -> list[ApiKey]:
        """Return all keys in the order of creation, including revoked ones.

        Raises:
            WorkError: The file cannot be read.
        """
        try:
            return _FILE.validate_json(self.path.read_bytes())["keys"]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError) as error:
            raise WorkError(
                f"The API keys in {self.path} cannot be read ({type(error).__name__}); fix the "
                "file or restore it, or move it away and make keys again."
            ) from error

    def create(
        self,
        name: str,
        scopes: tuple[Scope, ...],
        origins: tuple[str, ...] = (),
        event_types: tuple[str, ...] = (),
    ) -> tuple[ApiKey, str]:
        """Create a key; the second value is the key itself, which is not stored."""
        key_id = secrets.token_hex(4)
        secret = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        made = ApiKey(
            key_id,
            name,
            scopes,
            hash_of(secret),
            now_utc(),
            origins=origins,
            event_types=event_types,
        )
        with self._changing():
            self._write([*self.all(), made])
        return made, secret

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key, which stays in the list; revoking it again changes nothing.

        Raises:
            UsageError: There is no such key.
        """
        with self._changing():
            keys = {key.key_id: key for key in self.all()}
            if key_id not in keys:
                raise UsageError(
                    f"There is no API key {key_id!r} in {self.path}; {did_you_mean(key_id, keys)}."
                )
            if keys[key_id].revoked_at is None:
                keys[key_id] = replace(keys[key_id], revoked_at=now_utc())
                self._write(list(keys.values()))
        return keys[key_id]

    def _changing(self) -> AbstractContextManager[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return file_lock(self.path.with_suffix(".lock"))

    def _write(self, keys: list[ApiKey]) -> None:
        with replacing_text(self.path, 0o600) as file:
            file.write(
                json_text(
                    {"keys": [asdict(key) for key in keys]}, indent=1, default=datetime.isoformat
                )
            )


@dataclass
class KeyRing:
    """The callers of the keys of the file and of the setting, by the hash of the key."""

    file: KeyFile
    of_setting: dict[str, Caller] = field(default_factory=dict)
    _of_file: dict[str, Caller] = field(default_factory=dict)
    _has_file_keys: bool = False
    """Whether the file has a key, maybe a revoked one."""
    _seen: tuple[int, int, int] | None = None

    @classmethod
    def read(cls, file: KeyFile, setting: str) -> "KeyRing":
        """Return the keys of a file and of the value of `ECOM_API_KEYS`.

        Raises:
            SettingError: The value has an unknown scope, or a key that is too short.
            WorkError: The file cannot be read.
        """
        entries = [part.strip() for part in setting.split(",") if part.strip()]
        ring = cls(file, dict(_of_entry(number, entry) for number, entry in enumerate(entries, 1)))
        ring.look()
        return ring

    def is_empty(self) -> bool:
        """Return whether there was never a key; revoked keys count,
        as revoking the last one must not open the API.
        """
        try:
            self.look()
        except WorkError:
            return False
        return not self.of_setting and not self._has_file_keys

    def find(self, key: str) -> Caller | None:
        """Return the caller that a key identifies; None if the key is unknown or revoked."""
        hashed = hash_of(key)  # the time of a look-up by hash does not help to guess a key
        if hashed in self.of_setting:
            return self.of_setting[hashed]
        with suppress(WorkError):  # while the file cannot be read, its keys are not valid
            self.look()
        return self._of_file.get(hashed)

    def named(self, name: str) -> tuple[Caller, str] | None:
        """Return the caller with a name, and the hash of its key;
        None if it is unknown or revoked.
        """
        try:
            self.look()
        except WorkError:
            return None
        callers = {**self._of_file, **self.of_setting}
        return next(
            ((caller, hashed) for hashed, caller in callers.items() if caller.name == name), None
        )

    def look(self) -> None:
        """Read the file if it has changed.

        Raises:
            WorkError: The file cannot be read.
        """
        try:
            stat = self.file.path.stat()
            now = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        except FileNotFoundError:
            now = None
        except OSError:
            now = (0, 0, 0)
        if now != self._seen:
            self._of_file = {}
            keys = self.file.all()
            valid = (key for key in keys if key.revoked_at is None)
            self._of_file = {key.sha256: key.caller for key in valid}
            self._has_file_keys, self._seen = bool(keys), now


def _of_entry(number: int, entry: str) -> tuple[str, Caller]:
    scopes, colon, key = entry.rpartition(":")
    try:
        granted = (
            frozenset(Scope(scope) for scope in scopes.split("+"))
            if colon
            else frozenset({Scope.READ})
        )
    except ValueError as error:
        raise SettingError(
            f"ECOM_API_KEYS, key {number}: {scopes!r} are not scopes, such as read+collect; "
            f"{did_you_mean(scopes, map(str, Scope))}."
        ) from error
    if len(key) < SHORTEST_KEY:
        raise SettingError(
            f"ECOM_API_KEYS, key {number} is shorter than {SHORTEST_KEY} characters; take a "
            "longer one."
        )
    return hash_of(key), Caller(f"setting:{number}", granted)


PREFIX = "ecom_"
"""The prefix of every key of `ecom api-key create`,
so that secret scanners find keys in repositories.
"""
FILE_NAME = "api_keys.json"


def hash_of(key: str) -> str:
    """Return the hash of a key, which is what is stored."""
    return hashlib.sha256(key.encode()).hexdigest()
