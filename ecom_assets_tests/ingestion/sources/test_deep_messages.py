"""Messages that are nested too deeply are found before the engine,
which would divide their batch to find each.
"""

import json
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.sources.customer_api.records import load_customer_mapping
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.nesting import is_deeper
from ecom_assets.ingestion.sources.files.sql import MAX_DEPTH
from ecom_assets.ingestion.sources.landed_rows import TOO_DEEP, CustomerMapper, MessageMapper
from ecom_assets_tests.hypothesis_settings import examples


def message(number: int, levels: int) -> bytes:
    deep = "[" * levels + "]" * levels
    fields = (
        '"event_type": "page_view", "user_id": "u", "event_timestamp": '
        f'"2026-01-31T12:00:{number:02}Z"'
    )
    return f'{{"event_id": "{number}", {fields}, "x": {deep}}}'.encode()


def test_deep_messages_cost_no_statements_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 messages each second one is 600 deep: one statement reads the other 20."""
    read_batches: list[int] = []
    plain_read = MessageMapper._read  # noqa: SLF001 (counted here)

    def counted(self: MessageMapper, lines: Any) -> Any:
        read_batches.append(len(lines))
        return plain_read(self, lines)

    monkeypatch.setattr(MessageMapper, "_read", counted)
    with closing(plain_connection("512MB")) as con:
        mapper = MessageMapper(con, load_mapping("ecommerce"), "UTC")
        rows = mapper.rows(
            [message(number, 600 if number % 2 else MAX_DEPTH - 1) for number in range(40)]
        )
    assert rows.positions == list(range(0, 40, 2))
    assert rows.refused == dict.fromkeys(range(1, 40, 2), TOO_DEEP)
    assert read_batches == [20]


def test_customers_are_bounded_as_well() -> None:
    deep = message(0, 600).replace(b'"event_id"', b'"id"')
    assert CustomerMapper(load_customer_mapping("customers")).rows([deep]).refused == {0: TOO_DEEP}


def depth_of(value: Any) -> int:
    """Return the levels of lists and objects, by recursion."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)


TEXTS = st.text('[]{}",\\x')


@examples(300)
@given(
    st.recursive(st.none() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))
)
def test_the_depth_is_that_of_a_parsed_value(value: Any) -> None:
    """Brackets, quotes and backslashes in texts count for nothing."""
    levels = depth_of(value)
    text = json.dumps(value).encode()
    assert not is_deeper(text, levels)
    assert levels == 0 or is_deeper(text, levels - 1)
