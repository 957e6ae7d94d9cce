"""Saved questions, boards and annotations that name a person, such as in a condition: found and masked."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ecom_assets.boards.store import BoardStore
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import HIDDEN

PREFIX: Final = "saved: "
"""Leads the names of these among files and addresses, as in `saved: questions/one-person`."""


def items_naming(settings: Settings, pattern: re.Pattern[bytes]) -> list[str]:
    """Return what has an id of a person in any of its versions."""
    return [f"{PREFIX}{name}" for name in BoardStore(settings).rewrite(_mask(pattern), is_written=False)]


def mask_items(settings: Settings, pattern: re.Pattern[bytes]) -> list[str]:
    """Mask the ids of a person in every version, and return what had one."""
    return [f"{PREFIX}{name}" for name in BoardStore(settings).rewrite(_mask(pattern))]


def file_of_items(settings: Settings) -> list[Path]:
    """Return the file of the store, and of its log of changes; none if it lies in Postgres."""
    location = BoardStore(settings).address
    return [location, Path(f"{location}-wal")] if isinstance(location, Path) else []


def _mask(pattern: re.Pattern[bytes]) -> Callable[[str], str]:
    in_text = re.compile(pattern.pattern.decode())
    return lambda text: in_text.sub(HIDDEN, text)
