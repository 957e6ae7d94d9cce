"""Split payloads into batches by number of records and by size."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


def cut(payloads: pa.Table, *, most_records: int, most_bytes: int, around_bytes: int = 0) -> Iterator[pa.Table]:
    """Yield batches in order, each as large as the limits allow.

    Args:
        payloads: `PAYLOADS` that can be sent. One that is larger than `most_bytes` becomes a separate batch.
        most_records: Maximum number of records in a batch.
        most_bytes: Maximum bytes of a request, counting a comma after each record.
        around_bytes: Bytes that a request has in addition to its records.
    """
    begin = 0
    for end in _ends(_sizes(payloads), most_records, most_bytes - around_bytes):
        yield payloads.slice(begin, end - begin)
        begin = end


def cut_by(
    payloads: pa.Table, key: pa.ChunkedArray, *, most_records: int, most_bytes: int, around_bytes: int = 0
) -> Iterator[pa.Table]:
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
        for end in _ends(sizes[first:last], most_records, most_bytes - around_bytes):
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
