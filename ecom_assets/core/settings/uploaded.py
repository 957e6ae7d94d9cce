"""The kinds of files that people send by the browser, and what the uploads of an `ECOM_HOME` say as
settings: the shop's own and its rules of costs, which were chosen on pages, and the folders of
their rows. Everything else goes before it.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.constants import SettingsPart
from ecom_assets.core.settings.subjects import upload_kinds
from ecom_assets.core.settings.upload_kind import UploadKind

FOLDER: Final = "uploads"
"""The folder in `ECOM_HOME` with all that belongs to uploads."""
SHOP_CHOICES: Final = "shop.json"
LIST: Final = "uploads.sqlite"
MAPPING_COPY: Final = "mapping.yaml"
"""The file beside the rows of an upload with the mapping that it was read by, where tables need to
know it.
"""
OF_SHOP: Final = (
    "currency",
    "timezone",
    "week_start",
    "shop_name",
    "delivery_days",
    "vendor_delivery_days",
)
"""The settings that are chosen on the page of uploads."""
OF_COSTS: Final = (
    "payment_fee_rules",
    "shipping_cost_rules",
    "commission_rules",
    "other_cost_rules",
)
"""The settings of rules of costs that are chosen on the page of costs; each is kept as JSON."""
RATE: Final = "rate."
"""How the names of rates begin among what is chosen for the shop: `rate.EUR.USD` is what one dollar
is worth in euros.
"""
RATE_COLUMNS: Final = ("date", "currency", "rate")
OF_LISTS: Final = ("campaign_tags", "cities", "rates")
"""The settings that name the file of a list of the shop, which may be sent instead."""
LISTS: Final = "lists"
"""The folder of the lists that were sent, and under which name they are noted with who sent them.
"""
IN_USE: Final = "list."
"""How the names of lists in use begin among what is chosen for the shop: `list.cities` is the file
in the folder of that list; empty for none.
"""
MOST_LISTS: Final = 20
"""How many files of a list are kept."""
SINCE_EVER: Final = "1970-01-01"
"""The day from which a chosen rate holds."""
MOST_WORTH: Final = Decimal(1_000_000_000)
"""What one unit of a currency is worth at most."""


KINDS: Final[Mapping[str, UploadKind]] = {
    kind.name: kind for kind in sorted(upload_kinds(), key=lambda kind: kind.position)
}
"""The kinds of rows that people may send, by their names."""
NATIVE_OF: Final[Mapping[str, str]] = {
    kind.name: kind.mapping for kind in KINDS.values() if kind.mapping
}
"""The kinds whose rows a setting can name, each with the mapping of the platform's own layout."""


def mapping_setting(kind: str) -> tuple[str, ...]:
    """Return the setting of the mapping of a kind, if it has one of its own."""
    return () if KINDS[kind].is_named_with_mapping else (f"{kind}_mapping",)


COST_VERSIONS: Final = "cost_versions"
"""In the same file: what the rules of costs were after each change, the newest last."""
MOST_COST_VERSIONS: Final = 100
WANTED_COSTS: Final = "wanted_costs"
"""In the same file: the rules of costs that a run is asked to count by; requests to runs name no
cost, as everybody who may read can see them.
"""
BEFORE, PROBLEM = "before", "problem"
"""In the same file: what was chosen before a change that a run is at, and why the last change could
not be made.
"""
FILES_BEFORE: Final = "files_before"
"""How files were read before such a change that are read otherwise by it, by their numbers."""
STEPS: Final = "funnel_steps"
"""The setting that the mapping of an upload of events says."""
OF_UPLOADS: Final = (
    *OF_SHOP,
    *OF_COSTS,
    *OF_LISTS,
    STEPS,
    *NATIVE_OF,
    *(name for kind in NATIVE_OF for name in mapping_setting(kind)),
)
"""The settings that uploads may say."""
FIRST_HOME: Final = Path(".ecom")
"""The default of `home`, which this source needs before the settings are made."""


class UploadSettings(SettingsPart):
    """What `Settings` has for files that people send by the browser."""

    upload_max_mb: int = Field(
        500, ge=1, le=100_000, description="Size of the largest file that is sent by the browser"
    )
    upload_keep_days: int = Field(
        30,
        ge=0,
        le=3650,
        description=(
            "Days for which files are kept as they were sent; 24 hours where nobody loads them"
        ),
    )


class UploadedSource(PydanticBaseSettingsSource):
    """The source below all others: it fills in what nothing else says."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 (of the class above it)
        """Return that no field is read by itself."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by name."""
        known = self.current_state
        home = Path(known.get("home") or FIRST_HOME)
        content = _content(home)
        values: dict[str, Any] = {**shop_choices(home), **chosen_costs(home)}
        currency = str(known.get("currency") or values.get("currency", "")).upper()
        if not known.get("rates") and (rates := rates_path(home, currency)).exists():
            values["rates"] = rates
        values |= {
            name: path
            for name in OF_LISTS
            if not known.get(name) and (path := list_in_use(home, name))
        }
        if not _is_named(known, "events") and has_rows(home, "events"):
            values |= {STEPS: content[STEPS]} if content.get(STEPS) else {}
        for kind, mapping in NATIVE_OF.items():
            if not _is_named(known, kind) and has_rows(home, kind):
                values[kind] = setting_of(home, kind)
                values |= dict.fromkeys(mapping_setting(kind), mapping)
        return values


def _is_named(known: NamedValues, kind: str) -> bool:
    """Return whether something else says where the rows of a kind come from."""
    return any(known.get(name) for name in (kind, *KINDS[kind].apis))


def rows_folder(home: Path, kind: str) -> Path:
    """Return where the rows of uploads of a kind lie."""
    return home / FOLDER / kind


def setting_of(home: Path, kind: str) -> str:
    """Return the folder as the setting of paths names it: a comma is written as such."""
    of_kind = KINDS[kind]
    named = f"{of_kind.mapping}=" if of_kind.is_named_with_mapping else ""
    return named + str(rows_folder(home, kind)).replace(",", "\\,")


def is_of_uploads(home: Path, paths: str) -> bool:
    """Return whether a setting of paths is that of the rows of uploads, which nobody has set."""
    return any(
        Path(_path_of(paths, kind).replace("\\,", ",")).absolute()
        == rows_folder(home, kind).absolute()
        for kind in NATIVE_OF
    )


def _path_of(paths: str, kind: str) -> str:
    """Return a setting of paths without the mapping of a kind before it."""
    of_kind = KINDS[kind]
    return paths.removeprefix(f"{of_kind.mapping}=") if of_kind.is_named_with_mapping else paths


def has_rows(home: Path, kind: str) -> bool:
    """Return whether there are rows of uploads of a kind."""
    folder = rows_folder(home, kind)
    return folder.is_dir() and next(folder.glob("*/received_date=*/*.parquet"), None) is not None


def uploads_stamp(home: Path) -> tuple[int, ...]:
    """Return what changes whenever uploads say something else."""
    folder = home / FOLDER
    places = (folder / SHOP_CHOICES, *(folder / kind for kind in KINDS))
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in places)


def shop_choices(home: Path) -> dict[str, str]:
    """Return what was chosen on the page for the shop, by the names of the settings; empty where
    nothing was, or the file cannot be read.
    """
    return _chosen(home, OF_SHOP)


def chosen_costs(home: Path) -> dict[str, str]:
    """Return the rules of costs that were chosen on the page, as JSON, by the names of their
    settings.
    """
    return _chosen(home, OF_COSTS)


def _chosen(home: Path, names: Sequence[str]) -> dict[str, str]:
    content = _content(home)
    return {name: str(content[name]) for name in names if content.get(name)}


@dataclass(frozen=True)
class CostVersion:
    """The rules of costs after a change on the page.

    Attributes:
        number: From 1; those that are not kept any more are counted.
        saved_at: When they were saved, in UTC.
        saved_by: The name of the key; empty on this machine.
        rules: Their JSON, by the names of their settings.
    """

    number: int
    saved_at: datetime
    saved_by: str
    rules: Mapping[str, str]


def cost_versions(home: Path) -> list[CostVersion]:
    """Return the kept versions of the rules of costs, the newest first."""
    noted = _content(home).get(COST_VERSIONS, [])
    versions = [
        CostVersion(
            int(record["number"]),
            datetime.fromisoformat(record["saved_at"]),
            str(record["saved_by"]),
            {name: str(text) for name, text in record["rules"].items()},
        )
        for record in noted
    ]
    return versions[::-1]


def want_costs(home: Path, rules: Mapping[str, str]) -> None:
    """Keep rules of costs for the run that is asked to count by them.

    Args:
        home: `ECOM_HOME`.
        rules: The JSON of what is changed, by the names of the settings.
    """
    _add_choices(home, {WANTED_COSTS: {**wanted_costs(home), **rules}})


def wanted_costs(home: Path) -> dict[str, str]:
    """Return the rules of costs that a run is asked to count by."""
    return {name: str(text) for name, text in _content(home).get(WANTED_COSTS, {}).items()}


def note_cost_version(home: Path, saved_by: str, saved_at: datetime) -> None:
    """Keep the rules of costs that hold now as their newest version, unless they are it already.

    Args:
        home: `ECOM_HOME`.
        saved_by: The name of the key of who changed them.
        saved_at: When, in UTC.
    """
    content = _content(home)
    noted = list(content.get(COST_VERSIONS, []))
    if noted and noted[-1]["rules"] == chosen_costs(home):
        return
    newest = {
        "number": noted[-1]["number"] + 1 if noted else 1,
        "saved_at": saved_at.isoformat(timespec="seconds"),
        "saved_by": saved_by,
        "rules": chosen_costs(home),
    }
    _write(home, {**content, COST_VERSIONS: [*noted, newest][-MOST_COST_VERSIONS:]})


@dataclass(frozen=True)
class SentList:
    """A file of a list of the shop that was sent, and used.

    Attributes:
        file: Its name in the folder of the list.
        name: Its name as it was sent.
        row_count: The number of its rows.
        saved_at: When it was first used, in UTC.
        saved_by: The name of the key; empty on this machine.
    """

    file: str
    name: str
    row_count: int
    saved_at: datetime
    saved_by: str


def lists_folder(home: Path, setting: str) -> Path:
    """Return the folder of the files of a list that were sent."""
    return home / FOLDER / LISTS / setting


def list_in_use(home: Path, setting: str) -> Path | None:
    """Return the file of a list that was sent and is in use; None without one."""
    name = str(_content(home).get(f"{IN_USE}{setting}") or "")
    path = lists_folder(home, setting) / name
    return path if name and path.is_file() else None


def sent_lists(home: Path, setting: str) -> list[SentList]:
    """Return the kept files of a list, the newest first."""
    noted = _content(home).get(LISTS, {}).get(setting, [])
    kept = [
        SentList(**{**record, "saved_at": datetime.fromisoformat(record["saved_at"])})
        for record in noted
    ]
    return kept[::-1]


def note_list(home: Path, setting: str, sent: SentList) -> None:
    """Note a file of a list as the newest one; of too many the oldest are deleted, but not the one
    in use.
    """
    content = _content(home)
    others = [sent_list for sent_list in sent_lists(home, setting) if sent_list.file != sent.file]
    kept = [sent, *others][:MOST_LISTS]
    in_use = list_in_use(home, setting)
    names = {sent_list.file for sent_list in kept} | {in_use.name if in_use else ""}
    for path in lists_folder(home, setting).iterdir():
        if path.name not in names:
            path.unlink()
    rows = [
        {**asdict(sent_list), "saved_at": sent_list.saved_at.isoformat(timespec="seconds")}
        for sent_list in reversed(kept)
    ]
    _write(home, {**content, LISTS: {**content.get(LISTS, {}), setting: rows}})


def rate_name(currency: str, other: str) -> str:
    """Return under which name it is chosen what one unit of another currency is worth."""
    return f"{RATE}{currency}.{other}"


def chosen_rates(home: Path) -> dict[str, str]:
    """Return the rates that were chosen on the page, by their names."""
    content = _content(home)
    return {name: str(value) for name, value in content.items() if name.startswith(RATE)}


def rates_path(home: Path, currency: str) -> Path:
    """Return the file of the chosen rates into a currency, as the setting `rates` takes one."""
    return home / FOLDER / f"rates-{currency}.csv"


def rates_text(currency: str, choices: NamedValues) -> str:
    """Return the rates into a currency that are among what is chosen for the shop, as the text of
    the file that the setting `rates` takes; only the header without any.
    """
    prefix = rate_name(currency, "")
    rows = sorted(
        (SINCE_EVER, name.removeprefix(prefix), str(rate))
        for name, rate in choices.items()
        if name.startswith(prefix)
    )
    written = io.StringIO()  # by a writer, as a file may say a currency with a comma
    csv.writer(written, lineterminator="\n").writerows([RATE_COLUMNS, *rows])
    return written.getvalue()


def checked_rate(text: str) -> str:
    """Return what one unit of a currency is worth, as a file of rates has it.

    Raises:
        ValueError: It is not a number above 0, or far too large.
    """
    try:
        # Also to round what has more digits than a Decimal keeps is such an error.
        rate = round(Decimal(text.strip().replace(",", ".")), 8)
    except (ArithmeticError, ValueError):
        rate = Decimal(0)
    if not (rate.is_finite() and 0 < rate < MOST_WORTH):
        raise ValueError(f"{text!r} is not what money is worth; write a number such as 0.92.")
    return f"{rate.normalize():f}"


def _is_of_shop(name: str) -> bool:
    return name in (*OF_SHOP, *OF_COSTS) or name.startswith((RATE, IN_USE))


def _content(home: Path) -> dict[str, Any]:
    try:
        content = json.loads((home / FOLDER / SHOP_CHOICES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def choose_shop(home: Path, choices: Mapping[str, str]) -> None:
    """Keep what was chosen for the shop; what is not named stays as it is.

    Whether a value is possible is checked where the settings are read, of a rate by `checked_rate`.
    """
    _add_choices(home, {name: value for name, value in choices.items() if _is_of_shop(name)})


def begin_shop_change(
    home: Path, choices: Mapping[str, str], files: Mapping[str, NamedValues]
) -> None:
    """Keep other choices for the shop, and those before until the change has ended, also where a
    run that was at it has been killed.

    Args:
        home: `ECOM_HOME`.
        choices: What is changed, by the names of the settings.
        files: How the files are read now that will be read otherwise, by their numbers.
    """
    content = _content(home)
    if BEFORE not in content:
        content |= {
            BEFORE: {
                name: str(value) for name, value in content.items() if _is_of_shop(name) and value
            },
            FILES_BEFORE: dict(files),
        }
    _write(home, {**content, **choices, PROBLEM: ""})


def is_shop_changing(home: Path) -> bool:
    """Return whether a run is at a change by which rows of uploads go to other days."""
    return BEFORE in _content(home)


def files_before(home: Path) -> dict[str, dict[str, Any]]:
    """Return how files were read before the change that a run is at, by their numbers."""
    files = _content(home).get(FILES_BEFORE, {})
    return {number: dict(file) for number, file in files.items()}


def end_shop_change(home: Path) -> None:
    """Note that a change is made."""
    ended = {BEFORE, FILES_BEFORE, WANTED_COSTS}
    _write(home, {name: value for name, value in _content(home).items() if name not in ended})


def take_back_shop_choices(home: Path, problem: str) -> None:
    """Let what was chosen before a change hold again, and keep why; the change goes on until the
    rows are as before, too.
    """
    content = _content(home)
    others = {name: value for name, value in content.items() if not _is_of_shop(name)}
    _write(home, {**others, **content.get(BEFORE, {}), PROBLEM: problem})


def shop_problem(home: Path) -> str:
    """Return why the last change for the shop could not be made; empty if it could."""
    return str(_content(home).get(PROBLEM, ""))


def choose_steps(home: Path, steps: Sequence[str]) -> None:
    """Keep the steps of the default funnel, which the mapping of an upload of events says."""
    _add_choices(home, {STEPS: list(steps)})


def _add_choices(home: Path, choices: NamedValues) -> None:
    _write(home, {**_content(home), **choices})


def _write(home: Path, content: NamedValues) -> None:
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_rates(home, content)
    replace_bytes(folder / SHOP_CHOICES, f"{json_text(content, indent=1)}\n".encode(), 0o600)


def _write_rates(home: Path, content: NamedValues) -> None:
    """Write what was chosen as a file of rates for each currency that they are in."""
    currencies = {
        name.removeprefix(RATE).partition(".")[0] for name in content if name.startswith(RATE)
    }
    kept = {rates_path(home, currency): rates_text(currency, content) for currency in currencies}
    for path, text in kept.items():
        replace_bytes(path, text.encode(), 0o600)
    for path in (home / FOLDER).glob("rates-*.csv"):
        if path not in kept:
            path.unlink()
