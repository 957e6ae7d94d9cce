"""The API held to its own OpenAPI document with requests by chance:
no answer that it does not announce, no failure.

Requests that fit the document and are refused are right here: that dates are in order, or that an
event type exists, no schema can say.
"""

from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.hypothesis_settings import examples

pytestmark = [pytest.mark.xdist_group("api"), pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def described(settings: Settings) -> schemathesis.BaseSchema:
    """The document, with the application behind it."""
    return schemathesis.openapi.from_asgi("/openapi.json", build_app(settings))


schema = schemathesis.pytest.from_fixture("described")


@pytest.mark.slow
@schema.parametrize()
@examples(30)
def test_many_requests_end_in_nothing_that_is_not_announced(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
