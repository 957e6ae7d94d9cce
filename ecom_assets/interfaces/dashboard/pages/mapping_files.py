"""Files that were sent: what each is, ten rows as they would be read, rows and money that would
count and why others would not, and what is open as choices.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import Field
from starlette.requests import Request

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings, with_uploads
from ecom_assets.core.settings.uploaded import RATE, shop_choices
from ecom_assets.ingestion.sources.proposal import questions
from ecom_assets.ingestion.sources.proposal.drafts.written_events import STAYS
from ecom_assets.ingestion.sources.proposal.questions import (
    CHANNELS_OF,
    NO_CUSTOMER,
    answer_of_each,
    shown,
)
from ecom_assets.ingestion.sources.sandbox_shop import is_made
from ecom_assets.ingestion.uploads.asking import ask_load, ask_shop_said
from ecom_assets.ingestion.uploads.look import (
    ShopQuestion,
    UploadLook,
    checked_shop,
    keep_choices,
    rate_questions,
    shop_questions,
    with_shop_said,
)
from ecom_assets.ingestion.uploads.sight import seen_look
from ecom_assets.ingestion.uploads.store import OF_SHOP_ANSWERS, Upload, Uploads
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, TableColumn
from ecom_assets.interfaces.dashboard.formats import in_words
from ecom_assets.interfaces.dashboard.looking import CHOSEN_MAPPING, LOOKS
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
    data_address,
)
from ecom_assets.interfaces.dashboard.pages.mapping import (
    COMPARED,
    FILES,
    PATH,
    PROGRESS,
    uploads_of,
)
from ecom_assets.interfaces.dashboard.upload_words import (
    AskedField,
    fate_lines,
    field_of,
    kind_words,
    name_of,
    reason_sentence,
    reason_words,
    shop_field,
)

SHOWN: Final = {NO_CUSTOMER}
"""Questions that money hangs on, which are shown though they have an answer."""
LIKELY: Final = {*CHANNELS_OF, *questions.EVENT_TYPES}
"""Questions that are shown where they are filled in with what is probably meant."""
MOST_FILES: Final = 10
"""Files that are looked at on one page."""
MOST_CHARACTERS: Final = 60
KIND, MAPPING = "kind", "mapping"
"""The fields of a file beside those of its questions."""
SHOP: Final = "shop"
COLUMN_LABELS: Final = {
    "event_timestamp": "Time in the file",
    "date_time": "Time in the file",
    "event_at": "Time as read (UTC)",
    "ordered_at": "Time as read (UTC)",
    "event_type": "What happened",
    "user_id": "Visitor",
    "anonymous_id": "Device",
    "session_id": "Session",
    "product_id": "Product",
    "cart_value": "Amount",
    "order_id": "Order",
    "customer_id": "Customer",
    "item_id": "Item",
    "received_quantity": "Quantity",
    "received_payment_amount": "Amount",
    "status": "State",
    "reject_reason": "Why it is not counted",
    "id": "Customer",
    "item_name": "Name",
    "item_category": "Category",
    "product_name": "Name",
    "product_category": "Category",
    "received_stock": "Stock in the file",
    "stock_count": "In stock",
    "reorder_point_count": "Order below",
    "lead_time_days": "Days until a delivery",
    "received_unit_cost_amount": "Cost in the file",
    "received_piece_count": "Pieces for that",
    "unit_cost_amount": "Cost of one",
    "valid_from_date": "From",
    "valid_until_date": "Until",
}
STATES: Final = {"shipped": "sold", "refunded": "paid back"}
TIMES: Final = {"event_at", "ordered_at"}
AMOUNTS: Final = {
    "cart_value",
    "received_payment_amount",
    "received_unit_cost_amount",
    "unit_cost_amount",
}
REASONS: Final = (
    TableColumn("reason", "Why rows are not counted"),
    TableColumn("row_count", "Rows", "count"),
    TableColumn("meaning", "What it means"),
    TableColumn("example", "One of them"),
)
EVENT_TYPES: Final = (
    TableColumn("theirs", "In the file"),
    TableColumn("row_count", "Rows", "count"),
    TableColumn("ours", "Counted as"),
)


class FilesParameters(PageParameters):
    """Which files are shown: their ids, by commas."""

    files: str | None = Field(None, max_length=33 * MOST_FILES, pattern="^[0-9a-f,]*$")


def chosen_uploads(request: Request, files: str | None) -> list[Upload]:
    """Return the uploads that an address or a form names, in its order.

    Raises:
        UsageError: It names none, or one that is not there for this login.
    """
    ids = [part for part in (files or "").split(",") if part][:MOST_FILES]
    if not ids:
        raise UsageError("No file is chosen; send one first.")
    uploads, caller = uploads_of(request), caller_of(request.scope)
    return [uploads.of(part, caller) for part in dict.fromkeys(ids)]


def looks_of(request: Request, uploads: Sequence[Upload]) -> list[UploadLook | None]:
    """Return what is known of uploads; None for those that are being looked at."""
    settings = settings_as_said(request, uploads)
    return [LOOKS.of(settings, upload) for upload in uploads]


def settings_of(request: Request) -> Settings:
    """Return the settings of the API, with what was chosen for the shop just now."""
    settings: Settings = request.app.state.settings
    return with_uploads(settings)


def said_of_shop(uploads: Sequence[Upload]) -> dict[str, str]:
    """Return what was said of the shop with files, which holds once they are loaded."""
    return {name: value for upload in uploads for name, value in upload.shop_answers.items()}


def settings_as_said(request: Request, uploads: Sequence[Upload]) -> Settings:
    """Return the settings as they are once files are loaded."""
    settings, said = settings_of(request), said_of_shop(uploads)
    if not said:
        return settings
    return with_shop_said(settings, uploads_of(request).original(uploads[0]).parent, said)


def asked_of_shop(
    settings: Settings, looks: Sequence[UploadLook], said: Mapping[str, str]
) -> list[ShopQuestion]:
    """Return what the page asks of the shop: what nothing says, and what was said with the files;
    and until something is loaded, what was chosen here, too.
    """
    is_loaded = bool(Uploads(settings.home).with_rows())
    chosen = {*said, *(() if is_loaded else shop_choices(settings.home))}
    own = [
        question
        for question in shop_questions(settings, looks)
        if not question.is_set or question.key in chosen
    ]
    needed = (
        any(look.currencies for look in looks)
        or any(name.startswith(RATE) for name in said)
        or not is_loaded
    )
    return [*own, *(rate_questions(settings, looks, said) if needed else ())]


def files(view: View) -> Block:
    """Return what is known of the files, and the form with what is open; who may not change a file
    sees what there is to see of it.
    """
    caller = caller_of(view.request.scope)
    uploads = chosen_uploads(view.request, view.filters.files)
    looks = looks_of(view.request, uploads)
    if None in looks:
        done = [look is not None for look in looks]
        return Custom("upload_looking.html", {"files": list(zip(uploads, done, strict=True))})
    known = [seen_look(look, caller) for look in looks if look is not None]
    may_change = all(sent.may_be_changed_by(caller) and not sent.is_waiting for sent in uploads)
    settings, said = settings_as_said(view.request, uploads), said_of_shop(uploads)
    asked = asked_of_shop(settings, known, said) if may_change else []
    shop = [shop_field(question) for question in asked]
    readable = [look for look in known if look.is_readable]
    asks_zone = any(field.name == f"{SHOP}.timezone" and field.is_open for field in shop)
    cards = [_card_values(look, asks_shop_zone=asks_zone) for look in known]
    open_count = sum(field.is_open for card in cards for field in card["asked"])
    open_count += sum(field.is_open for field in shop)
    return Custom(
        "upload_files.html",
        {
            "files": ",".join(upload.id for upload in uploads),
            "cards": cards,
            "may_change": may_change,
            "shop": shop,
            "said_by": sorted({sent.sent_by for sent in uploads if sent.shop_answers}),
            "is_ready": bool(readable)
            and not open_count
            and all(look.is_ready for look in readable),
            "is_readable": bool(readable),
            "open_count": open_count,
            "may_load": view.may(Scope.ADMIN),
            "replaces_sample": is_made(settings),
            "back": address_of(PATH, {}),
            "compare": (
                address_of(COMPARED, {"files": view.filters.files})
                if any(look.kind == "orders" for look in readable)
                else ""
            ),
        },
    )


def _card_values(look: UploadLook, *, asks_shop_zone: bool) -> Answer:
    """Return what the template shows of one file: the questions about it, in front (`asked`) or
    folded (`said`), what becomes of its rows, the first of them, and its mapping.
    """
    fields = [
        field_of(look, question, asks_shop_zone=asks_shop_zone) for question in look.questions
    ]
    # The keys of the questions that are asked openly: open ones, those with a problem, and
    # those that are often answered otherwise than the draft guesses.
    is_open = {question.key for question in look.open_questions}
    is_likely = {
        question.key
        for question in look.questions
        if question.key in LIKELY and question.guess != STAYS
    }
    in_front = {name_of(look, key) for key in (is_open | {*look.problems} | SHOWN | is_likely)}
    kinds = tuple((kind, kind_words(kind)) for kind in look.kinds)
    filled = [name for row in look.preview for name, value in row.items() if value is not None]
    columns = [*dict.fromkeys(filled)]
    reasons = [
        {
            "reason": reason_words(why.reason),
            "row_count": why.row_count,
            "meaning": reason_sentence(why),
            "example": ", ".join(
                f"{COLUMN_LABELS.get(name, in_words(name))}: {_cell(value, name)}"
                for name, value in why.example.items()
                if name not in TIMES
            ),
        }
        for why in look.not_clean
    ]
    return {
        "look": look,
        "asked": [field for field in fields if field.name in in_front],
        "said": [field for field in fields if field.name not in in_front],
        "kind": AskedField(name_of(look, KIND), "What is in this file?", "", kinds, look.kind),
        "how": AskedField(
            name_of(look, MAPPING), "How is it read?", "", look.mappings, look.mapping
        ),
        "fates": fate_lines(look),
        "reasons": reasons,
        "reason_columns": REASONS,
        "event_types": [
            {
                "theirs": _cell(theirs),
                "row_count": count,
                "ours": _cell(ours) if ours != theirs else "as it is",
            }
            for theirs, ours, count in look.event_types[:100]
        ],
        "event_type_columns": EVENT_TYPES,
        "preview_heading": "The first rows" + (" by time" if TIMES & {*columns} else ""),
        "preview": [{name: _cell(row.get(name), name) for name in columns} for row in look.preview],
        "preview_columns": tuple(
            TableColumn(name, COLUMN_LABELS.get(name, in_words(name))) for name in columns
        ),
        "yaml": data_address("text/yaml", look.text) if look.text else "",
        "yaml_name": f"{look.upload.name.split('.')[0]}.yaml",
    }


def _cell(value: object, name: str = "") -> str:
    text = "" if value is None else shown(value)
    if name == "reject_reason" and text:
        text = reason_words(text)
    elif name == "status":
        text = STATES.get(text, text)
    elif name in TIMES:
        text = text.replace("T", " ")
    elif name in AMOUNTS:
        text = re.sub(r"(\.\d\d\d*?)0+$", r"\1", text)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def choose(sent: ActionRequest) -> ActionResult:
    """Keep what was chosen, and show what follows from it."""
    uploads = changeable_uploads(sent)
    _keep_choices(sent, uploads)
    return ActionResult("", _address(uploads))


def changeable_uploads(sent: ActionRequest) -> list[Upload]:
    """Return the uploads of a form.

    Raises:
        UsageError: The caller may not change one of them.
    """
    caller = caller_of(sent.request.scope)
    uploads = chosen_uploads(sent.request, sent.form.get("files"))
    for upload in uploads:
        uploads_of(sent.request).require_changeable(upload, caller)
    return uploads


def load(sent: ActionRequest) -> ActionResult:
    """Ask for the files to be loaded; where something is open, or was changed just now, show it."""
    uploads = changeable_uploads(sent)
    if _keep_choices(sent, uploads):
        return ActionResult(
            "You have changed something: see what follows from it, then load.", _address(uploads)
        )
    uploads = chosen_uploads(sent.request, sent.form.get("files"))
    looks = [look for look in looks_of(sent.request, uploads) if look is not None]
    readable = [look for look in looks if look.is_readable]
    settings = settings_as_said(sent.request, uploads)
    is_open = any(question.is_open for question in shop_questions(settings, looks))
    if len(looks) < len(uploads) or is_open or not all(look.is_ready for look in readable):
        return ActionResult("", _address(uploads))
    store = uploads_of(sent.request)
    ask_shop_said(settings_of(sent.request), said_of_shop(uploads), sent.caller)
    for look in readable:
        ask_load(settings.home, keep_choices(store, look), sent.caller)
    files = _ids([look.upload for look in readable])
    return ActionResult("", address_of(PROGRESS, {"files": files}))


def _keep_choices(sent: ActionRequest, uploads: Sequence[Upload]) -> bool:
    """Keep the choices of a form with its files; return whether any differs from what was known
    before. What is said of the shop holds once the files are loaded.

    Raises:
        UsageError: An answer about the shop is not possible.
    """
    store = uploads_of(sent.request)
    looks = looks_of(sent.request, uploads)
    of_shop, is_changed = _said_of_shop_anew(sent, uploads, looks)
    kept = {f"{OF_SHOP_ANSWERS}{name}": value for name, value in of_shop.items()}
    for upload, look in zip(uploads, looks, strict=True):
        said = _with_whole_answers(_fields(sent.form, str(upload.number)))
        before = _said_before(upload)
        now = said if look is None else _said_anew(said, look, before)
        is_changed = is_changed or now != before
        if now != before or of_shop != upload.shop_answers:
            answers = {key: value for key, value in now.items() if key not in {KIND, MAPPING}}
            wanted = {CHOSEN_MAPPING: now[MAPPING]} if now.get(MAPPING) else {}
            store.choose(
                upload,
                kind=now.get(KIND, ""),
                mapping=upload.mapping,
                answers=answers | wanted | kept,
                caller=caller_of(sent.request.scope),
            )
    return is_changed


def _said_before(upload: Upload) -> dict[str, str]:
    """Return what is noted of an upload, by the names of its fields."""
    wanted = upload.answers.get(CHOSEN_MAPPING, "")
    said = {**upload.file_answers, KIND: upload.kind, MAPPING: wanted}
    return {name: value for name, value in said.items() if value}


def _said_anew(
    said: Mapping[str, str], look: UploadLook, before: Mapping[str, str]
) -> dict[str, str]:
    """Return what a form says of an upload, without what it is read by anyway."""
    anyway = {question.key: question.guess for question in look.questions if question.is_optional}
    anyway |= look.answers
    anyway |= {KIND: look.kind, MAPPING: look.mapping}
    fresh = {name: value for name, value in said.items() if value and anyway.get(name) != value}
    if MAPPING in fresh or KIND in fresh:  # the questions are others then
        return {**{name: before[name] for name in (KIND, MAPPING) if name in before}, **fresh}
    return {**before, **fresh}


def _said_of_shop_anew(
    sent: ActionRequest, uploads: Sequence[Upload], looks: Sequence[UploadLook | None]
) -> tuple[dict[str, str], bool]:
    """Return what is said of the shop with files, by now and by a form; and whether the form says
    anything else than the page did.

    Raises:
        UsageError: An answer is not possible.
    """
    before = said_of_shop(uploads)
    settings = settings_as_said(sent.request, uploads)
    known = [look for look in looks if look is not None]
    asked = {question.key: question for question in asked_of_shop(settings, known, before)}
    said = {key: value.strip() for key, value in _fields(sent.form, SHOP).items() if key in asked}
    said = {key: value for key, value in said.items() if value}
    was_open = any(asked[key].is_open and key not in before for key in said)
    changed = any(asked[key].value != value for key, value in said.items())
    choices, problems = checked_shop(settings_of(sent.request), said)
    if problems:
        raise UsageError("; ".join(problems.values()))
    return {**before, **choices}, was_open or changed


def _fields(form: Mapping[str, str], group: str) -> dict[str, str]:
    """Return the fields of one file, or of the shop, by their own names."""
    prefix = f"{group}."
    return {
        name.removeprefix(prefix): value for name, value in form.items() if name.startswith(prefix)
    }


def _with_whole_answers(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a file with those of the values of one question as one answer."""
    said: dict[str, str] = {}
    of_each: dict[str, dict[str, str]] = {}
    for name, value in fields.items():
        key, dot, of_value = name.partition(".")
        if dot:
            of_each.setdefault(key, {})[of_value] = value
        else:
            said[name] = value
    return said | {key: answer_of_each(each) for key, each in of_each.items()}


def _ids(uploads: Sequence[Upload]) -> str:
    return ",".join(upload.id for upload in uploads)


def _address(uploads: Sequence[Upload]) -> str:
    return address_of(FILES, {"files": _ids(uploads)})


PAGE = DashboardPage(
    FILES,
    "What your files are",
    group="Operation",
    is_listed=False,
    summary="See how each file is read, and answer what it does not say. Nothing is loaded before.",
    asks=FilesParameters,
    actions=(Action("choose", choose, Scope.WRITE), Action("load", load, Scope.ADMIN)),
    needs_published=False,
    scripts=("uploads.js",),
    sections=(Section("Files", files, is_titled=False, needs=(Scope.WRITE, "Looking at a file")),),
)
