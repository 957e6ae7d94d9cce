"""Cutting payloads into batches, by number of records and by bytes."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


def cut(payloads: pa.Table, *, most_records: int, most_bytes: int, around_bytes: int = 0) -> Iterator[pa.Table]:
    """Yield batches in order, each as large as it may be.

    Args:
        payloads: `PAYLOADS` that can go; a larger one than `most_bytes` is a batch of its own.
        most_records: Records of a batch.
        most_bytes: Bytes of a request, with a comma after each record.
        around_bytes: Bytes that a request has besides.
    """
    begin = 0
    for end in _ends(_sizes(payloads), most_records, most_bytes - around_bytes):
        yield payloads.slice(begin, end - begin)
        begin = end


def cut_by(
    payloads: pa.Table, key: pa.ChunkedArray, *, most_records: int, most_bytes: int, around_bytes: int = 0
) -> Iterator[pa.Table]:
    """Yield batches of records that share a key, keys in their order, records of a key in theirs."""
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
        for end in _ends(sizes[first:last], most_records, most_bytes - around_bytes):
            yield together.slice(begin, first + end - begin)
            begin = first + end


def _sizes(payloads: pa.Table) -> Sizes:
    sizes: Sizes = pc.binary_length(payloads["payload"]).to_numpy()
    return sizes.astype(np.int64) + 1


def _ends(sizes: Sizes, most_records: int, most_bytes: int) -> Iterator[int]:
    """Yield where each batch ends: as far as count and bytes allow, at least one record on."""
    until = np.cumsum(sizes)
    begin, before = 0, 0
    while begin < len(sizes):
        by_bytes = int(np.searchsorted(until, before + most_bytes, side="right"))
        end = max(begin + 1, min(by_bytes, begin + most_records))
        yield end
        begin, before = end, int(until[end - 1])
