"""`ecom init`: a shop's own files of a folder, and what they cannot say, asked once."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.shop_words import currency_code, weekday_name, zone_name
from ecom_assets.cli.terminal import ask_until, print_answer
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import UsageError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import without_none
from ecom_assets.core.settings.settings import SHOP_FILE, Settings, in_shop_file, load_settings

if TYPE_CHECKING:
    from ecom_assets.ingestion.uploads.look import UploadLook

ASKED: Final = {
    "currency": "Currency of all amounts, such as EUR (empty: amounts are shown without one)",
    "timezone": "Time zone in which days begin, such as Europe/Berlin",
    "week_start": "Weekday on which weeks begin",
    "shop_name": "Name of the shop",
}
"""The settings that are asked, in this order."""


def init(
    currency: Annotated[
        str | None, typer.Option(help="Currency of all amounts, such as EUR.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which days begin, such as Europe/Berlin.")
    ] = None,
    week_start: Annotated[
        str | None, typer.Option(help="Weekday on which weeks begin, such as monday.")
    ] = None,
    shop_name: Annotated[
        str | None, typer.Option(help="Name of the shop, for the dashboard.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring in the files of this folder: look at each, ask what they do not say, and load them.

    The currency, time zone, week start and name of the shop are kept in ecom.toml; variables of the
    environment and the .env file go before it, and a setting that it has stays unless it is given.
    With options and without a terminal, only these are kept. Without both nothing is asked: what is
    open is named, with exit code 2.
    """
    currency, timezone, week_start = (
        currency_code(currency),
        zone_name(timezone),
        weekday_name(week_start),
    )
    answers = {
        "currency": currency,
        "timezone": timezone,
        "week_start": week_start,
        "shop_name": shop_name,
    }
    stored = in_shop_file()
    values = {**stored, **without_none(answers)}
    is_terminal = sys.stdin.isatty() and not as_json
    if not (is_terminal or as_json or any(value is not None for value in answers.values())):
        _load(_looked(), asks=False)
        return
    looks = _looked() if is_terminal else []
    if is_terminal:
        currency_default, needs_currency = _currency_of(looks)
        for name in (name for name in ASKED if name not in values):
            is_currency = name == "currency"
            values[name] = _asked(
                name,
                currency_default if is_currency else "",
                is_needed=is_currency and needs_currency,
            )
    load_settings(**values)  # refuses wrong ones before anything is written
    path = Path(SHOP_FILE)
    # TOML writes texts, numbers, truths and lists as JSON does.
    lines = [f"{name} = {json_text(value, default=str)}\n" for name, value in values.items()]
    replace_bytes(path, "".join(lines).encode())
    still_open = [name for name in ASKED if name not in values]
    listed = ", ".join(f"{name} {value!r}" for name, value in values.items()) or "nothing"
    print_answer(
        {"file": str(path), "settings": values, "not_set": still_open},
        f"{path} has {listed}.",
        *(
            f"Not set: {name}. {ASKED[name]}: `ecom init --{name.replace('_', '-')} …`."
            for name in still_open
        ),
        as_json=as_json,
    )
    if looks:
        _load(looks, asks=True)


def _looked() -> list["UploadLook"]:
    """Return what is known of the files of the folder, and say it."""
    from ecom_assets.cli.init_files import files_here, looked_at  # noqa: PLC0415 (loads Dagster)

    paths = files_here()
    return looked_at(load_settings(), paths) if paths else []


def _currency_of(looks: Sequence["UploadLook"]) -> tuple[str, bool]:
    """Return the currency that files state, empty if none does or several, and whether files cannot
    be loaded without an answer.
    """
    if not looks:
        return "", False
    from ecom_assets.ingestion.uploads.look import shop_questions  # noqa: PLC0415 (loads Dagster)

    (question,) = (
        question
        for question in shop_questions(load_settings(), looks)
        if question.key == "currency"
    )
    return question.value, question.is_open


def _load(looks: Sequence["UploadLook"], *, asks: bool) -> None:
    """Load files, once nothing is open of them."""
    from ecom_assets.cli import init_files  # noqa: PLC0415 (as above)

    settings = load_settings()
    rates: dict[str, str] = {}
    if asks:
        try:
            rates = init_files.asked_rates(settings, looks)
            earlier = init_files.EarlierAnswers()
            answered = [init_files.answered(settings, look, rates, earlier) for look in looks]
        except typer.Abort:
            init_files.forget(settings.home, looks)
            raise
        looks = [look for look in answered if look is not None]
    looks = [look for look in looks if look.is_readable]
    if open_now := init_files.still_open(settings, looks):
        init_files.forget(settings.home, looks)
        raise UsageError(
            f"Open: {'; '.join(open_now)}. Answer it with `ecom init` in a terminal, on the page "
            "of `ecom ui`, or, of the shop, with options."
        )
    if not looks:
        return
    if asks and not typer.confirm(
        init_files.load_question(settings, looks), default=True, err=True
    ):
        init_files.forget(settings.home, looks)
        return
    loaded = init_files.load(settings, looks, rates)
    for upload in loaded:
        typer.echo(init_files.loaded_line(upload))
    if any(upload.state != "loaded" for upload in loaded):
        raise typer.Exit(1)
    typer.echo("Next: `ecom ui` shows your shop.")


def _asked(name: str, default: str = "", *, is_needed: bool = False) -> str:
    """Ask until the answer is one that the setting takes; an empty one only if it is not needed."""
    if name in {"timezone", "week_start"}:
        default = str(Settings.model_fields[name].default)
    text = ASKED[name].partition(" (")[0] if is_needed else ASKED[name]
    read = {"currency": currency_code, "timezone": zone_name, "week_start": weekday_name}.get(name)

    def accepted(said: str) -> str:
        answer = (read(said) if read else said) or said
        load_settings(**{name: answer or None})
        if is_needed and not answer:
            raise UsageError("The files have amounts, and none says of which currency.")
        return answer

    return ask_until(text, accepted, default)
