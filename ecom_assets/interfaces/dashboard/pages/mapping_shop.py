"""The shop's own: its name, currency, time zone and week. Another zone, currency or week is asked
twice, since all days are computed again by it.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from ecom_assets.core.errors import SettingError, UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.operations.requests import require_shared_home
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.settings.uploaded import (
    OF_SHOP,
    RATE,
    checked_rate,
    choose_shop,
    chosen_rates,
    shop_choices,
    shop_problem,
)
from ecom_assets.ingestion.uploads.asking import READS_FILES, ask_shop
from ecom_assets.ingestion.uploads.look import (
    OF_DAYS,
    ShopQuestion,
    rate_questions,
    shop_questions,
)
from ecom_assets.ingestion.uploads.sight import seen_problem
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.ingestion.uploads.zones import files_of_zone
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard import receiving
from ecom_assets.interfaces.dashboard.blocks import Block, Custom
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
)
from ecom_assets.interfaces.dashboard.pages.mapping import COSTS, PATH, PROGRESS, SHOP
from ecom_assets.interfaces.dashboard.pages.mapping_files import settings_of
from ecom_assets.interfaces.dashboard.upload_words import shop_field

WHAT_FOLLOWS: Final = {
    "timezone": "Days will begin at midnight in {}: orders and visits around midnight move to the "
    "day before or after.",
    "currency": "Amounts will be in {}; they are not converted, unless a rate says what "
    "the currency of a file is worth.",
    "week_start": "Weeks will begin on {}.",
}


RATE_FOLLOWS: Final = "1 {} will be worth {} {} in amounts of all days."


class ShopParameters(PageParameters):
    """What is to be changed, once it was chosen, to be asked for a second time."""

    timezone: str | None = Field(None, max_length=60)
    currency: str | None = Field(None, max_length=3)
    week_start: str | None = Field(None, max_length=9)
    shop_name: str | None = Field(None, max_length=100)
    delivery_days: str | None = Field(None, max_length=3)
    vendor_delivery_days: str | None = Field(None, max_length=1_000)
    rates: str | None = Field(None, max_length=1_000)


def shop(view: View) -> Block:
    """Return the form with what is known of the shop, or the second question about a change."""
    settings = settings_of(view.request)
    wanted = view.filters.model_dump(exclude_none=True)
    said = {name: str(wanted[name]) for name in OF_SHOP if name in wanted}
    # Rates by their names, as an address of this page has them.
    pairs = (
        part.partition("=")
        for part in (view.filters.rates or "").split(",")
        if part.startswith(RATE)
    )
    changes = changed(settings, said | {name: rate for name, _, rate in pairs})
    if not computes_days(changes):
        problem = seen_problem(shop_problem(settings.home), caller_of(view.request.scope))
        return Custom("upload_shop.html", _form(settings) | {"problem": problem})
    days = {"week_start": changes.get("week_start", "").capitalize()}
    files = files_of_zone(Uploads(settings.home), settings.timezone)
    return Custom(
        "upload_shop_again.html",
        {
            "changes": changes,
            "sentences": [
                WHAT_FOLLOWS[name].format(days.get(name) or changes[name])
                for name in OF_DAYS
                if name in changes
            ]
            + [
                RATE_FOLLOWS.format(other, rate, currency)
                for name, rate in changes.items()
                if name.startswith(RATE)
                for currency, _, other in [name.removeprefix(RATE).partition(".")]
            ],
            "files": files if "timezone" in changes else None,
            "before": settings.timezone,
            "zone": changes.get("timezone", ""),
            "reads_files": READS_FILES,
            "back": address_of(SHOP, {}),
        },
    )


def computes_days(changes: Mapping[str, str]) -> bool:
    """Return whether numbers of days follow from any of some changes."""
    return any(name in OF_DAYS or name.startswith(RATE) for name in changes)


def _questions(settings: Settings) -> tuple[ShopQuestion, ...]:
    return (*shop_questions(settings, ()), *rate_questions(settings, ()))


def _form(settings: Settings) -> Answer:
    questions = _questions(settings)
    chosen = shop_choices(settings.home)
    return {
        "fields": [
            shop_field(question) for question in questions if not is_fixed(question, chosen)
        ],
        "fixed": [
            (question.label, question.value) for question in questions if is_fixed(question, chosen)
        ],
        "list": address_of(PATH, {}),
        "costs": address_of(COSTS, {}),
        "lists": address_of(receiving.LISTS, {}),
    }


def is_fixed(question: ShopQuestion, chosen: Mapping[str, str]) -> bool:
    """Return whether the environment, .env or ecom.toml says it, which goes before this page."""
    return question.is_set and chosen.get(question.key) != question.value


def changed(settings: Settings, said: Mapping[str, str]) -> dict[str, str]:
    """Return what of some choices is another one than now.

    Raises:
        UsageError: A choice is not possible, or is said elsewhere.
    """
    chosen = shop_choices(settings.home)
    known = {question.key: question for question in _questions(settings)}
    try:
        said = {
            name: checked_rate(value) if name.startswith(RATE) else value.strip()
            for name, value in said.items()
            if name in known and value.strip()
        }
    except ValueError as error:
        raise UsageError(str(error)) from error
    changes = {name: value for name, value in said.items() if value != known[name].value}
    if fixed := [known[name].label for name in changes if is_fixed(known[name], chosen)]:
        raise UsageError(
            f"{', '.join(fixed)}: the environment, .env or ecom.toml says it; change it there."
        )
    try:
        of_settings = {name: value for name, value in changes.items() if name in OF_SHOP}
        load_settings(**{"home": settings.home, **of_settings})
    except SettingError as error:
        raise UsageError(str(error)) from error
    return changes


def change(sent: ActionRequest) -> ActionResult:
    """Keep another name at once; ask about all else a second time, or ask a run for it."""
    settings = settings_of(sent.request)
    names = (*OF_SHOP, *chosen_rates(settings.home))
    changes = changed(settings, {name: sent.form.get(f"shop.{name}", "") for name in names})
    require_shared_home(settings, "What the shop is")
    if not changes:
        return ActionResult("Nothing is changed.", address_of(SHOP, {}))
    if not (computes_days(changes) and settings.has_own_data):
        choose_shop(settings.home, changes)
        return ActionResult("Saved.", address_of(SHOP, {}))
    if sent.form.get("is_sure") != "yes":
        wanted: dict[str, str] = {name: changes[name] for name in OF_SHOP if name in changes}
        if rates := [f"{name}={rate}" for name, rate in changes.items() if name.startswith(RATE)]:
            wanted["rates"] = ",".join(rates)
        return ActionResult("", address_of(SHOP, wanted))
    if sent.form.get(READS_FILES) == "yes":
        changes[READS_FILES] = "yes"
    ask_shop(settings.home, changes, sent.caller)
    return ActionResult("", address_of(PROGRESS, {"of": "shop"}))


PAGE = DashboardPage(
    SHOP,
    "Your shop",
    group="Operation",
    is_listed=False,
    summary="What is known of the shop, for all files.",
    asks=ShopParameters,
    actions=(Action("change", change, Scope.ADMIN),),
    needs_published=False,
    scripts=("uploads.js",),
    sections=(
        Section(
            "Your shop",
            shop,
            is_titled=False,
            needs=(Scope.WRITE, "Seeing what is set for the shop"),
        ),
    ),
)
