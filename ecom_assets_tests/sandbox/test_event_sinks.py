"""The sandbox shop's events sent as a shop would send them: a collector, and a topic of Kafka."""

import subprocess
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.sandbox import Today
from ecom_assets_tests.command import ECOM, ecom, environment
from ecom_assets_tests.ingestion.collector.served import collect_settings, collecting
from ecom_assets_tests.ingestion.stream.streamed import TOPIC, MockCluster, StreamHome
from ecom_sandbox.event_sinks import Event, counts_per_second, played, sink_to
from ecom_sandbox.shop.living import LivingShop

pytestmark = pytest.mark.xdist_group("living_shop")
YESTERDAY = date(2026, 3, 3)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROW: Event = {
    "event_id": "e",
    "user_id": None,
    "event_type": "page_view",
    "event_timestamp": "2026-03-04T12:00:00Z",
    "session_id": "s",
    "anonymous_id": "d",
    "received_at": "2026-03-04T12:00:01Z",
    "properties": '{"country":"DE"}',
}


@pytest.mark.slow
def test_the_shops_day_goes_through_a_collector_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    LivingShop(tmp_path / "sandbox", YESTERDAY, new_people=60).grow()
    shop = Settings(home=tmp_path)
    with collecting(collect_settings(tmp_path)) as client:
        sink = sink_to(client.address)
        assert Today(shop, sink).arrive(NOON) > 0
        assert not client.events(), "what was there before the sink was used is a file"
        sent = Today(shop, sink).arrive(NOON + timedelta(hours=3))
        assert Today(shop, sink).arrive(NOON + timedelta(hours=3)) == 0
        taken = len(client.wait_for(sent - len(client.letters()))) + len(client.letters())
        assert taken == sent >= 10


def test_a_day_is_played_again_and_again_with_visitors_of_its_own(tmp_path: Path) -> None:
    events = list(islice(played([ROW], lambda: "2026-11-24T10:00:00Z", first_round=7), 2))
    assert [event["anonymous_id"] for event in events] == ["d-7", "d-8"]
    cluster = MockCluster()
    sink_to(f"kafka://{cluster.address}/{TOPIC}")(events)
    home = StreamHome(tmp_path, cluster.address, cluster.ids)
    home.read(2, partitions=(0, 1, 2, 3))
    rows = home.rows()
    assert sorted(row["event_id"] for row in rows) == ["e-7", "e-8"]
    assert {row["properties"] for row in rows} == {'{"country":"DE"}'}


def test_a_low_rate_and_a_broken_one_are_kept() -> None:
    assert list(islice(counts_per_second(0.4), 5)) == [0, 0, 1, 0, 1]
    assert list(islice(counts_per_second(2.5), 4)) == [2, 3, 2, 3]


@pytest.mark.slow
def test_playing_it_again_gives_new_visitors(tmp_path: Path) -> None:
    """Two processes, of two seconds each: what the second one sends is not
    dropped as copies of the first. Either may send an event twice, as the shop's day has copies.
    """
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home", {})
    with collecting(collect_settings(tmp_path)) as client:
        for process_count in (1, 2):
            command = [*ECOM, "sandbox", "live", "--to", client.address, "--rate", "5"]
            process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
            assert process.stderr
            assert (
                process.stderr.readline()
                == f"5 events a second go to {client.address}; stop it with Ctrl-C.\n"
            )
            client.wait_for(10 * process_count - len(client.letters()))
            process.terminate()
            process.wait()
            process.stderr.close()
        ids = {event["event_id"] for event in client.events()}
    rounds = {event_id.rpartition("-")[2] for event_id in ids}
    assert len(rounds) == 2


def test_what_is_no_door_and_a_rate_without_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be sent to"):
        sink_to("ftp://shop")
    assert (
        "needs an address"
        in ecom("sandbox", "live", "--rate", "5", home=tmp_path / "home").sentence
    )
