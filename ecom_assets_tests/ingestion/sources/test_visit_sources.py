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
    campaign_lines,
    likely_channel,
)
from ecom_assets.ingestion.sources.site_lists import source_lists
from ecom_assets_tests.builders import addresses
from ecom_assets_tests.each import each

PAGES = ("/", "/product/700", "/search?q=shopping", "https://lamps.example/a?b=c")


@pytest.mark.slow
@each("channel", CHANNELS)
def test_a_chosen_channel_is_that_of_the_visit(channel: str) -> None:
    column = Value(("traffic_source",), '"traffic_source"', 1)
    lines = campaign_lines(column, [("Bob's", channel), ("else", "Email")])
    fields = ", ".join(f"{sql} AS {name}" for name, sql in lines.items())
    con = connect()
    words = {"page_url": list(PAGES), "traffic_source": [" Bob's "] * len(PAGES)}
    con.con.register("words", pa.table(words))
    con.con.execute(
        f"CREATE TEMP TABLE visits AS SELECT page_url, NULL::VARCHAR AS referrer_url, {fields} "
        "FROM words"
    )
    found = source_of_each(addresses(con), ChannelRule(source_lists())).to_pyarrow()
    named = found["channel"].to_pylist()
    assert channel in ALL_CHANNELS
    assert named == ([] if channel == DIRECT else [channel] * len(PAGES))


def test_a_file_whose_visits_are_all_direct_has_no_campaign() -> None:
    column = Value(("traffic_source",), '"traffic_source"', 1)
    assert campaign_lines(column, [("web", DIRECT)]) == {}


@each(
    "word, channel",
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
