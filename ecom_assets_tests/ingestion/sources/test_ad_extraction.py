"""Spend of advertising lands by windows of days: each answer replaces its days whole."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import SourceError, WorkError
from ecom_assets.core.http import session
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.extraction.definition import (
    FOLDER,
    DayWindow,
    Extract,
    filled,
    load_extract,
)
from ecom_assets.ingestion.sources.extraction.extraction import extract_all
from ecom_assets.ingestion.sources.extraction.landing import DayRow, Landed, LandingFolder
from ecom_assets.ingestion.sources.extraction.rest_client import RestPages
from ecom_assets.ingestion.sources.mapping_file import shipped_text
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.sources.shop_apis import (
    Refused,
    ShopApi,
    google_ads,
    meta_insights,
    serving,
)

TODAY = date(2026, 11, 28)
GOOGLE_KEYS = {
    "GOOGLE_ADS_CUSTOMER_ID": "1234567890",
    "GOOGLE_ADS_CLIENT_ID": "app",
    "GOOGLE_ADS_CLIENT_SECRET": "s3cret",
    "GOOGLE_ADS_REFRESH_TOKEN": "1//refresh",
    "GOOGLE_ADS_DEVELOPER_TOKEN": "dEv-22",
}
META_KEYS = {"META_AD_ACCOUNT_ID": "77", "META_ACCESS_TOKEN": "EAAB"}


def google_row(day: date, campaign: int, cost_micros: int) -> Row:
    return {
        "customer": {"id": "1234567890", "currencyCode": "EUR"},
        "campaign": {"id": str(campaign), "name": f"Campaign {campaign}"},
        "segments": {"date": str(day)},
        "metrics": {"costMicros": str(cost_micros), "clicks": "3", "conversions": 0.5},
    }


def meta_row(day: date, campaign: int, spend: str) -> Row:
    return {
        "account_id": "77",
        "account_currency": "EUR",
        "campaign_id": str(campaign),
        "campaign_name": f"Campaign {campaign}",
        "spend": spend,
        "date_start": str(day),
        "date_stop": str(day),
    }


def landed_texts(folder: Path) -> Counter[str]:
    """Return the rows of all files; a file of which nothing is left has none."""
    lines = (
        line
        for path in folder.glob("*/received_date=*/*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    return Counter(line for line in lines if line)


def days_of_files(folder: Path) -> dict[str, set[str]]:
    """Return which days each file has rows of."""
    return {
        path.name: {json.loads(line)["day"] for line in path.read_text().splitlines() if line}
        for path in folder.glob("*/received_date=*/*.jsonl")
    }


def test_a_window_asks_for_each_day_until_it_is_settled_and_for_what_is_missing() -> None:
    """Ten days of history, four days a request, up to yesterday: 18 to 27 November."""
    window = DayWindow.model_validate({"days": 4, "from": 10, "date_path": "day"})

    def asked(reached: date | None, today: date = TODAY) -> list[tuple[int, int]]:
        return [(first.day, last.day) for first, last in window.spans(reached, today)]

    assert asked(None) == [(18, 21), (22, 25), (26, 27)]
    assert asked(date(2026, 11, 27)) == [(24, 27)], "run twice on a day: the same four again"
    assert asked(date(2026, 11, 27), TODAY + timedelta(days=1)) == [(25, 28)]
    assert asked(date(2026, 11, 20)) == [(18, 21), (22, 25), (26, 27)], (
        "18 to 20 were not four days old on the 21st, when they were last asked for"
    )
    days = [(11, 14), (15, 18), (19, 22), (23, 26), (27, 27)]
    assert asked(date(2026, 11, 10)) == days, "no day between is left out"
    assert asked(date(2026, 11, 19)) == [(18, 21), (22, 25), (26, 27)], "no day before the first"


def test_the_rows_of_a_day_are_what_the_newest_answer_has(tmp_path: Path) -> None:
    """A day as it was stays in its file; of one that changed all rows land together, for a file
    is one load of its days. Two equal rows are two; one of them may go.
    """
    one, two, three = (date(2026, 11, day) for day in (1, 2, 3))

    def rows(*contents: tuple[date, str]) -> list[DayRow]:
        return [DayRow.from_content(day, {"day": str(day), "cost": cost}) for day, cost in contents]

    with LandingFolder.opened(tmp_path, "account 1") as landing:

        def answered(*contents: tuple[date, str]) -> Landed:
            return landing.replace_days("campaigns", rows(*contents), (one, three), TODAY)

        first = ((one, "5.00"), (one, "5.00"), (two, "7.00"), (two, "8.00"), (three, "1.00"))
        assert answered(*first) == Landed(new_count=5)
        assert answered(*first) == Landed(), "the same answer lands nothing"
        second = ((one, "5.00"), (two, "7.00"), (two, "8.50"), (three, "1.00"))
        assert answered(*second) == Landed(changed_count=1, removed_count=1)
        assert landed_texts(tmp_path) == Counter(row.text for row in rows(*second))
        assert days_of_files(tmp_path) == {
            "1.jsonl": {"2026-11-03"},
            "2.jsonl": {"2026-11-01", "2026-11-02"},
        }
        assert answered() == Landed(removed_count=4), "days may have nothing left"
        assert landed_texts(tmp_path) == Counter()
        assert landing.cursor("campaigns") == "2026-11-03"


@contextmanager
def asked(name: str, api: ShopApi, host: str, keys: dict[str, str]) -> Iterator[Extract]:
    """Yield a shipped extract whose host is the stand-in."""
    text = shipped_text(FOLDER, name).replace(host, api.url)
    path = Path(api.documents["folder"][0]["path"]) / f"{name}.yaml"
    path.write_text(text.replace("https://oauth2.googleapis.com", api.url))
    template = load_extract(str(path))
    yield Extract.model_validate(filled(template.model_dump(by_alias=True), keys.get))


def settings_of(home: Path) -> Settings:
    return Settings(home=home, source_retry_base_s=0.01)


def landing_of(definition: Extract, home: Path, folder: Path, day: date = TODAY) -> Landed:
    with RestPages(definition, settings_of(home)) as pages:
        return extract_all(definition, pages, folder, day)["campaigns"]


@pytest.fixture
def google(tmp_path: Path) -> Iterator[tuple[ShopApi, Extract]]:
    """Two campaigns on each of 40 days before today: 1.50 and 2.25 a day."""
    rows = [
        google_row(TODAY - timedelta(days=ago), campaign, micros)
        for ago in range(40, 0, -1)
        for campaign, micros in ((1, 1_500_000), (2, 2_250_000))
    ]
    documents: dict[str, list[Row]] = {"campaigns": rows, "folder": [{"path": str(tmp_path)}]}
    with (
        serving(ShopApi(google_ads, "Bearer ya29", documents)) as api,
        asked("google_ads", api, "https://googleads.googleapis.com", GOOGLE_KEYS) as definition,
    ):
        yield api, definition


def test_spend_of_google_lands_and_restated_days_are_replaced(
    google: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    api, definition = google
    folder = tmp_path / "google"
    assert landing_of(definition, tmp_path, folder) == Landed(80, cursor="2026-11-27")
    grant = api.token_asked[0]
    assert {"grant_type=refresh_token", "refresh_token=1%2F%2Frefresh"} <= {*grant.split("&")}
    sent = {name.lower(): value for name, value in api.headers[0].items()}
    assert sent["developer-token"] == "dEv-22"
    assert "login-customer-id" not in sent, "an account without a manager has none"

    # A credit for invalid clicks three days ago, and a campaign taken out of the day before.
    api.documents["campaigns"][-6]["metrics"]["costMicros"] = "1400000"
    del api.documents["campaigns"][-3]
    api.asked.clear()
    assert landing_of(definition, tmp_path, folder) == Landed(0, 1, 1, cursor="2026-11-27")
    assert "BETWEEN '2026-10-29' AND '2026-11-27'" in api.asked[0], "thirty days up to yesterday"
    costs = [json.loads(line)["metrics"]["costMicros"] for line in landed_texts(folder).elements()]
    assert sum(map(int, costs)) == 40 * 3_750_000 - 100_000 - 2_250_000


def test_a_refusal_says_what_the_api_says_and_keeps_what_landed(
    google: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    """Eleven windows have no row, the twelfth five pages; the second page of the thirteenth is
    refused, so that nothing of it lands, and all of it is asked for the next time.
    """
    api, definition = google
    message = "The developer token is not approved"

    def refusing(api: ShopApi, path: str, params: dict[str, Any]) -> Any:
        if len(api.asked) == 11 + 5 + 2:
            return Refused(403, {"error": {"message": message}})
        return google_ads(api, path, params)

    api.answer = refusing
    with pytest.raises(SourceError, match=rf"answers 403 \({message}\)"):
        landing_of(definition, tmp_path, tmp_path / "google")
    assert landed_texts(tmp_path / "google").total() == 10
    assert landing_of(definition, tmp_path, tmp_path / "google").new_count == 70


def test_a_folder_belongs_to_one_account_whatever_the_version_of_the_api(
    google: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    _, definition = google
    folder = tmp_path / "google"
    landing_of(definition, tmp_path, folder)
    client = definition.client
    newer = client.model_copy(update={"base_url": client.base_url.replace("v26", "v27")})
    landing_of(definition.model_copy(update={"client": newer}), tmp_path, folder)
    other = client.model_copy(update={"account": "999"})
    with pytest.raises(WorkError, match=r"has documents of account 1234567890 of 127\.0\.0\.1"):
        landing_of(definition.model_copy(update={"client": other}), tmp_path, folder)


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[tuple[ShopApi, Extract]]:
    """Three campaigns of 0.10 each on five days before today."""
    rows = [
        meta_row(TODAY - timedelta(days=ago), campaign, "0.10")
        for ago in range(5, 0, -1)
        for campaign in (1, 2, 3)
    ]
    documents: dict[str, list[Row]] = {"campaigns": rows, "folder": [{"path": str(tmp_path)}]}
    with (
        serving(ShopApi(meta_insights, "Bearer EAAB", documents)) as api,
        asked("meta_insights", api, "https://graph.facebook.com", META_KEYS) as definition,
    ):
        yield api, definition


def test_a_report_of_meta_is_started_awaited_and_fetched(
    meta: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    api, definition = meta
    assert landing_of(definition, tmp_path, tmp_path / "meta") == Landed(15, cursor="2026-11-27")
    reports = api.documents["reports"]
    assert len(reports) == 14, "395 days, thirty a report"
    assert {report["looks"] for report in reports} == {3}
    assert (reports[0]["since"], reports[-1]["until"]) == ("2025-10-29", "2026-11-27")


def test_too_many_calls_are_waited_for_though_they_are_no_429(
    meta: tuple[ShopApi, Extract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, definition = meta
    monkeypatch.setattr(session, "MAX_WAIT_S", 5.0)
    throttling = definition.client.throttling
    assert throttling is not None
    soon = throttling.model_copy(update={"wait_s": 1})
    client = definition.client.model_copy(update={"throttling": soon})
    patient = definition.model_copy(update={"client": client})
    api.documents["refusals"] = [{"code": 17, "message": "User request limit reached"}]
    assert landing_of(patient, tmp_path, tmp_path / "meta").new_count == 15
    api.documents["refusals"] = [{"code": 17, "message": "User request limit reached"}] * 9
    with pytest.raises(SourceError, match="more than the 5 s that a request waits"):
        landing_of(patient, tmp_path, tmp_path / "meta")


def test_an_error_of_meta_is_said_in_its_own_words(
    meta: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    api, definition = meta
    api.documents["refusals"] = [{"code": 100, "message": "Please reduce the amount of data."}]
    with pytest.raises(SourceError, match=r"answers 400 \(Please reduce the amount of data\), so"):
        landing_of(definition, tmp_path, tmp_path / "meta")


def test_an_error_with_status_200_takes_no_day_away(
    meta: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    """Its answer has no rows either, and days without any are replaced with nothing."""
    api, definition = meta
    landing_of(definition, tmp_path, tmp_path / "meta")

    def failing_softly(api: ShopApi, path: str, params: dict[str, Any]) -> Any:
        answer = meta_insights(api, path, params)
        is_rows = isinstance(answer, dict) and "data" in answer
        return {"error": {"code": 1, "message": "An unknown error."}} if is_rows else answer

    api.answer = failing_softly
    with pytest.raises(SourceError, match="with status 200 and an error: An unknown error; run"):
        landing_of(definition, tmp_path, tmp_path / "meta")
    assert landed_texts(tmp_path / "meta").total() == 15


def test_a_key_that_an_error_repeats_is_not_shown(
    meta: tuple[ShopApi, Extract], google: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    """As Meta does with a token that it cannot read; of Google, both that its headers have."""
    api, definition = meta
    api.documents["refusals"] = [{"code": 190, "message": "Malformed access token EAAB, sorry"}]
    with pytest.raises(SourceError, match=r"answers 400 \(Malformed access token …, sorry\)"):
        landing_of(definition, tmp_path, tmp_path / "meta")
    link = {"data": [], "paging": {"next": "https:///insights?access_token=EAAB&after=x"}}
    api.answer = lambda api, path, asked: (
        link if path.endswith("%2F1/insights") else meta_insights(api, path, asked)
    )
    with pytest.raises(SourceError, match=r"Invalid URL .*access_token=…&after=x") as raised:
        landing_of(definition, tmp_path, tmp_path / "meta")
    assert "EAAB" not in str(raised.value)
    api, definition = google
    message = "ya29 and dEv-22 of customer 1234567890"
    api.answer = lambda *_asked: Refused(400, {"error": {"message": message}})
    with pytest.raises(SourceError, match=r"\(… and … of customer 1234567890\)"):
        landing_of(definition, tmp_path, tmp_path / "google")


@pytest.mark.parametrize(
    ("states", "patience_s", "expected"),
    [
        (("Job Running", "Job Failed"), 60, "made no report of act_77/insights .* 'Job Failed'"),
        (("Job Running",), 0.05, "is not made after 0.05 s and is called 'Job Running'"),
    ],
)
def test_a_report_that_fails_or_is_not_made_lands_nothing(
    meta: tuple[ShopApi, Extract],
    tmp_path: Path,
    states: tuple[str, ...],
    patience_s: float,
    expected: str,
) -> None:
    api, definition = meta
    api.states = states
    text = definition.model_dump(by_alias=True)
    text["resources"][0]["endpoint"]["report"]["patience_s"] = patience_s
    with pytest.raises(SourceError, match=expected):
        landing_of(Extract.model_validate(text), tmp_path, tmp_path / "meta")
    assert landed_texts(tmp_path / "meta") == Counter()


def test_a_row_of_a_day_that_was_not_asked_for_is_refused(
    meta: tuple[ShopApi, Extract], tmp_path: Path
) -> None:
    """As where an API ignores the bounds: else each request would bring all days again."""
    api, definition = meta
    text = definition.model_dump(by_alias=True)
    text["resources"][0]["endpoint"]["window"]["date_path"] = "campaign_name"
    with pytest.raises(SourceError, match="no usable day at 'campaign_name'"):
        landing_of(Extract.model_validate(text), tmp_path, tmp_path / "meta")
    api.answer = _ignoring_bounds
    with pytest.raises(SourceError, match="is of 2020-01-01, and 2025-10-29 to 2025-11-27 were"):
        landing_of(definition, tmp_path, tmp_path / "other")


def _ignoring_bounds(api: ShopApi, path: str, params: dict[str, Any]) -> Any:
    answer = meta_insights(api, path, params)
    if isinstance(answer, dict) and "data" in answer:
        return {"data": [meta_row(date(2020, 1, 1), 1, "9.99")]}
    return answer


def test_an_extract_asks_by_changes_or_by_days(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nclient: {base_url: 'https://ads.example.com/'}\n"
        "resources: [{name: campaigns, endpoint: {path: spend}}]\n"
    )
    result = ecom("extract", path, "--to", tmp_path / "own", home=tmp_path / "home")
    assert result.exit_code == 2
    assert "either `incremental`" in result.sentence
    assert not (tmp_path / "own").exists()
