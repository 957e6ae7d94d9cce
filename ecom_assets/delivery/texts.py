"""Payloads in Arrow columns: hash them in place, without Python strings, and split them into batches.

The hashes show whether a payload has changed, and keep a user's records together.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest


def _views_of(column: pa.ChunkedArray) -> Iterator[memoryview]:
    """Yield the UTF-8 bytes of each text (`string`); null has no bytes."""
    for texts in column.chunks:
        if len(texts):
            _, offsets, data = texts.buffers()
            ends = np.frombuffer(offsets, "<i4")[texts.offset : texts.offset + len(texts) + 1].tolist()
            view = memoryview(data or b"")
            yield from (view[begin:end] for begin, end in pairwise(ends))


def hashes_of(column: pa.ChunkedArray) -> pa.Array:
    """Return the 64-bit XXH3 hash of each text (`string`, as UTF-8) as `uint64`; null becomes 0.

    It needs a seventh of the time of MD5. Its definition is final, so hashes in a ledger stay valid.
    """
    hashes = np.fromiter((xxh3_64_intdigest(view) for view in _views_of(column)), "<u8", len(column))
    hashes[column.is_null().to_numpy()] = 0
    return pa.array(hashes)


class Texts(Sequence[str]):
    """The texts of a column as a sequence; each string is created on access."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        """Take the column (`string`), without nulls."""
        self._column = column

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._column)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> "Texts": ...
    def __getitem__(self, at: int | slice) -> "str | Texts":
        """Return one text or a slice."""
        return Texts(self._column[at]) if isinstance(at, slice) else str(self._column[at])

    def at(self, places: Sequence[int]) -> "Texts":
        """Return the texts at the positions `places`, which must be in ascending order."""
        return self if len(places) == len(self) else Texts(self._column.take(pa.array(places, pa.int64())))

    def between(self, head: str, tail: str) -> bytes:
        """Return all texts joined by commas, between `head` and `tail`."""
        texts = pa.concat_arrays(self._column.chunks) if self._column.num_chunks else pa.array([], pa.string())
        inner = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts), ",")
        return b"".join([head.encode(), inner[0].as_buffer(), tail.encode()])


Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


def cut(payloads: pa.Table, *, most_records: int, most_bytes: int) -> Iterator[pa.Table]:
    """Yield batches in order, each as large as the limits allow.

    Args:
        payloads: `PAYLOADS` that can be sent. One that is larger than `most_bytes` becomes a separate batch.
        most_records: Maximum number of records in a batch.
        most_bytes: Maximum bytes of the records in a batch, counting a comma after each.
    """
    begin = 0
    for end in _ends(_sizes(payloads), most_records, most_bytes):
        yield payloads.slice(begin, end - begin)
        begin = end


def cut_by(payloads: pa.Table, key: pa.ChunkedArray, *, most_records: int, most_bytes: int) -> Iterator[pa.Table]:
    """Yield batches of records with the same key. Keys, and the records of a key, stay in their order."""
    codes = key.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    numbers = codes.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(numbers, kind="stable")
    together = payloads.take(pa.array(order))
    changes = np.flatnonzero(np.diff(numbers[order])) + 1
    bounds = [0, *changes.tolist(), len(payloads)] if len(payloads) else [0]
    sizes = _sizes(together)
    for first, last in pairwise(bounds):
        begin = first
        for end in _ends(sizes[first:last], most_records, most_bytes):
            yield together.slice(begin, first + end - begin)
            begin = first + end


def _sizes(payloads: pa.Table) -> Sizes:
    sizes: Sizes = pc.binary_length(payloads["payload"]).to_numpy()
    return sizes.astype(np.int64) + 1


def _ends(sizes: Sizes, most_records: int, most_bytes: int) -> Iterator[int]:
    """Yield the end of each batch: as many records as the limits allow, at least one."""
    until = np.cumsum(sizes)
    begin, before = 0, 0
    while begin < len(sizes):
        by_bytes = int(np.searchsorted(until, before + most_bytes, side="right"))
        end = max(begin + 1, min(by_bytes, begin + most_records))
        yield end
        begin, before = end, int(until[end - 1])
