"""Convert the simulated shop's rows to Arrow tables, and write tables to Parquet files."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.core.errors import UsageError
from ecom_sandbox.shop import faults as f
from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.catalogue import CATEGORIES, FIRST_PRODUCT_ID
from ecom_sandbox.shop.identities import FORMER, FORMER_ID, GUEST, GUEST_ID
from ecom_sandbox.shop.people import known_customer_id
from ecom_sandbox.shop.rows import Dice, Flags, Ints, Rows


@contextmanager
def replaced_folder(out: Path, *, made_by: str) -> Iterator[Path]:
    """Yield a temporary folder to write into; it replaces `out` if the block succeeds.

    A killed run leaves a hidden folder `.<name>.partial` beside `out`; the next run restores `out`
    from it if needed, and clears it. Only an empty folder, or one whose truth.json names `made_by`
    as its generator, is replaced.
    """
    out = out.absolute()
    _refuse_foreign(out, made_by)
    partial = out.with_name(f".{out.name}.partial")
    lock = _lock(partial, out)
    try:
        folder = partial / "new"
        folder.mkdir()
        yield folder
        _refuse_foreign(out, made_by)
        if out.exists():
            out.rename(partial / "old")
        folder.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(lock)


def _refuse_foreign(out: Path, made_by: str) -> None:
    """Raise if `out` is neither missing, nor an empty folder, nor made by `made_by`."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise UsageError(f"{out} is not a folder; give the path of a new or empty folder.")
    if any(out.iterdir()) and _maker(out / "truth.json") != made_by:
        raise UsageError(
            f"{out} holds files that are not a simulated shop; give a new or empty folder."
        )


def _maker(truth: Path) -> object:
    try:
        content = json.loads(truth.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("generator") if isinstance(content, dict) else None


def _lock(partial: Path, out: Path) -> int:
    """Lock and clear the temporary folder;
    the operating system releases the lock of a killed process.
    """
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial, os.O_RDONLY)
    except OSError as error:
        raise UsageError(
            f"Cannot write beside {out} ({error.strerror}); give a folder in a writable place."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise UsageError(
            f"Another run is writing {out}; wait for it, or give another folder."
        ) from error
    if (old := partial / "old").is_dir() and not out.exists():
        old.rename(out)  # a run was killed between the two renames: restore the earlier shop
    for left in partial.iterdir():
        shutil.rmtree(left)
    return lock


# Broken values by flaw and column; None is a null. `variant` selects one of each tuple.
_GARBLED: dict[int, dict[str, tuple[str | None, ...]]] = {
    f.NO_ID: {"event_id": (None, "")},
    f.NO_TIME: {
        "event_timestamp": (
            "yesterday",
            "2026-13-45T99:00:00Z",
            "",
            None,
            "not a time",
            "1767571200abc",
        )
    },
    f.NO_IDENTITY: {
        "user_id": (None, "", "null", "undefined", "0", None),
        "session_id": (None, ""),
        "anonymous_id": (None, None, "", "null"),
    },
    f.NO_TYPE: {"event_type": ("", None, "search\tterm", "page\tview", "product\tview", "x" * 300)},
}


class Columns:
    """Converts rows to an Arrow table, and holds the texts of the codes."""

    def __init__(self, dice: Dice, pages: t.Pages, product_count: int) -> None:
        self._dice = dice
        self._types = pa.array(r.EVENT_TYPES, pa.string())
        self._products = pa.array(
            [str(FIRST_PRODUCT_ID + i) for i in range(product_count)], pa.string()
        )
        self._categories = pa.array(CATEGORIES, pa.string())
        self._pages = pa.array(pages.texts, pa.string())
        self._agents = pa.array(t.AGENT_TEXTS, pa.string())
        self._properties = pa.array(t.property_texts(), pa.string())

    def table(self, rows: Rows) -> pa.Table:
        """Return the rows with the columns of `ecommerce_events`, all as text."""
        columns = {
            "event_id": self.ids("event", rows["number"]),
            "user_id": user_ids(rows),
            "event_type": _coded(self._types, rows["type"].astype(np.int64)),
            "event_timestamp": _instants(rows["at"]),
            "product_id": _coded(self._products, rows["product"]),
            "product_category": _coded(self._categories, rows["category"]),
            "session_id": self.ids("session", rows["session"]),
            "page_url": _coded(self._pages, rows["page"]),
            "referrer_url": _coded(self._pages, rows["referrer"]),
            "cart_value": _money(rows["cents"]),
            "received_at": _instants(rows["received"]),
            "anonymous_id": self.ids("cookie", rows["cookie"]),
            "user_agent": _coded(self._agents, rows["agent"]),
            "properties": self._property_texts(rows),
        }
        for flaw, texts in _GARBLED.items():
            hit = rows["flaw"] == flaw
            if hit.any():
                for name, wrong in texts.items():
                    values = pa.array(
                        [wrong[v % len(wrong)] for v in rows["variant"][hit].tolist()], pa.string()
                    )
                    columns[name] = pc.replace_with_mask(columns[name], pa.array(hit), values)
        return pa.table(columns)

    def order_ids(self, numbers: Ints) -> list[str]:
        """Return the order id of each purchase number, as in the properties of purchase events."""
        ids: list[str] = self.ids("order", numbers).to_pylist()
        return ids

    def ids(self, purpose: str, numbers: Ints) -> pa.Array:
        """Return each id as 16 hexadecimal digits."""
        digits = self._dice.bits(purpose, numbers).byteswap().tobytes().hex()
        return pa.array(np.frombuffer(digits.encode(), "S16"), mask=numbers == r.NOTHING).cast(
            pa.string()
        )

    def _property_texts(self, rows: Rows) -> pa.Array:
        plain, trial = rows["properties"], rows["trial"].astype(np.int64)
        codes = np.where(plain == r.NOTHING, r.NOTHING, plain + trial * t.PROPERTIES_PER_TRIAL)
        texts = _coded(self._properties, codes)
        has_order, is_alias = rows["order"] != r.NOTHING, rows["type"] == r.ALIAS
        texts = _with_property(
            texts, has_order, "order_id", self.order_ids(rows["order"][has_order])
        )
        return _with_property(
            texts, is_alias, "previous_id", former_ids(rows["visitor"][is_alias]).to_pylist()
        )


def user_ids(rows: Rows) -> pa.Array:
    """Return the user id of each row; null where the shop does not know who it is."""
    texts = pc.cast(
        pa.array(known_customer_id(rows["visitor"]), mask=~rows["is_known"]), pa.string()
    )
    is_former, is_guest = (
        rows["is_known"] & (rows["account"] == account) for account in (FORMER, GUEST)
    )
    texts = pc.replace_with_mask(texts, pa.array(is_former), former_ids(rows["visitor"][is_former]))
    return pc.replace_with_mask(texts, pa.array(is_guest), pa.scalar(GUEST_ID, pa.string()))


def former_ids(visitor: Ints) -> pa.Array:
    """Return the user id that each person had before the one of today."""
    digits = pc.cast(pa.array(known_customer_id(visitor)), pa.string())
    return pc.binary_join_element_wise(FORMER_ID, digits, "")


def _with_property(texts: pa.Array, chosen: Flags, name: str, values: list[str]) -> pa.Array:
    """Return the properties, with one more in the chosen rows."""
    if not values:
        return texts
    without = texts.filter(pa.array(chosen)).to_pylist()
    full = [
        f'{text[:-1]},"{name}":"{value}"}}' for text, value in zip(without, values, strict=True)
    ]
    return pc.replace_with_mask(texts, pa.array(chosen), pa.array(full, pa.string()))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table to a file, without the Arrow schema,
    so that readers see plain Parquet types.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", store_schema=False)


def _coded(texts: pa.Array, codes: Ints) -> pa.Array:
    return texts.take(pa.array(codes, mask=codes == r.NOTHING))


def _instants(times_us: Ints) -> pa.Array:
    """Return microseconds since 1970 as text like `2026-01-05T13:45:12.123456Z`."""
    texts = pa.array(times_us).cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), "Z", "")


def _money(cents: Ints) -> pa.Array:
    values, index = np.unique(cents, return_inverse=True)
    texts = [None if v == r.NO_MONEY else r.money_text(v) for v in values.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(index))
