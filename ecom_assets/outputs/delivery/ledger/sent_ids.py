"""The ids by which tools know people: those that were sent first, in the spelling of that time.

A new spelling of an id, such as `ann@x.de` for `Ann@X.de` since a mapping says `key: address`,
would make a new user in a tool. The ledger keeps the ids that any rule spells otherwise; all others
stay as they are. See docs/adr/0046.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.tables.spellings import KeyKind, spelled
from ecom_assets.ingestion.sources.events import mapping_name
from ecom_assets.ingestion.sources.files.mapping import (
    EventMapping,
    OrderMapping,
    SourceField,
    load,
)

ID_COLUMNS = ("visitor_id", "user_id", "customer_id")
"""The columns of due rows that a tool may get as the id of a person."""
ODD = r"^[\s'#]|\s$|[.]0+$|[A-Z].*@|@.*[A-Z]"
"""A pattern of the ids that a rule of `spelled` may write otherwise; a few others match, too."""


def declared_key(settings: Settings, destination: str) -> KeyKind | None:
    """Return what the id of a person is at a destination: for events by their mapping, for
    customers by that of orders.

    Raises:
        MappingError: The mapping cannot be read.
    """
    person: SourceField | None
    if destination.endswith("_users"):
        person = load(OrderMapping, settings.orders_mapping).fields.customer_id
    else:
        person = load(EventMapping, mapping_name(settings)).fields.user_id
    return person.key if person else None


@dataclass(frozen=True)
class SentIds:
    """The ids that an account of a tool was sent first.

    Attributes:
        by_spelling: The ids in their first spelling, by the spelling that they have now.
        noted: All ids that the ledger has of the account.
    """

    by_spelling: Mapping[str, str] = field(default_factory=dict)
    noted: frozenset[str] = frozenset()

    @classmethod
    def read(cls, store: Database | None, account: str, key: KeyKind | None) -> "SentIds":
        """Return the ids of an account; `key` is what an id is by the mapping of today."""
        if store is None:
            return cls()
        rows = store.rows(
            "SELECT id FROM sent_ids WHERE account = ? ORDER BY first_sent_at, id", (account,)
        )
        ids = [str(id_) for (id_,) in rows]
        by_spelling: dict[str, str] = {}
        for id_ in ids:
            by_spelling.setdefault(spelled(id_, key), id_)
        changed = {now: first for now, first in by_spelling.items() if now != first}
        return cls(changed, frozenset(ids))

    def as_sent(self, rows: pa.Table) -> pa.Table:
        """Return due rows with the ids by which the tool knows the people."""
        if not self.by_spelling:
            return rows
        for name in ID_COLUMNS:
            if name in rows.column_names:
                ids = rows[name].combine_chunks().dictionary_encode()
                first = [self.by_spelling.get(id_, id_) for id_ in ids.dictionary.to_pylist()]
                column = pa.array(first, pa.string()).take(ids.indices)
                rows = rows.set_column(rows.column_names.index(name), name, column)
        return rows

    def not_noted(self, rows: pa.Table) -> set[str]:
        """Return the ids of rows that a rule may spell otherwise, and that the ledger lacks."""
        names = [name for name in ID_COLUMNS if name in rows.column_names]
        ids = (id_ for name in names for id_ in _odd(rows[name]))
        return {*ids} - self.noted


def note(store: Database, account: str, ids: Iterable[str], at: str) -> None:
    """Within a transaction, keep ids that an account was sent; the first time counts."""
    rows = [(account, id_, at) for id_ in sorted(ids)]
    store.many(
        "INSERT INTO sent_ids (account, id, first_sent_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        rows,
    )


def spellings_sent(store: Database, ids: Collection[str]) -> tuple[str, ...]:
    """Return the ids that tools were sent of people with some ids, in other spellings."""
    rows = store.rows("SELECT DISTINCT id FROM sent_ids ORDER BY id")
    named = {form for id_ in ids for form in _forms(id_)}
    return tuple(id_ for (id_,) in rows if id_ not in ids and not named.isdisjoint(_forms(id_)))


def forget(store: Database, ids: Collection[str]) -> None:
    """Within a transaction, remove ids of a person."""
    store.many("DELETE FROM sent_ids WHERE id = ?", [(id_,) for id_ in sorted(ids)])


def _forms(id_: str) -> tuple[str, str, str]:
    return spelled(id_), spelled(id_, "address"), spelled(id_, "order_name")


def _odd(column: pa.ChunkedArray) -> list[str]:
    ids = pc.unique(column).drop_null()
    matches: list[str] = ids.filter(pc.match_substring_regex(ids, ODD)).to_pylist()
    return [id_ for id_ in matches if any(form != id_ for form in _forms(id_))]
