"""`ecom report`: the numbers of a week, what changed against the week before, and why."""

from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.cli.ui import take_own_data
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.interfaces.report.board_mail import board_page
from ecom_assets.interfaces.report.page import print_pdf, render_page
from ecom_assets.interfaces.report.report import build_report, send_report
from ecom_assets.interfaces.weeks.weekly import Week
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets.orchestration.automation.mail import mail_server_of

SUFFIXES = (".html", ".pdf")


def report(
    week: Annotated[
        str | None,
        typer.Option(
            help="Week, such as 2026-W04 (ECOM_WEEK_START); by default the newest that is over."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this .html file, or print it to this .pdf.")
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(help="Write this board instead, by its id, to --out, as its e-mails have it."),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it to ECOM_REPORT_EMAIL.")] = False,
    as_json: Json = False,
) -> None:
    """Show the numbers of a week, what changed against the week before, and why."""
    _require_writable(out)
    settings = load_settings()
    if take_own_data(settings):
        settings = load_settings()
    chosen = None if week is None else Week.parse(week, settings.week_start)
    if board is not None:
        _write_board(settings, board, out)
        return
    if send:
        mail_server_of(settings)
    # Who has the files of the installation may see costs.
    result = build_report(settings, chosen, with_costs=True)
    if out is not None:
        _write(render_page(result), out, f"the report of {result['week']}")
    if as_json or (out is None and not send):
        print_answer(result, *text_lines(result), as_json=as_json)
    if send:
        typer.echo(send_report(settings, Week.parse(result["week"], settings.week_start)), err=True)


def _write_board(settings: Settings, slug: str, out: Path | None) -> None:
    if out is None:
        raise UsageError("--board needs --out, a .html or .pdf file.")
    page = board_page(settings, slug)
    html = page.html(
        page.embedded_pictures, f"{settings.dashboard_url.rstrip('/')}/dashboard/board?board={slug}"
    )
    _write(html, out, f"the board {slug}")


def _require_writable(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out} is neither a .html nor a .pdf file; name one of these.")
    if not out.parent.is_dir():
        raise UsageError(
            f"--out {out} is in a folder that does not exist; make {out.parent}, or name another "
            "file."
        )


def _write(html: str, out: Path, title: str) -> None:
    replace_bytes(out, print_pdf(html) if out.suffix == ".pdf" else html.encode())
    typer.echo(f"Wrote {title} to {out}.", err=True)
