"""Lists of the shop, such as campaign tags, as files that people send: what is in one, and which is
in use.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import EcomError, SourceError, UsageError, first_line
from ecom_assets.core.reading_child import OverLimitError, ReadingChild
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import (
    IN_USE,
    RATE_COLUMNS,
    SentList,
    choose_shop,
    list_in_use,
    lists_folder,
    note_list,
    sent_lists,
)
from ecom_assets.core.warehouse.local import within_child
from ecom_assets.ingestion.sources import campaign_tags
from ecom_assets.ingestion.sources.campaign_tags import read_campaign_tags
from ecom_assets.ingestion.sources.files import places
from ecom_assets.ingestion.sources.files.currency import rates_sql
from ecom_assets.ingestion.sources.files.lists import opened_list
from ecom_assets.ingestion.sources.files.places import known_places
from ecom_assets.ingestion.uploads.asking import ask_shop
from ecom_assets.ingestion.uploads.look import LARGE_LOOK
from ecom_assets.ingestion.uploads.packed import require_unpacked_size
from ecom_assets.ingestion.uploads.store import FAILED, KEPT, Upload, Uploads, as_sent

SHOWN_ROWS: Final = 5
"""The rows of a list that its look shows."""


@dataclass(frozen=True)
class ShopList:
    """A list of the shop.

    Attributes:
        setting: The setting that names its file.
        label: What it is, in a few words.
        sentence: What it is for.
        columns: The columns that its file needs.
        optional: The columns that it may have besides.
        read: Reads it as what uses it does; raises an `EcomError` for a file that is none.
    """

    setting: str
    label: str
    sentence: str
    columns: tuple[str, ...]
    read: Callable[[Path], object]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListLook:
    """What is in the file of a list: how many rows, the first of them, or why it is none."""

    row_count: int = 0
    rows: tuple[Mapping[str, str | None], ...] = ()
    refusal: str = ""


def _read_rates(path: Path) -> None:
    with closing(within_child(duckdb.connect())) as con:
        rates_sql(con, path)


SHOP_LISTS: Final[Mapping[str, ShopList]] = {
    shop_list.setting: shop_list
    for shop_list in (
        ShopList(
            "campaign_tags",
            "Campaign tags",
            "Which campaign an address means by its utm_campaign or utm_id, where the ad platform "
            "calls it otherwise: what ads cost and the visits they bring then meet.",
            campaign_tags.COLUMNS,
            read_campaign_tags,
            (campaign_tags.PLATFORM,),
        ),
        ShopList(
            "cities",
            "Cities",
            "In which country and region a city is, where the included list of cities lacks it or "
            "has it elsewhere.",
            places.COLUMNS,
            known_places,
        ),
        ShopList(
            "rates",
            "Exchange rates",
            "What one unit of another currency is worth in the shop's, from a day on. It goes "
            "before single rates that were typed.",
            RATE_COLUMNS,
            _read_rates,
        ),
    )
}
"""The lists that may be sent, by their settings, in the order of the page."""


def look_at_list(setting: str, path: Path) -> ListLook:
    """Return what is in the file of a list.

    Raises:
        EcomError: It is none, or cannot be read.
    """
    shop_list = SHOP_LISTS[setting]
    names = (*shop_list.columns, *shop_list.optional)
    require_unpacked_size(path)
    try:
        shop_list.read(path)
        with opened_list(path) as listed:
            rows = listed.rows([name for name in names if name in listed.names])
    except (duckdb.Error, OSError, ValueError, ArithmeticError) as error:
        raise SourceError(f"{path.name} cannot be read: {first_line(error)}.") from error
    return ListLook(len(rows), tuple(rows[:SHOWN_ROWS]))


def look_at_sent_list(uploads: Uploads, setting: str, upload: Upload) -> ListLook:
    """Return what is in a file that was sent as a list, or why it is none; another process reads
    it, within `LARGE_LOOK`.

    Raises:
        UsageError: The file is not kept any more.
        WorkError: The process cannot be started.
    """
    path = uploads.original(upload)
    with ReadingChild(LARGE_LOOK) as child:
        try:
            return child.run(upload.name, look_at_list, setting, path)
        except (EcomError, OverLimitError) as error:
            return ListLook(refusal=as_sent(str(error), upload))


def is_set_elsewhere(settings: Settings, setting: str) -> bool:
    """Return whether the environment, .env or ecom.toml names a list, which goes before one that
    was sent.
    """
    named: Path | None = getattr(settings, setting)
    if named is None or named == list_in_use(settings.home, setting):
        return False
    return setting != "rates" or not named.is_relative_to(settings.home)


def use_list(settings: Settings, setting: str, upload: Upload, caller: str) -> bool:
    """Keep a file that was sent as a list, and let it be used; return whether a run is asked to
    compute all days again, as there are data.

    Raises:
        UsageError: It is no such list, or loaded as something else; a setting names another one; or
            a run is at uploads.
        WorkError: It cannot be written.
    """
    uploads = Uploads(settings.home)
    if upload.state not in {KEPT, FAILED}:
        raise UsageError(f"{upload.name} is loaded as something else; send it again as a list.")
    look = look_at_sent_list(uploads, setting, upload)
    if look.refusal:
        raise UsageError(look.refusal)
    _require_free(settings, setting)
    original = uploads.original(upload)
    folder = lists_folder(settings.home, setting)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / original.name
    shutil.copyfile(original, kept)
    kept.chmod(0o600)
    sent = SentList(kept.name, upload.name, look.row_count, now_utc_without_zone(), caller)
    # Before a run is asked for, which writes into the same file.
    note_list(settings.home, setting, sent)
    is_asked = _chosen(settings, setting, kept.name, caller)
    uploads.remove(upload)
    return is_asked


def use_earlier_list(settings: Settings, setting: str, file: str, caller: str) -> bool:
    """Let a list that was sent before be used again, or none with an empty name; return whether a
    run is asked to compute all days again.

    Raises:
        UsageError: It is not kept, a setting names another one, or a run is at uploads.
        WorkError: The request cannot be written.
    """
    _require_free(settings, setting)
    if file and file not in {sent_list.file for sent_list in sent_lists(settings.home, setting)}:
        raise UsageError(f"The list {file!r} is not kept; choose one of the page.")
    return _chosen(settings, setting, file, caller)


def _require_free(settings: Settings, setting: str) -> None:
    if is_set_elsewhere(settings, setting):
        raise UsageError(
            f"The environment, .env or ecom.toml names {getattr(settings, setting)} as "
            f"{SHOP_LISTS[setting].label.lower()}; change it there."
        )


def _chosen(settings: Settings, setting: str, file: str, caller: str) -> bool:
    choices = {f"{IN_USE}{setting}": file}
    if settings.has_own_data:
        ask_shop(settings.home, choices, caller)
        return True
    choose_shop(settings.home, choices)
    return False
