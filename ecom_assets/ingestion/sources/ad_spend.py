"""The source of what is spent on ads: files, each by the mapping that is named with it, or none."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import duckdb

from ecom_assets.commerce.marketing.contracts import NO_VALUES, RawAdSpend
from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NoSource, SliceOutput
from ecom_assets.core.warehouse.sql_text import select, text, texts
from ecom_assets.ingestion.sources.cost_table import CostTable, kind_of, landed_table
from ecom_assets.ingestion.sources.files.formats import join_paths, named_paths
from ecom_assets.ingestion.sources.files.mapping import (
    AD_SPEND_AMOUNTS,
    AdSpendMapping,
    load_ad_spend_mapping,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.mapped_records import MappedRecords
from ecom_assets.ingestion.sources.sandbox_shop import has_ad_spend_file

VIEW = "received_ad_spend"
STATED: Final = (
    "platform",
    "account_id",
    "campaign_id",
    "campaign_name",
    "ad_group_id",
    "ad_group_name",
    "final_url",
    "currency",
    "account_time_zone",
)
"""What a row says in words, where a mark of NO_VALUES says nothing."""
KIND = "ad_spend"


def has_ad_spend(settings: Settings) -> bool:
    """Return whether there is spend to load: that of the settings, else the sandbox's."""
    return bool(settings.ad_spend) or (
        not settings.has_own_data and has_ad_spend_file(settings.sandbox_folder)
    )


def ad_spend_paths(settings: Settings) -> list[str]:
    """Return the paths of all mappings."""
    return [path for paths in named_paths(settings.ad_spend).values() for path in paths]


def _require_names(files: RecordFiles) -> None:
    """Refuse files of one name, which would be one load, whose rows add up.

    Raises:
        SourceError: Two have it.
    """
    paths: dict[str, str] = {}
    for file in files.files():
        other = paths.setdefault(file.stored_name, file.path)
        if other != file.path:
            raise SourceError(
                f"Two files of ad spend are called {file.stored_name} ({other} and {file.path}), "
                "and each is to be a load of its own; name the folder that both are in."
            )


def _landed(con: duckdb.DuckDBPyConnection, settings: Settings, path: str) -> str:
    """Return a path, or that of the files in which the table of an address lands."""
    kind = kind_of(path)
    if kind is None:
        return path
    table = CostTable.parse(kind, settings, path, "ECOM_AD_SPEND", noun="ad spend", folder=KIND)
    return landed_table(con, table)


def shown_ad_spend(settings: Settings) -> str:
    """Return the paths and addresses with their mappings, without secrets."""
    return join_paths(
        f"{name}={without_secrets(path) if kind_of(path) else path}"
        for name, paths in named_paths(settings.ad_spend).items()
        for path in paths
    )


def require_accounts(files: RecordFiles) -> None:
    """Refuse files of which nothing says the account or the currency, before anything runs.

    Raises:
        MappingError: What does not say it, and how it is said.
    """
    for file, layout in files.layouts:
        mapping, columns = files.mapping_of(file), dict(layout.columns)
        for name, example in (("account_id", "the account"), ("currency", "EUR")):
            origin = getattr(mapping.fields, name)
            names = (origin.column,) if origin.column else origin.first_of or ()
            if not names or layout.format == "ndjson" or any(each in columns for each in names):
                continue
            raise MappingError(
                f"{file.name} has no column that says the {name.removesuffix('_id')}, such as "
                f"{names[0]!r}; say it once in a mapping, which `ecom mapping init {file.name} "
                f"--ad-spend` writes: extends: {mapping.name}, fields: {name}: "
                f"{{constant: {example}}}"
            )


class FileAdSpend(MappedRecords):
    """The spend in the files of `ECOM_AD_SPEND`, each by the mapping that is named with it;
    platforms restate days that are past.
    """

    name = KIND
    raw = RawAdSpend
    mapping = AdSpendMapping
    amounts = (*AD_SPEND_AMOUNTS,)
    file_is_load = True

    def opened(self) -> RecordFiles:
        """Find the configured files, each group with its mapping, and check them against these.

        Raises:
            MappingError: There is no such mapping, or a file does not match it.
            SourceError: A file cannot be read, or two have one name.
            UsageError: A path has no mapping before it.
        """
        first, *others = self._groups()
        for files in others:
            first = first.beside(files)
        return first

    def _groups(self) -> Iterator[RecordFiles]:
        con, settings = self.reader.con, self.settings
        for name, paths in named_paths(settings.ad_spend).items():
            files = RecordFiles.open(
                con,
                [_landed(con, settings, path) for path in paths],
                load_ad_spend_mapping(name),
                settings.timezone,
                settings.first_plausible_day,
            )
            _require_names(files)
            yield files

    @property
    def shown(self) -> str:
        """Return the paths and addresses with their mappings, without secrets."""
        return shown_ad_spend(self.settings)

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of all files, on the days on which these arrived.

        Raises:
            MappingError: A file does not match its mapping, or does not say its account.
        """
        require_accounts(self.files)
        return super().received(days)

    def dated_sql(self) -> str:
        """Return the SELECT of received rows with the days of their accounts."""
        in_shop = ", ".join(f"{column} AS {name}" for name, column in AD_SPEND_AMOUNTS.items())
        stated = ", ".join(
            f"CASE WHEN trim({name}) NOT IN {texts(NO_VALUES)} THEN {name} END AS {name}"
            for name in STATED
        )
        return select(
            f"* REPLACE (coalesce(received_at, w.written_at) AS received_at, {stated}), "
            f"{_day('spend')} AS spend_date, {_day('until')} AS until_date, "
            f"{_day('spend')} AS order_date, {in_shop}",
            f"({self.files.received_sql()}) AS r LEFT JOIN ({self._written_sql()}) AS w "
            "ON r.source_file = w.written_file",
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the columns of these rows that the raw table does not have."""
        return (*super().left_out, "written_file", "written_at")

    def _written_sql(self) -> str:
        """Return the SELECT of when each file was written, by which loads of a day are ordered."""
        written = [
            f"({text(file.stored_name)}, TIMESTAMP {text(f'{file.modified_at:%Y-%m-%d %H:%M:%S}')})"
            for file in self.files.files()
        ]
        values = f"(VALUES {', '.join(written)}) AS v(written_file, written_at)"
        return select("written_file, max(written_at) AS written_at", values, group_by="1")


NO_AD_SPEND = NoSource(partial(FileAdSpend.nothing, "ECOM_AD_SPEND is not set"))


def _day(which: str) -> str:
    """Return the SQL of a day as it stands in the file: that of the account, in its own zone."""
    received = f"received_{which}_date"
    with_offset = text(r"^\s*\d{4}-\d{2}-\d{2}[T ].*[+-]\d{2}:?\d{2}\s*$")
    return (
        f"CASE WHEN regexp_matches({received}, {with_offset}) "
        f"THEN TRY_CAST(trim({received})[1:10] AS DATE) ELSE CAST({which}_at AS DATE) END"
    )
