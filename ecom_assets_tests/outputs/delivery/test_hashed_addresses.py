"""No mail address reaches a tool as the id of a person, whichever column it comes from."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.outputs.delivery.hashed_addresses import with_hashes
from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.outputs.delivery.mart_rows import SENT_AT, event, events, tool, users

NAMES = [f"{name}_{kind}" for name in TOOLS for kind in ("events", "users")]
PEOPLE = ("visitor_id", "user_id", "device_id", "source_session_id")
KNOWN: dict[str, Any] = {"segment": "loyal", "customer_tier": "gold", "churn_risk_rate": 0.5}


def sha(address: str) -> str:
    """Return the hash that pages compute: of the address in small letters."""
    return hashlib.sha256(address.lower().encode()).hexdigest()


def table_of(name: str, ids: Mapping[str, str | None]) -> Any:
    """Return one row for a destination: an event of some ids, or a user with the first of them."""
    if name.endswith("_users"):
        return users({"customer_id": next(iter(ids.values())), **KNOWN})
    return events(event(1, **ids))


def sent(name: str, ids: Mapping[str, str | None], **settings: str) -> dict[str, Any]:
    """Return what a destination would be sent, with its record."""
    (row,) = tool(name, **settings).payloads(table_of(name, ids), SENT_AT).to_pylist()
    assert row["reason"] is None, row
    return dict(row)


ADDRESSES = st.from_regex(
    r"[A-Za-z0-9.+_-]{1,20}(@|%40)[A-Za-z0-9-]{1,10}\.[a-zA-Z]{2,4}", fullmatch=True
)
WRITTEN = ADDRESSES.flatmap(
    lambda one: st.sampled_from([one, f" {one}", f"Ann <{one}>", f"mailto:{one}", f"anon-{one}"])
)
IDS = st.dictionaries(
    st.sampled_from(PEOPLE), st.one_of(st.just("anna-1"), WRITTEN), min_size=1
).filter(lambda ids: {"visitor_id", "user_id"} & ids.keys())


@pytest.mark.slow
@each("name", NAMES)
def test_no_tool_gets_an_address_as_the_id_of_a_person(name: str) -> None:
    @examples(80)
    @given(IDS, st.sampled_from(["visitor_id", "user_id"]))
    def whatever(ids: Mapping[str, str | None], user_key: str) -> None:
        payload = sent(name, ids, delivery_user_key=user_key)["payload"]
        assert not re.search("@|%40", payload.replace("e1@2026-01-05", ""))

    whatever()


@pytest.mark.slow
@each("name", NAMES)
def test_a_tool_gets_one_hash_of_an_address_however_it_is_written(name: str) -> None:
    """What it gets is what it would get of a person whose id is the hash."""
    for written in ("ann@x.example", "Ann@X.example", "ann%40x.example"):
        ids: Mapping[str, str | None] = {
            "visitor_id": written,
            "user_id": written,
            "device_id": "d-12345",
        }
        hashed = dict.fromkeys(("visitor_id", "user_id"), sha("ann@x.example")) | {
            "device_id": "d-12345"
        }
        assert sent(name, ids)["payload"] == sent(name, hashed)["payload"]


@pytest.mark.slow
@each("name", NAMES)
def test_what_was_sent_by_the_address_has_not_changed(name: str) -> None:
    """The ledger has a user by the own id, and the payload of an earlier release, as its former."""
    ids: Mapping[str, str | None] = {"visitor_id": "ann@x.example", "user_id": "ann@x.example"}
    now, before = sent(name, ids), sent(name, ids, delivery_addresses="plain")
    assert "ann@x.example" in before["payload"]
    assert now["former"] == (before["former"] or before["payload"])
    assert now["record_id"] == before["record_id"]
    assert now["user_key"] != before["user_key"]
    others = sent(name, {"visitor_id": "anna-1", "user_id": "anna-1"})
    assert others == sent(
        name, {"visitor_id": "anna-1", "user_id": "anna-1"}, delivery_addresses="plain"
    )


@pytest.mark.parametrize("id_", ["anna-1", "@ann", "a@b", "12@", "anon-s-1", ""])
def test_other_ids_are_sent_as_they_are(id_: str) -> None:
    assert with_hashes([id_]) == [id_]


def test_a_tool_is_asked_to_delete_both() -> None:
    """What was sent before addresses were hashed is there by the address."""
    assert with_hashes(["anna-1", "Ann@x.example", "anon-ann@x.example"]) == [
        *("anna-1", "Ann@x.example", "anon-ann@x.example"),
        *(sha("ann@x.example"), f"anon-{sha('ann@x.example')}"),
    ]
