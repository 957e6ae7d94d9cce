"""What sending opens is closed with the run: a thread that outlives it keeps engines alive while Python ends."""

from threading import enumerate as threads

import pytest

from ecom_assets.delivery.tools.all import opened_destinations
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.delivery.mart_rows import one_batch, visits
from ecom_assets_tests.delivery.scripted_tool import ScriptedTool


@pytest.mark.slow
def test_a_tool_with_a_rate_leaves_no_thread_behind(far_side: ScriptedTool) -> None:
    before = set(threads())
    with opened_destinations(Settings(heap_app_id="1234", heap_url=far_side.url)) as opened:
        destination = opened["heap_events"]
        destination.send(one_batch(destination, visits(anna=1)))
        begun = [thread for thread in set(threads()) - before if thread.name.startswith("Pyrate")]
        assert begun
    for thread in begun:
        thread.join(timeout=15)  # the library looks every 10 s whether it is still needed
    assert not [thread for thread in begun if thread.is_alive()]
