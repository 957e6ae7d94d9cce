"""The time between two steps, against plain Python."""

from statistics import mean, median

import ibis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.funnels.answer import fast_times
from ecom_assets.funnels.chains import funnel_chains
from ecom_assets.funnels.definition import Funnel, FunnelStep
from ecom_assets.funnels.report import bins_of, conversion_times, counted_times
from ecom_assets.funnels.time_to_convert import TimeToConvert
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.funnels.funnel_reference import SECOND, Event, table_of
from ecom_assets_tests.funnels.funnel_try_reference import first_longest_chain, streams_of
from ecom_assets_tests.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.hypothesis_settings import examples

BINS = st.sampled_from([None, 1, 3, 7, "1s", "2s", ["1s", "3s"], ["2s"]])


@examples(24)
@given(
    steps=st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=4).map(tuple),
    within_s=st.integers(1, 6),
    places=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bins=BINS,
    seed=st.integers(0, 2**32),
)
def test_times_between_two_steps_are_those_of_the_longest_chains(
    steps: tuple[FunnelStep, ...], within_s: int, places: tuple[int, int], bins: object, seed: int
) -> None:
    low, high = sorted(places)
    high = min(max(high, low + 1), len(steps))
    low = min(low, high - 1)
    answer = TimeToConvert.from_raw({"from": low, "to": high, "bins": bins})
    events = random_streams(seed, streams=60, micros=SECOND)
    funnel = Funnel(steps, within_s, time_to_convert=answer)
    chains = [first_longest_chain(stream, funnel) for stream in streams_of(events).values()]
    took = [times[high - 1] - times[low - 1] for times in chains if len(times) >= high]
    con = connect()
    rows = con.create_table("events", table_of(events))
    actual = conversion_times(con, funnel_chains(rows, funnel), answer)
    if times := fast_times(con, rows, funnel, ["visitor_id"]):
        assert counted_times(times, answer) in (actual, None)
    assert actual["count"] == len(took)
    assert sum(one["count"] for one in actual["bins"]) == len(took), "every time is in a bin"
    if took:
        assert actual["average_s"] == pytest.approx(mean(took) / SECOND, abs=1e-9)
        assert actual["median_s"] == pytest.approx(median(took) / SECOND, abs=1e-9)
        assert actual["p90_s"] == pytest.approx(np.percentile(took, 90) / SECOND, abs=1e-9)
    for one in actual["bins"]:
        end = float("inf") if one["to_s"] is None else one["to_s"] * SECOND
        assert one["count"] == sum(one["from_s"] * SECOND <= time < end for time in took)


@given(count=st.integers(1, 10**7), least=st.integers(0, 10**12), span=st.integers(0, 10**13))
@examples(100)
def test_chosen_bins_are_few_and_hold_every_time(count: int, least: int, span: int) -> None:
    bins = bins_of(TimeToConvert(1, 2), count, least, least + span)
    assert 1 <= len(bins) <= 60
    assert (len(bins) - 1) ** 3 < count
    assert bins[0][0] * SECOND <= least
    last = bins[-1]
    assert last[1] is not None
    assert last[0] * SECOND <= least + span < last[1] * SECOND, "the last bin has the longest time"
    assert len({high - low for low, high in bins if high is not None}) == 1


def test_nobody_took_both_steps() -> None:
    funnel = Funnel(CONDITIONS[4:5] + CONDITIONS[6:7])
    chains = funnel_chains(ibis.memtable(table_of([Event("Ann", 0, "cart")])), funnel)
    assert conversion_times(connect(), chains, TimeToConvert(1, 2)) == {
        "from_step": 1, "to_step": 2, "count": 0, "average_s": None, "median_s": None, "p90_s": None, "bins": [],
    }  # fmt: skip
