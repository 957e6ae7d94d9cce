"""Each test of a case names it by its number:
`@pytest.mark.parametrize("case", ["01"], indirect=True)`.
"""

from pathlib import Path

import pytest

from ecom_assets_tests.cases.case import Case, inputs_of


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Return the case whose number is the parameter."""
    return Case(tmp_path, inputs_of(request.param))
