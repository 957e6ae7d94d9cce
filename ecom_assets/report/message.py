"""The report by e-mail: its text, with the page attached."""

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from ecom_assets.automation.mail import MailServer, new_message
from ecom_assets.errors import SettingError
from ecom_assets.report.page import render_page
from ecom_assets.report.text import text_lines
from ecom_assets.settings.settings import Settings


def report_message(settings: Settings, report: Mapping[str, Any]) -> EmailMessage:
    """Return the message with a report; sent again, it has the same Message-ID."""
    recipients = settings.report_email
    sender = settings.alert_sender or recipients[0]
    week = report["week"]
    text = "\n".join([*text_lines(report), ""])
    message = new_message(sender, recipients, f"Weekly report {week}", f"{week}.report", text)
    message.add_attachment(render_page(report), subtype="html", filename=f"report-{week}.html")
    return message


def send_report(settings: Settings, report: Mapping[str, Any]) -> str:
    """Send a report to those who are set, and return a line about it.

    Raises:
        SettingError: ECOM_REPORT_EMAIL or ECOM_SMTP_URL is not set.
        MailError: The server did not take it.
    """
    server = mail_server_of(settings)
    refused = server.send(report_message(settings, report))
    but = f", but the server refused {', '.join(refused)}" if refused else ""
    return f"Sent the report of {report['week']} to {', '.join(settings.report_email)}{but}."


def mail_server_of(settings: Settings) -> MailServer:
    """Return the server that sends reports.

    Raises:
        SettingError: ECOM_REPORT_EMAIL or ECOM_SMTP_URL is not set.
    """
    if not settings.report_email:
        raise SettingError("ECOM_REPORT_EMAIL is not set; set it to who gets reports, separated by commas.")
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise SettingError("ECOM_REPORT_EMAIL is set without ECOM_SMTP_URL; set both to send reports, or neither.")
    return MailServer.parse(url)
