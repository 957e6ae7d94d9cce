"""Mail addresses that are ids of people, as the hashes that tools get in their place.

The hash is SHA-256 of the address in small letters: what pages compute themselves, and what tools
that take addresses compare by. See docs/adr/0046.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.core.tables.spellings import spelled

ADDRESS: Final = r"[^\s@]+(@|%40)[^\s@]+[.][^\s@]+"
"""A pattern of what has a mail address in it, such as `Ann <ann@x.de>` or `ann%40x.de`."""
_AT: Final = re.compile("%40")
_IS_ADDRESS: Final = re.compile(ADDRESS)
ID_COLUMNS: Final = ("visitor_id", "user_id", "device_id", "source_session_id", "customer_id")
"""The columns of due rows of which a tool may get one as the id of a person."""


def hashed_id(id_: str) -> str:
    """Return an id as tools get it: a hash in place of a mail address."""
    if not _IS_ADDRESS.search(id_):
        return id_
    bare = id_.removeprefix(ANONYMOUS)
    digest = sha256(spelled(_AT.sub("@", bare), "address").encode()).hexdigest()
    return f"{id_[: len(id_) - len(bare)]}{digest}"


def with_hashes(ids: Iterable[str]) -> list[str]:
    """Return ids, and after them the hashes of those that are addresses."""
    listed = list(ids)
    return list(dict.fromkeys([*listed, *map(hashed_id, listed)]))


def without_addresses(rows: pa.Table) -> tuple[pa.Table, pa.ChunkedArray]:
    """Return due rows with hashes for ids that are addresses, and which rows have any."""
    has_any = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(rows))])
    for name in ID_COLUMNS:
        if name not in rows.column_names:
            continue
        ids = rows[name].combine_chunks().dictionary_encode()
        is_address = pc.match_substring_regex(ids.dictionary, ADDRESS)
        if not pc.any(is_address).as_py():
            continue
        hashes = pa.array([hashed_id(id_) for id_ in ids.dictionary.to_pylist()], pa.string())
        rows = rows.set_column(rows.column_names.index(name), name, hashes.take(ids.indices))
        has_any = pc.or_(has_any, pc.fill_null(is_address.take(ids.indices), fill_value=False))
    return rows, has_any
