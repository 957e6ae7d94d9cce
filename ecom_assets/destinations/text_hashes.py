"""Hashes of many texts at once: of payloads, to tell whether one has changed, and of users, to keep theirs together.

Not here: what follows from them.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from xxhash import xxh3_64_intdigest


def hashes_of(column: pa.ChunkedArray) -> pa.Array:
    """Return XXH3's 64 bits of each text (`string`, as UTF-8), as `uint64`; of null it is 0.

    An eighth of the time of MD5; its definition is final, so that what a ledger keeps of it stays right.
    """
    hashes = np.fromiter((one for texts in column.chunks for one in _each(texts)), "<u8", len(column))
    hashes[column.is_null().to_numpy()] = 0
    return pa.array(hashes)


def _each(texts: pa.Array) -> Iterator[int]:
    """Yield the hash of each text where it lies: as Python texts they would be copied twice."""
    if not len(texts):
        return
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, "<i4")[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data or b"")
    yield from (xxh3_64_intdigest(view[begin:end]) for begin, end in pairwise(ends))
