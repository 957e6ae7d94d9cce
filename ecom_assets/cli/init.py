"""`ecom init`: what a shop's files cannot say, asked once and kept in the folder."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.shop_words import currency_code, weekday_name, zone_name
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import UsageError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import SHOP_FILE, Settings, in_shop_file, load_settings

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
    """Keep the currency, time zone, week start and name of the shop in ecom.toml;
    asked in a terminal, or by options.

    Variables of the environment and the .env file go before this file. A setting that it has stays
    unless it is given.
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
    values = {**stored, **{name: value for name, value in answers.items() if value is not None}}
    if sys.stdin.isatty() and not as_json:
        for name in (name for name in ASKED if name not in values):
            values[name] = _asked(name)
    load_settings(**values)  # refuses wrong ones before anything is written
    path = Path(SHOP_FILE)
    # TOML writes texts, numbers, truths and lists as JSON does.
    lines = [f"{name} = {json_text(value, default=str)}\n" for name, value in values.items()]
    replace_bytes(path, "".join(lines).encode())
    still_open = [name for name in ASKED if name not in values]
    if as_json:
        typer.echo(json_text({"file": str(path), "settings": values, "not_set": still_open}))
        return
    listed = ", ".join(f"{name} {value!r}" for name, value in values.items()) or "nothing"
    typer.echo(f"{path} has {listed}.")
    for name in still_open:
        typer.echo(f"Not set: {name}. {ASKED[name]}: `ecom init --{name.replace('_', '-')} …`.")


def _asked(name: str) -> str:
    default = str(Settings.model_fields[name].default) if name == "week_start" else ""
    while True:
        answer = _as_setting(
            name, typer.prompt(ASKED[name], default=default, show_default=bool(default), err=True)
        )
        try:
            load_settings(**{name: answer or None})
        except UsageError as error:
            typer.echo(str(error), err=True)
        else:
            return answer


def _as_setting(name: str, answer: str) -> str:
    """Return an answer in the words of people as a setting has it."""
    read = {"currency": currency_code, "timezone": zone_name, "week_start": weekday_name}.get(name)
    return (read(answer) if read else answer) or answer
