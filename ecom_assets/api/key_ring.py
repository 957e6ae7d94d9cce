"""The keys that a running API knows: of the setting and of the file, which is read again when it changes.

Not here: how keys are made and kept (`keys.py`).
"""

from dataclasses import dataclass, field

from ecom_assets.api.callers import Caller, Scope
from ecom_assets.api.keys import ApiKey, KeyFile, hash_of
from ecom_assets.errors import SettingError, WorkError, did_you_mean

SHORTEST_KEY = 20
"""Characters of a key in the setting: a shorter one can be guessed."""


@dataclass
class KeyRing:
    """Keys by their hash."""

    file: KeyFile
    of_setting: dict[str, Caller] = field(default_factory=dict)
    _of_file: dict[str, ApiKey] = field(default_factory=dict)
    _seen: tuple[int, int, int] | None = None

    @classmethod
    def read(cls, file: KeyFile, setting: str) -> "KeyRing":
        """Take the file and the value of `ECOM_API_KEYS`.

        Raises:
            SettingError: The value names no scopes, or a key that can be guessed.
            WorkError: The file cannot be read.
        """
        entries = [part.strip() for part in setting.split(",") if part.strip()]
        ring = cls(file, dict(_of_entry(number, entry) for number, entry in enumerate(entries, 1)))
        ring.look()
        return ring

    def is_empty(self) -> bool:
        """Tell whether no key was ever made; who revoked the last one does not mean to let everybody in."""
        try:
            self.look()
        except WorkError:
            return False
        return not self.of_setting and not self._of_file

    def find(self, key: str) -> Caller | None:
        """Return who holds a key; None for one that is unknown, or revoked up to this moment."""
        hashed = hash_of(key)  # a look-up by hash tells by its time nothing that helps to guess the key
        if hashed in self.of_setting:
            return self.of_setting[hashed]
        try:
            self.look()
        except WorkError:  # a file that cannot be read lets nobody in
            return None
        found = self._of_file.get(hashed)
        if found is None or found.revoked_at is not None:
            return None
        return Caller(f"key:{found.key_id}", frozenset(found.scopes))

    def look(self) -> None:
        """Read the file if it has changed.

        Raises:
            WorkError: It cannot be read.
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
            self._of_file = {key.sha256: key for key in self.file.all()}
            self._seen = now


def _of_entry(number: int, entry: str) -> tuple[str, Caller]:
    scopes, colon, key = entry.rpartition(":")
    try:
        granted = frozenset(Scope(scope) for scope in scopes.split("+")) if colon else frozenset({Scope.READ})
    except ValueError as error:
        raise SettingError(
            f"ECOM_API_KEYS, key {number}: {scopes!r} are no scopes, such as read+collect; "
            f"{did_you_mean(scopes, map(str, Scope))}."
        ) from error
    if len(key) < SHORTEST_KEY:
        raise SettingError(f"ECOM_API_KEYS, key {number} is shorter than {SHORTEST_KEY} characters; take a longer one.")
    return hash_of(key), Caller(f"setting:{number}", granted)
