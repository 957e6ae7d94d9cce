"""The Postgres that tests of publishing publish to, and real time as tests ask for it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from ecom_assets.behaviour.events.realtime import RealTimeRule
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.raw_slices import ErasedPeopleFilter
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.realtime import RealTime


@pytest.fixture
def target(postgres_url: str) -> Iterator[PostgresEngine]:
    """An empty database."""
    engine = publication_target(Settings(postgres_url=postgres_url)).open()
    yield engine
    engine.close()


def real_time(
    settings: Settings, now: datetime, erased_people: ErasedPeopleFilter | None = None
) -> dict[str, Any]:
    """Return what `RealTime.numbers` does, once, with the default funnel."""
    steps = [{"event_type": event_type} for event_type in FIVE_STEPS]
    with closing(
        RealTime(settings, RealTimeRule(), Funnel.from_mapping({"steps": steps}))
    ) as reader:
        return reader.numbers(now, erased_people)
