"""Texts where they lie are the texts, and their hashes those of each alone, however the column lies in memory."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from ecom_assets.delivery.texts import Texts, hashes_of
from ecom_assets_tests.hypothesis_settings import examples

TEXTS = st.lists(st.none() | st.text(max_size=40), max_size=12)


@examples(150)
@given(chunks=st.lists(TEXTS, max_size=4), begin=st.integers(0, 12), length=st.integers(0, 40))
def test_each_text_has_its_hash_in_chunks_and_slices(chunks: list[list[str | None]], begin: int, length: int) -> None:
    column = pa.chunked_array(chunks, pa.string()).slice(begin, length)
    each = [0 if text is None else xxh3_64_intdigest(text.encode()) for text in column.to_pylist()]
    assert hashes_of(column).to_pylist() == each


@examples(150)
@given(chunks=st.lists(st.lists(st.text(max_size=40), max_size=12), max_size=4), begin=st.integers(0, 12))
def test_texts_are_read_and_joined_as_they_are(chunks: list[list[str]], begin: int) -> None:
    column = pa.chunked_array(chunks, pa.string()).slice(begin)
    texts, plain = Texts(column), column.to_pylist()
    assert list(texts) == plain
    assert list(texts[1:]) == plain[1:]
    assert list(texts.at(range(0, len(plain), 2))) == plain[::2]
    assert texts.between('{"a": [', "]}").decode() == f'{{"a": [{",".join(plain)}]}}'


@pytest.mark.parametrize(
    ("payload", "known"),
    [("", 0x2D06800538D394C2), ("{}", 0x1349CDE127705C16), ('{"user_id":"ann"}', 0x124825741E82FB73)],
)
def test_the_hash_in_ledgers_is_the_same_in_every_release(payload: str, known: int) -> None:
    assert hashes_of(pa.chunked_array([[payload]], pa.string())).to_pylist() == [known]
