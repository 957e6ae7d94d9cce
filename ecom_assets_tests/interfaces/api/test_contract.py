"""The API held to its own OpenAPI document with requests by chance:
no answer that it does not announce, no failure.

Requests that fit the document and are refused are right here: that dates are in order, or that an
event type exists, no schema can say.
"""

from typing import Any

import pytest
import schemathesis
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.hypothesis_settings import Share, examples
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("api"), pytest.mark.timeout(2400)]


@pytest.fixture(scope="session")
def described(settings: Settings) -> schemathesis.BaseSchema:
    """The document, with the application behind it."""
    return schemathesis.openapi.from_asgi("/openapi.json", build_app(settings), timeout=PATIENCE_S)


schema = schemathesis.pytest.from_fixture("described")
SHARE = Share()
KINDS = set[tuple[Any, ...]]()


def is_tried(case: schemathesis.Case[Any]) -> bool:
    """Return whether a request is tried: those by chance are, and of the 14,000 that go through the
    document a share of the right and of the wrong ones of each operation, and the first of each
    kind of right or wrong value in questions with a body and in those without.
    """
    phase = case.meta.phase if case.meta else None
    if phase is None or phase.name is not TestPhase.COVERAGE:
        return True
    mode = case.meta.generation.mode if case.meta else None
    kind = (case.operation.method, mode, getattr(phase.data, "scenario", None))
    is_new = kind not in KINDS
    KINDS.add(kind)
    return SHARE.is_tried((case.operation.label, mode)) or is_new


@pytest.mark.slow
@schema.parametrize()
@examples(30)
def test_many_requests_end_in_nothing_that_is_not_announced(case: schemathesis.Case[Any]) -> None:
    if is_tried(case):
        case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=PATIENCE_S)
