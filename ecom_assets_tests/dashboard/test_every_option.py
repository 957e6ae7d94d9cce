"""Every option of the commands that ask questions exists in the definition, the body of POST and the form, or says why.

What is compared is derived from the code: the signature of the command, the keys of the definition, the fields of the
body and the inputs of the builder. What stands in one place under another name, or not at all, is listed here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from inspect import signature

import pytest
from ecom_assets.api.routes.attribution import AttributionBody
from ecom_assets.api.routes.correlation import CorrelationBody, FunnelOfCorrelation
from ecom_assets.api.routes.experiments import ExperimentBody
from ecom_assets.api.routes.trends import TrendBody
from ecom_assets.cli.attribution import attribution_command
from ecom_assets.cli.correlation import correlation
from ecom_assets.cli.experiment import experiment
from ecom_assets.cli.funnel import funnel
from ecom_assets.cli.journeys import journeys
from ecom_assets.cli.retention import retention
from ecom_assets.cli.sessions import sessions
from ecom_assets.cli.trend import trend
from pydantic import BaseModel

from ecom_assets.api.routes.funnels import FunnelBody
from ecom_assets.api.routes.journeys import JourneysBody
from ecom_assets.api.routes.retention import RetentionBody
from ecom_assets.api.routes.sessions import SessionsBody
from ecom_assets.attribution.answer import KEYS as ATTRIBUTION
from ecom_assets.dashboard.page import all_pages
from ecom_assets.experiments.experiment import KEYS as EXPERIMENT
from ecom_assets.funnels.definition import KEYS as FUNNEL
from ecom_assets.journeys.answer import KEYS as JOURNEYS
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.sessions.answer import KEYS as SESSIONS
from ecom_assets.trends.definition import KEYS as TREND

Names = frozenset[str]


@dataclass(frozen=True)
class Kind:
    """A question: its command, the keys of its definition, the body of its route, and the path of its builder."""

    command: Callable[..., None]
    keys: Iterable[str]
    body: type[BaseModel]
    page: str
    inside: type[BaseModel] | None = None
    """A part of the body that has fields of its own."""


KINDS = {
    "funnel": Kind(funnel, FUNNEL, FunnelBody, "funnel"),
    "retention": Kind(retention, [*(one.name for one in fields(RetentionRule)), "preset"], RetentionBody, "retention"),
    "trend": Kind(trend, TREND, TrendBody, "trend"),
    "journeys": Kind(journeys, JOURNEYS, JourneysBody, "paths"),
    "correlation": Kind(
        correlation,
        ["properties", "limit", "confidence", *FunnelOfCorrelation.model_fields],
        CorrelationBody,
        "correlation",
        FunnelOfCorrelation,
    ),
    "experiment": Kind(experiment, EXPERIMENT, ExperimentBody, "experiment"),
    "sessions": Kind(sessions, SESSIONS, SessionsBody, "sessions"),
    "attribution": Kind(attribution_command, ATTRIBUTION, AttributionBody, "credit"),
}
OF_FILES = {
    "events": "files are what only the command reads",
    "more": "as above",
    "mapping": "as above",
    "orders": "as above",
    "orders_mapping": "as above",
    "whole_until": "how far the published data reach is known",
    "out": "writes a file",
    "who": "writes a file; POST …/who and the form list people",
    "definition": "names the file that this compares",
    "as_json": "how the command prints",
    "context": "no option",
}
BESIDE_THE_DEFINITION = {"first", "to", "last", "timezone", "segment", "range_of"}
"""The days and visitors, which a definition leaves to the request."""
NAMES = {
    "last_period": {"periods"},
    "returning_where": {"return_where"},
    "start_date": {"first"},
    "end_date": {"to"},
    "time_range": {"last"},
    "from": {"first"},
    "step1": {"steps"},
    "where_step1": {"step_where"},
    "series1": {"series"},
    "times": {"time_to_convert"},
    "sum_of": {"sum"},
}
"""What bodies and forms call what an option is called otherwise."""
INSIDE = {
    ("funnel", "step_where"): "`where` of a step",
    ("funnel", "occurrence"): "`occurrence` of a step",
    ("funnel", "bins"): "`bins` of time_to_convert",
    ("funnel", "session_rule"): "beside the definition, which says what a funnel is whatever a session is",
    ("experiment", "goal_where"): "`where` of goal",
    ("experiment", "exposure_where"): "`where` of exposure",
}
"""Options that a definition and a body have inside another key."""
NOT_IN_THE_FORM = {"last": "the form has the first and the last day"}


def options(kind: Kind) -> Names:
    """Return what the command takes, beside what is of files."""
    return frozenset(signature(kind.command).parameters) - OF_FILES.keys()


def named(names: Iterable[str]) -> Names:
    """Return names with those of the command's options that they stand for."""
    return frozenset(other for name in names for other in {name, *NAMES.get(name, ())})


def of_body(kind: Kind) -> Names:
    """Return the fields of the body, as it is written."""
    models = [kind.body, *([kind.inside] if kind.inside else [])]
    return named(
        text for model in models for name, one in model.model_fields.items() for text in {name, one.alias or name}
    )


def of_form(kind: Kind) -> Names:
    """Return the inputs of the builder."""
    page = next(one for one in all_pages() if one.path == kind.page)
    return named(page.asks.model_fields)


@pytest.mark.parametrize("name", KINDS)
def test_every_option_of_the_command_is_in_the_definition(name: str) -> None:
    kind = KINDS[name]
    inside = {option for of, option in INSIDE if of == name}
    assert options(kind) - BESIDE_THE_DEFINITION - inside <= named(kind.keys), "an option that a file cannot say"


@pytest.mark.parametrize("name", KINDS)
def test_every_option_of_the_command_is_in_the_body(name: str) -> None:
    kind = KINDS[name]
    inside = {option for of, option in INSIDE if of == name and option != "session_rule"}
    assert options(kind) - inside <= of_body(kind), "an option that POST cannot say"


@pytest.mark.parametrize("name", KINDS)
def test_every_option_of_the_command_is_in_the_form(name: str) -> None:
    kind = KINDS[name]
    assert options(kind) - NOT_IN_THE_FORM.keys() <= of_form(kind), "an option that the form cannot say"


@pytest.mark.parametrize("name", KINDS)
def test_every_key_of_the_definition_is_in_the_body_and_the_form(name: str) -> None:
    kind = KINDS[name]
    keys = frozenset(kind.keys) - {"funnel"}
    assert keys <= of_body(kind), "a key that POST cannot say"
    assert keys <= of_form(kind), "a key that the form cannot say"


def test_what_is_listed_as_missing_is_missing() -> None:
    """So that the lists above shrink with what is added."""
    taken = frozenset().union(*(options(kind) for kind in KINDS.values()))
    assert {option for _, option in INSIDE} <= taken
    assert NOT_IN_THE_FORM.keys() <= taken
