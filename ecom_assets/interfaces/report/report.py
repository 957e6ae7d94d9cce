"""The report, built from what is published and what runs noted, and its e-mail."""

from collections.abc import Sequence
from contextlib import closing
from email.message import EmailMessage

from ecom_assets.commerce.findings.queries import findings
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.api.visible_checks import failing_checks
from ecom_assets.interfaces.boards.decisions import with_decisions
from ecom_assets.interfaces.report.page import render_page
from ecom_assets.interfaces.weeks.weekly import Week, weekly_report
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets.orchestration.automation.mail import (
    divided_by_costs,
    mail_server_of,
    new_message,
    who_may_see_costs,
)


def build_report(settings: Settings, week: Week | None, *, with_costs: bool = False) -> Answer:
    """Return the report of a week, from one published state, with the checks that fail now,
    as runs noted them.

    The week is by default the newest that is over in the data. Profit is there for readers who may
    see costs.

    Raises:
        NothingPublishedError: Nothing is published yet.
    """
    with closing(open_store(settings)) as store, store.reading() as reading:
        published = reading.published
        newest = Week.newest_whole(reading.newest_date, settings.week_start)
        chosen = week or newest
        result, version = (
            weekly_report(reading, chosen, published.published_at, with_costs=with_costs),
            published.data_version,
        )
        is_newest = chosen == newest
        to_look_at = [
            row
            for row in with_decisions(
                findings(reading, with_costs=with_costs) if is_newest else [], settings
            )
            if row["decision"] is None
        ]
    results = failing_checks(settings.home, with_costs=with_costs)
    failing = [
        {
            "table": result["table_name"],
            "name": result["check_name"],
            "is_warning": result["is_warning"],
            "sentence": result["sentence"] or result["description"],
            "observed": result["observed"],
            "limit": result["limit"],
        }
        for result in results["checks"]
    ]
    checks = {"evaluated": results["evaluated_count"], "failing": failing}
    return {**result, "findings": to_look_at, "data_version": version, "checks": checks}


def is_about_costs(report: NamedValues) -> bool:
    """Return whether a report says what the shop pays, or what its sales leave."""
    return report["profit"] is not None or report["advertising"] is not None


def report_message(
    settings: Settings, report: NamedValues, recipients: Sequence[str]
) -> EmailMessage:
    """Return the message with a report; sent again, it has the same Message-ID."""
    sender = settings.alert_sender or settings.report_email[0]
    week = report["week"]
    text = "\n".join([*text_lines(report), ""])
    name = f"{week}.profit.report" if is_about_costs(report) else f"{week}.report"
    message = new_message(sender, recipients, f"Weekly report {week}", name, text)
    message.add_attachment(render_page(report), subtype="html", filename=f"report-{week}.html")
    return message


def send_report(settings: Settings, week: Week | None) -> str:
    """Send the report of a week to those who are set, with profit to those only who may see costs,
    and return a line about it.

    Raises:
        SettingError: ECOM_REPORT_EMAIL or ECOM_SMTP_URL is not set.
        MailError: The server did not take it.
    """
    server, report = mail_server_of(settings), build_report(settings, week)
    recipients, refused, profit = settings.report_email, list[str](), ""
    may_see, _ = who_may_see_costs(recipients, settings.costs_email)
    with_profit = build_report(settings, week, with_costs=True) if may_see else report
    has_profit = is_about_costs(with_profit)  # a shop without costs and ads has none
    for addresses, with_costs in divided_by_costs(
        recipients, settings.costs_email, is_about_costs=has_profit
    ):
        shown = with_profit if with_costs else report
        refused += server.send(report_message(settings, shown, addresses))
        profit += f", with profit to {', '.join(addresses)}" if with_costs else ""
    but = f", but the server refused {', '.join(refused)}" if refused else ""
    return f"Sent the report of {report['week']} to {', '.join(recipients)}{profit}{but}."
