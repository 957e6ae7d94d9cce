"""`ecom export` over a small sandbox shop that was run, without its deliveries,
and its refusals.
"""

import json
from pathlib import Path

import pytest

from ecom_assets.cli.export import failures_of
from ecom_assets.cli.platform_run import CheckOutcome, RunOutcome
from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.delivery.assets import ACCEPTED
from ecom_assets_tests.command import HEADER, UNTIL_DUE, ecom, small_shop
from ecom_assets_tests.each import each

pytestmark = pytest.mark.xdist_group("cli_export")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of which events are there, and nothing is delivered."""
    home = tmp_path_factory.mktemp("export") / "home"
    small_shop(home, days=2, visitors=30)
    assert ecom("run", "--json", "--select", UNTIL_DUE, home=home).exit_code == 0
    return home


@pytest.mark.slow
def test_a_dry_run_writes_payloads_and_sends_nothing(home: Path) -> None:
    result = ecom("export", "--to", "amplitude", "--dry-run", "--json", home=home)
    answer = result.json["dry_run"]["amplitude_events"]
    files = sorted(path.name for path in Path(answer["folder"]).iterdir())
    assert files == [f"2026-01-0{day}{end}.ndjson" for day in (1, 2) for end in ("", "_refused")]
    lines = [
        line for name in files for line in (Path(answer["folder"]) / name).read_text().splitlines()
    ]
    assert len(lines) == answer["due"] == answer["would_send"] + answer["would_refuse"] > 0
    assert {"event_type", "insert_id"} <= set(json.loads(lines[0]))
    assert not (home / "ledger.sqlite").exists()


@pytest.mark.slow
def test_everything_is_delivered_once_and_days_may_be_chosen(home: Path) -> None:
    first = ecom(
        "export",
        "--to",
        "mixpanel",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-01",
        "--json",
        home=home,
    )
    assert (first.exit_code, first.err) == (0, "")
    events = first.json["deliveries"]["mixpanel_events"]
    assert events["sent"] == events["delivered"] == events["due"] > 0
    both = ecom("export", "--to", "mixpanel", "--json", home=home).json["deliveries"][
        "mixpanel_events"
    ]
    assert both["due"] - both["sent"] == events["due"], "those of the first day are there already"
    assert ecom("export", "--to", "mixpanel", home=home).out.count(" 0 sent now: ") == 2


@pytest.mark.slow
def test_customers_go_into_a_file_even_if_there_are_none_yet(home: Path) -> None:
    result = ecom("export", "--to", "customers-json", home=home)
    path = home / "exports" / "customers.json"
    assert result.out.strip() == f"Customers in {path}: 0"
    assert json.loads(path.read_text())["customers"] == []


@pytest.mark.slow
@each(
    "arguments, sentence",
    [
        (
            ["--to", "mixpanl"],
            "--to 'mixpanl' is not a place to export to; did you mean 'mixpanel'?",
        ),
        (
            ["--to", "2026-01-01"],
            "--to 2026-01-01 is a last day, but not a destination; add --to amplitude",
        ),
        (
            ["--to", "customers-json", "--dry-run"],
            "--dry-run writes payloads, and customers-json has none",
        ),
        (
            ["--to", "heap", "--from", "2027-01-01"],
            "There are no events from 2027-01-01 on: the last are of 2026-01-02",
        ),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    home: Path, arguments: list[str], sentence: str
) -> None:
    result = ecom("export", *arguments, home=home)
    assert (result.exit_code, result.out) == (2, "")
    assert result.sentence.startswith(sentence)


@pytest.mark.slow
def test_a_shop_of_ones_own_is_never_delivered_to_stand_ins(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert ecom("export", "--to", "heap", home=home).sentence.startswith(
        "There is no warehouse yet"
    )
    events = tmp_path / "clicks.csv"
    events.write_text(
        "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,cart_value\n"
        "e1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,\n"
    )
    ran = ecom(
        "run", "--events", events, "--select", 'key:"raw/events" or key:"staging/events"', home=home
    )
    assert "ECOM_HEAP_APP_ID is not set: nothing goes to heap." in ran.err
    result = ecom("export", "--to", "heap", home=home)
    assert (result.exit_code, result.sentence[:52]) == (
        2,
        "ECOM_HEAP_APP_ID is not set, so nothing can go to he",
    )
    dry = ecom("export", "--to", "heap", "--dry-run", "--json", home=home)
    assert dry.json["dry_run"]["heap_events"]["would_send"] == 1


@pytest.mark.slow
def test_an_export_of_which_all_is_refused_says_why_and_ends_with_1(tmp_path: Path) -> None:
    home, events = tmp_path / "home", tmp_path / "events.csv"
    visits = [f"e{n},u{n},page_view,2026-01-0{n}T10:00:00Z,,,,,," for n in (1, 2)]
    events.write_text("\n".join((HEADER, *visits, "")))
    shop = {"ECOM_AMPLITUDE_API_KEY": "key"}
    loaded = ecom("run", "--events", events, "--select", UNTIL_DUE, home=home, env=shop)
    assert loaded.exit_code == 0, loaded.err
    dry = ecom("export", "--to", "amplitude", "--dry-run", home=home, env=shop)
    assert dry.exit_code == 0
    assert (
        "\n    cannot go, most (2) as short_id: The user's id has fewer than 5 characters; "
        in dry.out
    )
    for _ in range(2):  # the second time the ledger knows them
        result = ecom("export", "--to", "amplitude", home=home, env=shop)
        assert result.exit_code == 1
        sentence = (
            "amplitude_events: nothing was sent, as all 2 records were refused, most (2) as "
            "short_id: "
        )
        assert sentence in result.err
        assert "set ECOM_AMPLITUDE_MIN_ID_LENGTH" in result.err
    shown = ecom("export", "--to", "amplitude", "--json", home=home, env=shop).json
    assert (shown["success"], len(shown["failures"])) == (False, 1)


def test_json_names_everything_for_which_the_command_ends_with_1() -> None:
    lost = CheckOutcome("mart/sessions", "contract_holds", passed=False, description="Keys are so.")
    refused = CheckOutcome("export/ga4_events", ACCEPTED, passed=False, description="All went.")
    outcome = RunOutcome("run", Days(()), success=False, checks=[lost, refused], failures=["full"])
    totals = {"deliveries": {"heap_users": {"pending": 1_200}, "ga4_events": {"pending": 7}}}
    assert failures_of(outcome, totals, ["ga4_events: nothing was sent"]) == [
        "full",
        "mart/sessions: the check contract_holds failed",
        f"export/ga4_events: the check {ACCEPTED} failed",
        "1,200 records wait, as a tool did not take them; run the same again later.",
        "ga4_events: nothing was sent",
    ]
    well = RunOutcome("run", Days(()), success=True, checks=[], failures=[])
    assert failures_of(well, {"deliveries": {"heap_users": {"pending": 0}}}, []) == []
