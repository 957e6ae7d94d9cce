"""Steps whose source does not answer are repeated by Dagster; those that would fail
again the same way are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import requests
from requests import exceptions

from ecom_assets.core.errors import EcomError, SettingError, SourceError, UnavailableError
from ecom_assets.core.http.session import Api, ApiSession
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables import asset as asset_module
from ecom_assets.core.tables.asset import MAX_RETRIES, TableAsset
from ecom_assets.core.tables.contract import Table, count

# As `definitions.py` does.
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")


class Answers(Table):
    """One row per answer."""

    layer = "raw"
    key = ("answer_number",)

    answer_number = count("Number of the answer", unit="place")


class NoTables:
    """A warehouse for a step that reads no table."""

    def readable(self, contract: type[Table]) -> None:
        """Fail: no rule of this step is decided by stored rows."""
        raise AssertionError(contract)


def attempts_of(
    errors: list[EcomError], monkeypatch: pytest.MonkeyPatch, **tags: str
) -> tuple[int, bool]:
    """Return how often a step was tried that raises these errors in turn and then succeeds,
    and whether it did.
    """
    monkeypatch.setattr(asset_module, "STEP_RETRY_WAIT_S", 0)
    left, attempts = list(errors), []

    def answers() -> int:
        attempts.append(1)
        if left:
            raise left.pop(0)
        return 1

    built = TableAsset(answers, Answers).build(dg.DailyPartitionsDefinition("2026-01-01"), {})
    io_manager = dg.mem_io_manager
    result = dg.materialize(
        [built],
        partition_key="2026-01-01",
        tags=tags,
        raise_on_error=False,
        resources={"io_manager": io_manager, "warehouse": NoTables()},
    )
    return len(attempts), result.success


def test_a_source_that_does_not_answer_is_asked_again_three_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = UnavailableError("The order API does not answer.")
    assert attempts_of([busy, busy], monkeypatch) == (3, True)
    assert attempts_of([busy] * 9, monkeypatch) == (4, False)


def test_nobody_waits_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts_of([UnavailableError("busy")], monkeypatch, **{MAX_RETRIES: "0"}) == (1, False)


@pytest.mark.parametrize(
    "error", [SourceError("The key is not taken."), SettingError("ECOM_X is wrong.")]
)
def test_what_stays_wrong_is_not_repeated(
    error: EcomError, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempts_of([error], monkeypatch) == (1, False)


@contextmanager
def session_that(outcome: int | Exception, tmp_path: Path) -> Iterator[ApiSession]:
    """Yield a session in which each request ends as `outcome` says: a status,
    or an error of the network.
    """

    class Ending(requests.Session):
        def request(self, *_arguments: object, **_options: object) -> requests.Response:
            if isinstance(outcome, Exception):
                raise outcome
            response = requests.Response()
            response.status_code, response.url = outcome, "https://api.example/x"
            return response

    api = Api("order API", "https://api.example", "ECOM_ORDER_API_URL", "ECOM_ORDER_API_KEY")
    with ApiSession(api, Settings(home=tmp_path), Ending()) as session:
        yield session


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        *((status, UnavailableError) for status in (429, 500, 502, 503)),
        *((status, SourceError) for status in (301, 400, 401, 403, 404, 409, 422)),
        (exceptions.ConnectTimeout(), UnavailableError),
        (exceptions.ConnectionError(), UnavailableError),
        (exceptions.ChunkedEncodingError(), UnavailableError),
        (exceptions.SSLError(), SourceError),
        (exceptions.InvalidURL(), SourceError),
    ],
)
def test_only_what_can_end_by_itself_is_unavailable(
    outcome: int | Exception, expected: type[EcomError], tmp_path: Path
) -> None:
    with session_that(outcome, tmp_path) as session, pytest.raises(SourceError) as raised:
        session.get("https://api.example/x", {}, {})
    assert type(raised.value) is expected
