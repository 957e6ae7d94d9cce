"""Lists of the shop, such as campaign tags: which are in use, and what is in one that was sent."""

from typing import Final

from pydantic import Field

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.operations.requests import require_shared_home
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import list_in_use, sent_lists, shop_problem
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.uploads.shop_lists import (
    SHOP_LISTS,
    ShopList,
    is_set_elsewhere,
    look_at_sent_list,
    use_earlier_list,
    use_list,
)
from ecom_assets.ingestion.uploads.sight import seen_problem
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard import receiving
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, Nothing, Notice, TableColumn
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
from ecom_assets.interfaces.dashboard.pages.mapping import ACCEPTED, PROGRESS, SHOP
from ecom_assets.interfaces.dashboard.pages.mapping_files import settings_of

PATH: Final = receiving.LISTS


class ListParameters(PageParameters):
    """A file that was sent as a list, to be looked at before it is used."""

    as_list: str | None = Field(None, max_length=40)
    file: str | None = Field(None, max_length=40)


def sent(view: View) -> Block:
    """Return what is in the file that was sent, or why it is no such list; nothing without one."""
    shop_list = SHOP_LISTS.get(view.filters.as_list or "")
    if not (shop_list and view.filters.file and view.may(Scope.WRITE)):
        return Nothing()
    uploads = Uploads(settings_of(view.request).home)
    try:
        upload = uploads.of(view.filters.file, caller_of(view.request.scope))
        look = look_at_sent_list(uploads, shop_list.setting, upload)
    except UsageError as error:
        return Notice(str(error))
    names = look.rows[0] if look.rows else {}
    return Custom(
        "shop_list_sent.html",
        {
            "list": shop_list,
            "upload": upload,
            "look": look,
            "count": counted(look.row_count, "row"),
            "rows": look.rows,
            "columns": [TableColumn(name, name.capitalize()) for name in names],
            "back": address_of(PATH, {}),
        },
    )


def lists(view: View) -> Block:
    """Return each list with the file in use, those before it, and the field to send another."""
    settings = settings_of(view.request)
    return Custom(
        "shop_lists.html",
        {
            "lists": [_shown(settings, shop_list) for shop_list in SHOP_LISTS.values()],
            "problem": seen_problem(shop_problem(settings.home), caller_of(view.request.scope)),
            "address": receiving.ADDRESS,
            "accepted": ACCEPTED,
            "back": address_of(SHOP, {}),
        },
    )


def _shown(settings: Settings, shop_list: ShopList) -> Answer:
    path = list_in_use(settings.home, shop_list.setting)
    name = path.name if path else ""
    kept = sent_lists(settings.home, shop_list.setting)
    return {
        "list": shop_list,
        "columns": ", ".join(shop_list.columns),
        "optional": ", ".join(shop_list.optional),
        "set_elsewhere": is_set_elsewhere(settings, shop_list.setting),
        "file": getattr(settings, shop_list.setting),
        "in_use": [
            (sent_list, counted(sent_list.row_count, "row"))
            for sent_list in kept
            if sent_list.file == name
        ],
        "earlier": [sent_list for sent_list in kept if sent_list.file != name],
    }


def use(sent_form: ActionRequest) -> ActionResult:
    """Let a file that was sent be used as a list."""
    settings = settings_of(sent_form.request)
    require_shared_home(settings, "A list of the shop")
    caller = caller_of(sent_form.request.scope)
    upload = Uploads(settings.home).of(sent_form.form.get("upload", ""), caller)
    setting = _setting_in(sent_form)
    return _result(use_list(settings, setting, upload, sent_form.caller))


def use_again(sent_form: ActionRequest) -> ActionResult:
    """Let a list that was sent before be used again, or none."""
    settings = settings_of(sent_form.request)
    require_shared_home(settings, "A list of the shop")
    file = sent_form.form.get("kept", "")
    is_asked = use_earlier_list(settings, _setting_in(sent_form), file, sent_form.caller)
    return _result(is_asked)


def _setting_in(sent_form: ActionRequest) -> str:
    setting = sent_form.form.get("list", "")
    if setting not in SHOP_LISTS:
        raise UsageError(f"There is no list {setting!r}; choose one of the page.")
    return setting


def _result(is_asked: bool) -> ActionResult:  # noqa: FBT001 (of the functions above)
    if is_asked:
        return ActionResult("", address_of(PROGRESS, {"of": "shop"}))
    return ActionResult("Saved. The next run counts by it.", address_of(PATH, {}))


PAGE = DashboardPage(
    PATH,
    "Lists of your shop",
    group="Operation",
    is_listed=False,
    summary="Campaign tags, cities and exchange rates of the shop, as files.",
    asks=ListParameters,
    actions=(Action("use", use, Scope.ADMIN), Action("again", use_again, Scope.ADMIN)),
    needs_published=False,
    sections=(
        Section("What is in the file", sent),
        Section(
            "Lists", lists, is_titled=False, needs=(Scope.WRITE, "Seeing the lists of the shop")
        ),
    ),
)
