"""First events by POST: the days of a question limit what is counted, and nothing of what is known to be first.

Not here: the numbers themselves (`funnels/test_funnel_firsts.py`, and those of trends and retention).
"""

from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked

FIRST_VIEW = {"event_type": "page_view", "occurrence": "first_ever"}


def answered(api: Asked, question: str, **body: Any) -> Any:
    """Return the answer to a question."""
    response = api.post(f"/analytics/{question}", body)
    assert response.status_code == 200, response.text
    return response.json()


def test_new_visitors_are_the_same_whatever_the_days_of_the_question(api: Asked) -> None:
    series = [{"event_type": "page_view", "measure": "visitors", "occurrence": "first_ever"}]
    whole = answered(api, "trend", series=series)
    values = whole["series"][0]["values"]
    everybody = answered(api, "funnel", steps=["page_view"])["steps"][0]["count"]
    assert sum(values) == whole["series"][0]["total"] == everybody > values[-1]
    day = whole["periods"][-1]
    days = {"time_range": "custom", "start_date": day, "end_date": day}
    assert answered(api, "trend", series=series, **days)["series"][0]["values"] == values[-1:]
    funnel = answered(api, "funnel", **{"steps": [FIRST_VIEW, "purchase"], "from": day, "to": day})
    assert funnel["steps"][0]["count"] == values[-1]
    cohorts = answered(api, "retention", start="page_view", starting="first_ever", period="day", **days)["cohorts"]
    assert sum(one["size"] for one in cohorts) == values[-1]


def test_active_visitors_of_a_day_are_those_of_the_week_up_to_it(api: Asked) -> None:
    whole = answered(api, "trend", series=["*:wau"])
    day = whole["periods"][-1]
    days = {"time_range": "custom", "start_date": day, "end_date": day}
    assert answered(api, "trend", series=["*:wau"], **days)["series"][0]["values"] == whole["series"][0]["values"][-1:]


@pytest.mark.parametrize(
    ("question", "body", "why"),
    [
        ("funnel", {"steps": [FIRST_VIEW], "time_range": "week"}, "give the days of entry as from and to"),
        ("retention", {"starting": "first_ever", "range_of": "events"}, "range_of=events leaves days out; use starts"),
        ("funnel", {"steps": ["page_view"], "per": "users"}, "did you mean 'user'"),
    ],
)
def test_what_leaves_days_out_is_refused(api: Asked, question: str, body: Any, why: str) -> None:
    response = api.post(f"/analytics/{question}", body)
    assert response.status_code == 422
    assert why in response.json()["detail"]
