"""Where visits come from, said by a column in place of the address: each word is a channel by a
person's choice, whatever the page.
"""

import pyarrow as pa
import pytest

from ecom_assets.commerce.attribution.contracts import CHANNELS as ALL_CHANNELS
from ecom_assets.commerce.attribution.touches import ChannelRule, source_of_each
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.proposal.values import Value
from ecom_assets.ingestion.sources.proposal.visit_sources import (
    CHANNELS,
    DIRECT,
    likely_channel,
    tagged_page,
)
from ecom_assets.ingestion.sources.site_lists import source_lists

PAGES = ("/", "/product/700", "/search?q=shopping", "https://lamps.example/a?b=c")


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_chosen_channel_is_that_of_the_visit(channel: str) -> None:
    page, column = Value(("uri",), '"uri"', 0), Value(("traffic_source",), '"traffic_source"', 1)
    sql = tagged_page(page, column, [("Bob's", channel), ("else", "Email")])
    con = connect()
    words = {"uri": list(PAGES), "traffic_source": [" Bob's "] * len(PAGES)}
    con.con.register("words", pa.table(words))
    addresses = con.con.execute(f"SELECT {sql} FROM words").fetchall()
    con.con.register(
        "visits",
        pa.table(
            {
                "page_url": [address for (address,) in addresses],
                "referrer_url": pa.array([None] * len(PAGES), pa.string()),
            }
        ),
    )
    found = source_of_each(con.table("visits"), ChannelRule(source_lists())).to_pyarrow()
    named = found["channel"].to_pylist()
    assert channel in ALL_CHANNELS
    assert named == ([] if channel == DIRECT else [channel] * len(PAGES))


@pytest.mark.parametrize(
    ("word", "channel"),
    [
        ("Adwords", "Paid Search"),
        ("Google Ads", "Paid Search"),
        ("Newsletter März", "Email"),
        ("Facebook", "Organic Social"),
        ("Organic Search", "Organic Search"),
        ("(direct)", DIRECT),
        ("web", ""),
        ("Messe", ""),
    ],
)
def test_usual_words_are_known(word: str, channel: str) -> None:
    assert likely_channel(word) == channel
