"""The hash by which the ledger tells whether a payload has changed. Not here: what follows if it has."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from xxhash import xxh3_64_intdigest


def payload_hashes(payloads: pa.ChunkedArray) -> pa.Array:
    """Return XXH3's 64 bits of each text (`string`, as UTF-8), as `uint64`; of null it is 0.

    An eighth of the time of MD5; its definition is final, so that what a ledger keeps stays right.
    """
    hashes = np.fromiter((one for texts in payloads.chunks for one in _each(texts)), "<u8", len(payloads))
    hashes[payloads.is_null().to_numpy()] = 0
    return pa.array(hashes)


def _each(texts: pa.Array) -> Iterator[int]:
    """Yield the hash of each text where it lies: as Python texts they would be copied twice."""
    if not len(texts):
        return
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, "<i4")[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data or b"")
    yield from (xxh3_64_intdigest(view[begin:end]) for begin, end in pairwise(ends))
