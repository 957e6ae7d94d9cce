"""The weekly report over the small shop: its numbers by plain Python, its causes adding up,
its page and its message.

Not here: the arithmetic of the decompositions (`report/test_decomposition.py`).
"""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from ecom_assets.core.errors import SettingError
from ecom_assets.core.operations.queries import failing_checks
from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.operations.run_notes import NOTE_CHECK
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import schedules
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.report import report as report_module
from ecom_assets.interfaces.report.jobs import NAME, report_job
from ecom_assets.interfaces.report.page import print_pdf, render_page
from ecom_assets.interfaces.report.report import build_report
from ecom_assets.interfaces.weeks.weekly import Week, weekly_report
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.plain_reconciliation import credited, customer_weeks
from ecom_assets_tests.interfaces.api.plain_shop import ZERO, PlainShop, Span
from ecom_assets_tests.mail_server import HOST, mail_server

WEEKS = ("2026-W03", "2026-W04", "2026-W05")
"""The shop has events from 1 January to 9 February 2026; of these weeks all days and
all days before are known.
"""
ANN = "ann@shop.example"


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in which no check has run."""
    with dg.instance_for_test() as dagster_instance:
        yield dagster_instance


@pytest.fixture(scope="module")
def reports(settings: Settings) -> dict[str, Any]:
    """The report of each week."""
    return {week: build_report(settings, Week.parse(week)) for week in WEEKS}


def span_of(week: str) -> Span:
    monday = Week.parse(week).first
    return Span(monday, monday + timedelta(days=6))


def contributions(report: dict[str, Any], dimension: str) -> dict[str, Decimal]:
    (actual,) = [row for row in report["causes"]["revenue"] if row["dimension"] == dimension]
    return {part["value"]: part["contribution_amount"] for part in actual["parts"]}


@pytest.mark.slow
@each("week", WEEKS)
def test_numbers_are_those_of_the_files(
    reports: dict[str, Any], shop: PlainShop, week: str
) -> None:
    numbers, plain = reports[week]["numbers"], shop.sales(span_of(week))
    assert {
        name: str(numbers[name]["value"])
        for name in ("revenue_amount", "order_count", "average_order_value")
    } == {
        name: str(plain[name]) for name in ("revenue_amount", "order_count", "average_order_value")
    }
    (customers,) = customer_weeks(shop, span_of(week))["weeks"]
    assert numbers["new_customer_count"]["value"] == customers["new_customers_count"]
    started = [session for session in shop.sessions if span_of(week).has(session.day)]
    assert numbers["session_count"]["value"] == len(started)
    bought = sum(session.level == 5 for session in started)
    assert numbers["conversion_rate"]["value"] == round(bought / len(started), 6)


@pytest.mark.slow
@pytest.mark.parametrize("week", WEEKS)
def test_every_dimension_adds_up_to_the_change_to_the_cent(
    reports: dict[str, Any], shop: PlainShop, week: str
) -> None:
    now, before = (
        Decimal(shop.sales(span)["revenue_amount"])
        for span in (span_of(week), span_of(week).before)
    )
    causes = reports[week]["causes"]
    assert causes["revenue_change_amount"] == now - before
    for row in causes["revenue"]:
        assert sum(part["contribution_amount"] for part in row["parts"]) == now - before, row[
            "dimension"
        ]
        assert sum(part["revenue_amount"] for part in row["parts"]) == now
    assert len(causes["factors"]) == 2
    for factors in causes["factors"]:
        assert sum(part["contribution_amount"] for part in factors) == now - before
    values = [
        Decimal(shop.sales(span)["average_order_value"])
        for span in (span_of(week), span_of(week).before)
    ]
    mixed = causes["average_order_value"]["parts"]
    assert sum(part["mix_effect"] + part["rate_effect"] for part in mixed) == values[0] - values[1]
    for row in causes["conversion_rate"]:
        rate = reports[week]["numbers"]["conversion_rate"]
        change = Decimal(str(rate["value"])) - Decimal(str(rate["previous"]))
        assert sum(part["mix_effect"] + part["rate_effect"] for part in row["parts"]) == change


@pytest.mark.slow
@pytest.mark.parametrize("week", WEEKS)
def test_what_each_part_adds_is_what_the_files_say(
    reports: dict[str, Any], shop: PlainShop, week: str
) -> None:
    spans = span_of(week), span_of(week).before
    by_category: dict[str, Decimal] = defaultdict(Decimal)
    for span, sign in zip(spans, (1, -1), strict=True):
        for line in shop.lines:
            if span.has(line["day"]):
                by_category[line["category"]] += (
                    sign * line["amount"] * (1 if line["status"] == "shipped" else -1)
                )
    assert contributions(reports[week], "item_category") == dict(by_category)
    credit = [credited(shop, span, "last_non_direct") for span in spans]
    named = contributions(reports[week], "marketing_channel")
    for name, amount in named.items():
        now, before = (credits_by_name.get(name, (0, 0))[1] for credits_by_name in credit)
        assert amount == now - before
    weeks = [customer_weeks(shop, span)["weeks"][0] for span in spans]
    for kind, column in (("new", "new_revenue_amount"), ("refunds", "refunded_amount")):
        assert contributions(reports[week], "customers")[kind] == Decimal(
            weeks[0][column]
        ) - Decimal(weeks[1][column])


def test_devices_are_those_of_purchase_events_and_the_rest_is_listed(
    reports: dict[str, Any], shop: PlainShop
) -> None:
    actual = contributions(reports["2026-W04"], "device")
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for span, sign in ((span_of("2026-W04"), 1), (span_of("2026-W03"), -1)):
        for session in shop.sessions:
            for event in session.events:
                if event["event_type"] == "purchase" and span.has(event["at"].date()):
                    paid[session.device] += sign * Decimal(event["cart_value"])
    assert {name: amount for name, amount in actual.items() if name != "(other)"} == dict(paid)
    assert actual["(other)"] == reports["2026-W04"]["causes"]["revenue_change_amount"] - sum(
        paid.values()
    )


def test_received_rows_are_accounted_for(reports: dict[str, Any], shop: PlainShop) -> None:
    rows = {source["source"]: source for source in reports["2026-W04"]["rows"]["sources"]}
    clean = sum(span_of("2026-W04").has(row["at"].date()) for row in shop.events)
    assert (rows["events"]["clean_count"], rows["events"]["residue_count"]) == (clean, 0)
    assert (
        f"Events: {rows['events']['received_count']:,} rows received, {clean:,} clean"
        in render_page(reports["2026-W04"])
    )


def test_the_largest_causes_go_with_the_change(reports: dict[str, Any]) -> None:
    for report in reports.values():
        change = report["causes"]["revenue_change_amount"]
        amounts = [cause["contribution_amount"] for cause in report["largest_causes"]]
        assert amounts == sorted(amounts, key=abs, reverse=True)
        assert all((amount > 0) == (change > 0) for amount in amounts)


def test_a_week_that_the_data_do_not_hold_is_null_and_says_so(settings: Settings) -> None:
    report = build_report(settings, Week.parse("2030-W01"))
    assert {number["value"] for number in report["numbers"].values()} == {None}
    assert report["causes"] == dict.fromkeys(report["causes"])
    result = "\n".join(text_lines(report))
    assert "The data hold no revenue of 2030-W01: it is not known.\n" in result
    assert "The data hold no day of order lines in 2030-W01." in result
    page = render_page(report)
    assert "not known" in page
    assert "<svg" not in page


def test_a_week_that_was_not_over_when_it_was_published_says_so(
    settings: Settings, reports: dict[str, Any]
) -> None:
    sunday_noon = datetime(2026, 2, 1, 12, tzinfo=UTC)
    with closing(open_store(settings)) as store, store.reading() as reading:
        report = weekly_report(reading, Week.parse("2026-W05"), sunday_noon)
    sentence = "2026-02-01 is not over: its numbers are provisional, and grow."
    whole = reports["2026-W05"]
    assert (report["provisional_from"], whole["provisional_from"]) == (date(2026, 2, 1), None)
    assert sentence in text_lines({**whole, **report})
    assert sentence in render_page({**whole, **report})
    assert sentence not in text_lines(whole)


@pytest.mark.slow
def test_a_week_known_in_part_has_numbers_and_no_causes(settings: Settings) -> None:
    report = build_report(settings, Week.parse("2026-W01"))
    assert report["numbers"]["revenue_amount"]["value"] > ZERO
    assert {number["change"] for number in report["numbers"].values()} == {None}
    assert report["causes"] == dict.fromkeys(report["causes"])
    assert (
        "Of events, 2026-W01 is known in part only: they are known from 2026-01-01 to 2026-01-04."
        in text_lines(report)
    )


def test_the_page_needs_nothing_from_elsewhere_and_no_script(reports: dict[str, Any]) -> None:
    page = render_page(reports["2026-W04"])
    assert not re.findall(r"<script|src=|href=|@import|url\(|https?:", page)
    change = f"{reports['2026-W04']['causes']['revenue_change_amount']:+,.2f}".replace(
        "-", "\N{MINUS SIGN}"
    )
    assert page.count(f'<td class="n">{change}</td>') == 2 + len(
        reports["2026-W04"]["causes"]["revenue"]
    )


def test_what_fails_and_what_is_held_is_on_the_page(reports: dict[str, Any]) -> None:
    held = {
        "source": "orders",
        "held_date": "2026-01-20",
        "reason": "too_few_customers",
        "observed_count": 2,
        "limit_count": 3,
    }
    failing = {
        "table": "mart.sales",
        "name": "sums_hold",
        "is_warning": False,
        "sentence": "Sales add up.",
        "observed": 7,
        "limit": 0,
    }
    report = {
        **reports["2026-W04"],
        "held_days": [{**held, "held_row_count": 5}],
        "checks": {"evaluated": 9, "failing": [failing]},
    }
    for result in (render_page(report), "\n".join(text_lines(report))):
        why = "its order report has 2 customers, and 3 or fewer are too few"
        assert f"5 rows that arrived on 2026-01-20 are held back, as {why}; better data" in result
        assert "ecom release orders 2026-01-20" in result
        assert "sums_hold: Sales add up." in result
        assert "checks held" not in result


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_fits_a_phone_and_is_printed(reports: dict[str, Any], tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    file = tmp_path / "report.html"
    file.write_text(render_page(reports["2026-W04"]), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 375, "height": 800})
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.locator("svg.daily rect.now").count() == 7
        browser.close()
    assert print_pdf(file.read_text(encoding="utf-8")).startswith(b"%PDF-")


@pytest.mark.slow
def test_the_command_prints_writes_and_gives_json(
    settings: Settings, reports: dict[str, Any], tmp_path: Path
) -> None:
    home = settings.home
    out = tmp_path / "report.html"
    result = ecom("report", "--week", "2026-W04", "--out", out, "--json", home=home)
    assert result.exit_code == 0
    expected = json.loads(json.dumps(reports["2026-W04"], default=str))
    assert {name: result.json[name] for name in ("numbers", "causes", "days")} == {
        name: expected[name] for name in ("numbers", "causes", "days")
    }
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    newest = ecom("report", home=home)
    assert newest.out.startswith("2026-W06, 2 to 8 February 2026, against 2026-W05\nRevenue was ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--week", "2026-W60"),
            "--week '2026-W60' is not an ISO week; use YYYY-Www, such as 2026-W04.",
        ),
        (
            ("--out", "week.docx"),
            "--out week.docx is neither a .html nor a .pdf file; name one of these.",
        ),
        (
            ("--send",),
            "ECOM_REPORT_EMAIL is not set; set it to who gets reports, separated by commas.",
        ),
    ],
)
def test_wrong_use_is_explained_in_a_sentence(
    settings: Settings, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("report", *arguments, home=settings.home)
    assert (result.exit_code, result.sentence) == (2, sentence)


def test_without_a_publication_it_says_what_to_do(tmp_path: Path) -> None:
    result = ecom("report", home=tmp_path / "home")
    assert result.exit_code == 1
    assert result.sentence == (
        "Nothing is published yet in the folder of ECOM_HOME; run `ecom run`, which ends with "
        "publishing."
    )


def test_the_report_counts_the_checks_that_runs_noted(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = {
        "table_name": "export.deliveries",
        "check_name": "no_record_is_lost",
        "is_passed": False,
        "is_warning": True,
        "description": "Each is there",
        "sentence": "",
        "observed": "3",
        "limit_value": "0",
        "examples": "[]",
        "evaluated_at": "2026-02-10T00:00:00+00:00",
        "run_id": "r",
    }
    with OperationsStore(tmp_path).writing() as con:
        con.executemany(
            NOTE_CHECK, [check, check | {"check_name": "keys_are_unique", "is_passed": True}]
        )
    monkeypatch.setattr(
        report_module, "failing_checks", lambda _home, **_options: failing_checks(tmp_path)
    )
    checks = build_report(settings, Week.parse("2026-W04"))["checks"]
    assert checks["evaluated"] == failing_checks(tmp_path)["evaluated_count"] == 2
    assert [(row["table"], row["name"], row["sentence"]) for row in checks["failing"]] == [
        ("export.deliveries", "no_record_is_lost", "Each is there")
    ]


def test_names_of_the_data_are_text_on_the_page(reports: dict[str, Any]) -> None:
    report = reports["2026-W04"]
    parts = [{**part, "value": "<b>&"} for part in report["causes"]["revenue"][0]["parts"]]
    causes = {**report["causes"], "revenue": [{"dimension": "item_category", "parts": parts}]}
    page = render_page({**report, "causes": causes})
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


def test_the_job_sends_the_week_once_to_all(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    with mail_server() as mailbox:
        mail_settings = settings.model_copy(
            update={
                "report_email": (ANN, "bob@shop.example"),
                "smtp_url": SecretStr(f"smtp://{HOST}:{mailbox.port}"),
            }
        )
        config = {"ops": {"send_report": {"config": {"week": "2026-W04"}}}}
        assert (
            report_job(mail_settings)
            .execute_in_process(instance=instance, run_config=config)
            .success
        )
    (message,) = mailbox.messages
    assert mailbox.recipients == [[ANN, "bob@shop.example"]]
    assert message["Subject"] == "[ecom] Weekly report 2026-W04"
    assert message["Message-ID"] == "<2026-W04.report@ecom-assets>"
    body = message.get_body()
    assert body is not None
    assert body.get_content().startswith(
        "2026-W04, 19 to 25 January 2026, against 2026-W03\nRevenue was "
    )
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "report-2026-W04.html"
    assert attached.get_content().startswith("<!doctype html>")


def test_the_schedule_asks_on_monday_for_the_week_that_is_over(settings: Settings) -> None:
    mail_settings = settings.model_copy(
        update={"report_email": (ANN,), "smtp_url": SecretStr("smtp://mail.example")}
    )
    (schedule,) = [schedule for schedule in schedules(mail_settings) if schedule.name == NAME]
    at = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 26, 7, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(at).run_requests or []
    assert (request.run_key, request.run_config["ops"]["send_report"]["config"]) == (
        "2026-W04",
        {"week": "2026-W04"},
    )
    assert NAME not in {schedule.name for schedule in schedules(settings)}


def test_recipients_without_a_mail_server_are_refused(settings: Settings) -> None:
    mail_settings = settings.model_copy(update={"report_email": (ANN,)})
    with pytest.raises(SettingError, match="ECOM_REPORT_EMAIL is set without ECOM_SMTP_URL"):
        report_job(mail_settings)
