"""How files of customers are read by a mapping: how many are customers, why others are not, and the first of them."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from ecom_assets.errors import SourceError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.files import FileCustomers
from ecom_assets.sources.customer_api.records import (
    FOLDER,
    MISSING,
    OnePage,
    ReceivedRecord,
    load_customer_mapping,
    value_at,
)
from ecom_assets.sources.files.formats import join_paths
from ecom_assets.sources.files.reading import PREVIEW_ROWS, NotClean
from ecom_assets.sources.mapping_file import shipped_in

HIDDEN: Final = {
    "payload", "is_number_id", "has_engagement_score", "created_instant", "updated_instant", "last_login_instant"
}  # fmt: skip
"""Fields of a customer that a preview leaves out."""


def file_mappings() -> list[str]:
    """Return the names of the shipped mappings of files; the others are of APIs with pages."""
    names = shipped_in(FOLDER)
    return [name for name in names if isinstance(load_customer_mapping(name).paging, OnePage)]


@dataclass(frozen=True)
class CustomerFileReading:
    """Files of customers as a mapping reads them."""

    files: FileCustomers
    records: list[ReceivedRecord]

    event_types: ClassVar[list[tuple[str, str, int]]] = []
    """None: customers do nothing."""

    @classmethod
    def open(cls, paths: Sequence[str], mapping: str, settings: Settings) -> "CustomerFileReading":
        """Read the files.

        Raises:
            EcomError: There are no files or customers in them, or they do not match the mapping.
        """
        own = {"customers": join_paths(paths), "customers_mapping": mapping}
        files = FileCustomers(settings.model_copy(update=own))
        records = files.records()
        if not records:
            raise SourceError(f"{', '.join(paths)} has no customers; give a file that has some.")
        return cls(files, records)

    @property
    def row_count(self) -> int:
        """Return how many records there are."""
        return len(self.records)

    @property
    def clean_count(self) -> int:
        """Return how many of them are customers."""
        return sum(record.customer is not None for record in self.records)

    @cached_property
    def rows_json(self) -> dict[str, Any]:
        """Return the number of records, and of those that are no customers, by reason, as files of events say it."""
        rejected = Counter(record.reason for record in self.records if record.customer is None)
        return {"read": self.row_count, "counted": self.clean_count, "rejected": dict(rejected.most_common())}

    @cached_property
    def not_clean(self) -> list[NotClean]:
        """Return why records are no customers, the most frequent reason first."""
        return [NotClean(reason, count, "", {}) for reason, count in self.rows_json["rejected"].items()]

    @cached_property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first customers; a record that is none as its reason."""
        return [self._shown(record) for record in self.records[:PREVIEW_ROWS]]

    @property
    def known_columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which columns of the mapping any record has, and all that the mapping knows."""
        mapping = load_customer_mapping(self.files.settings.customers_mapping)
        fields = [field for _, field in mapping.fields.given()]
        paths = tuple(dict.fromkeys(path for field in fields for path in field.paths))
        sample = [json.loads(record.payload) for record in self.records[:1000]]
        has = [path for path in paths if any(value_at(record, path) is not MISSING for record in sample)]
        return tuple(has), paths

    @property
    def filled_count(self) -> int:
        """Return how many fields of customers have a value."""
        return sum(len(self._shown(record)) for record in self.records)

    def _shown(self, record: ReceivedRecord) -> dict[str, Any]:
        if record.customer is None:
            return {"reject_reason": record.reason}
        return record.customer.model_dump(mode="json", exclude=HIDDEN, exclude_none=True)
