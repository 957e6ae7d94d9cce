"""Your data: where files are dropped, which ones were brought in, and how far they reach. In a home
in which nothing was loaded, it is the first page.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from starlette.requests import Request

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.operations.requests import require_shared_home
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.settings.settings import Settings, with_uploads
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.uploads.asking import ask_sample, ask_undo
from ecom_assets.ingestion.uploads.landed import fields_read_since
from ecom_assets.ingestion.uploads.look import kept_mapping_path
from ecom_assets.ingestion.uploads.sight import seen_sentence, sees_numbers, sight_of
from ecom_assets.ingestion.uploads.store import (
    FAILED,
    KEPT,
    LOADED,
    LOADING,
    UNDOING,
    UNDONE,
    WITH_ROWS,
    Upload,
    Uploads,
    UploadState,
)
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard import receiving
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, Nothing
from ecom_assets.interfaces.dashboard.export_guides import export_guides
from ecom_assets.interfaces.dashboard.formats import day_range, in_words, money
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
from ecom_assets.interfaces.dashboard.upload_words import kind_words, rows_words

PATH: Final = receiving.PAGE
FILES: Final = receiving.FILES
COMPARED, PROGRESS, SHOP = "mapping-compare", "mapping-progress", "mapping-shop"
"""The paths of the pages that hold a month of files beside the shop's admin, that follow their
loading, and that show the shop's own.
"""
COSTS: Final = "mapping-costs"
"""The path of the page of rules for what orders cost."""
ACCEPTED: Final = ".csv,.tsv,.txt,.xlsx,.xls,.json,.ndjson,.jsonl,.parquet,.pq,.gz,.zip"
USUAL_GAP_DAYS: Final = 7
"""Days after which the next file is due where there was only one."""
STATES: Final[Mapping[UploadState, str]] = {
    KEPT: "not loaded yet",
    LOADING: "is being loaded",
    LOADED: "loaded",
    UNDOING: "is being taken back",
    UNDONE: "taken back",
    FAILED: "not loaded",
}


NO_NUMBERS: Final = dict.fromkeys(("days", "rows", "of_rows", "money", "replaced"), "")
"""What the list shows of how much an upload has to who may not see that."""


def uploads_of(request: Request) -> Uploads:
    """Return the uploads of the platform that serves a request."""
    return Uploads(request.app.state.settings.home)


def newest_of(request: Request) -> list[Upload]:
    """Return the uploads that the caller may see, the newest first."""
    return uploads_of(request).newest(caller_of(request.scope))


def drop(view: View) -> Block:
    """Return the field that files are dropped on, and where each export is."""
    settings: Settings = view.request.app.state.settings
    return Custom(
        "upload_drop.html",
        {
            "address": receiving.ADDRESS,
            "next": address_of(FILES, {}),
            "accepted": ACCEPTED,
            "max_mb": settings.upload_max_mb,
            "max_bytes": settings.upload_max_mb * receiving.MB,
            "keep_days": settings.upload_keep_days,
            "guides": export_guides(),
        },
    )


def waiting(view: View) -> Block:
    """Return the files that the caller has sent and not loaded, for an admin those of others, too;
    nothing if there are none.
    """
    caller = caller_of(view.request.scope)
    kept = [upload for upload in newest_of(view.request) if upload.state == KEPT]
    if not kept:
        return Nothing()
    own = [upload for upload in kept if upload.is_of(caller)]
    files = ",".join(upload.id for upload in reversed(own[:10]))
    return Custom(
        "upload_waiting.html",
        {
            "uploads": [(upload, "" if upload in own else upload.sent_by) for upload in kept],
            "all": address_of(FILES, {"files": files}) if len(own) > 1 else "",
        },
    )


def brought_in(view: View) -> Block:
    """Return the list of uploads, and how far each kind reaches; nothing if there are none."""
    listed = [upload for upload in newest_of(view.request) if upload.state != KEPT]
    if not listed:
        return Nothing()
    by_number = {upload.number: upload for upload in listed}
    uploads, caller = uploads_of(view.request), caller_of(view.request.scope)
    rows = [
        _row(upload, caller)
        | (
            _numbers(upload, by_number, view.currency)
            if sees_numbers(upload, caller)
            else NO_NUMBERS
        )
        | _mapping(uploads, upload, caller)
        | {"read_since": _read_since(uploads, upload, caller)}
        for upload in listed
    ]
    return Custom(
        "upload_list.html", {"rows": rows, "reaches": list(reaches(_known(listed, caller)))}
    )


def _known(uploads: Sequence[Upload], caller: Caller) -> list[Upload]:
    """Return the uploads of which a caller sees how much they have, or that the caller has sent."""
    return [upload for upload in uploads if upload.is_of(caller) or sees_numbers(upload, caller)]


def _row(upload: Upload, caller: Caller) -> Answer:
    """Return what the list shows of an upload to everybody who sees it, and what this caller may do
    about it.
    """
    kinds = upload.kinds_with_rows or ((upload.kind,) if upload.kind else ())
    may_change = upload.may_be_changed_by(caller)
    return {
        "upload": upload,
        "kind": " and ".join(map(kind_words, kinds)),
        "state": STATES[upload.state],
        "sentence": seen_sentence(upload, caller),
        "sent_at": f"{upload.sent_at:%Y-%m-%d %H:%M} UTC",
        "progress": address_of(PROGRESS, {"files": upload.id}) if upload.is_waiting else "",
        "change": (
            address_of(FILES, {"files": upload.id})
            if may_change and upload.has_original and upload.state in {LOADED, FAILED, UNDONE}
            else ""
        ),
        "can_undo": upload.state == LOADED,
        "can_delete": (
            upload.state in {FAILED, UNDONE}
            and not upload.kinds_with_rows
            and upload.may_be_removed_by(caller)
        ),
    }


def _numbers(upload: Upload, others: dict[int, Upload], currency: str) -> Answer:
    """Return how much an upload has; amounts that say no currency are in the shop's."""
    days = day_range(*upload.days_of_rows) if upload.days_of_rows else ""
    replaced = [
        others[number].name if number in others else f"file {number}"
        for number in upload.replaced_uploads
    ]
    kind = next(iter(upload.kinds_with_rows), upload.kind)
    rows = "" if upload.counted_count is None else rows_words(kind, upload.counted_count)
    read = upload.row_count
    return {
        "days": days,
        "rows": rows,
        "of_rows": f"of {counted(read, 'row')}" if read and read != upload.counted_count else "",
        "money": "" if upload.amount is None else money(upload.amount, upload.currency or currency),
        "replaced": (
            f"{counted(upload.replaced_count, 'row')} of {', '.join(replaced)}"
            if upload.replaced_count and replaced
            else ""
        ),
    }


def _mapping(uploads: Uploads, upload: Upload, caller: Caller) -> dict[str, str]:
    """Return the kept mapping of an upload as an address from which it is downloaded; empty if it
    has none, or has words of rows of which something is hidden from the caller.
    """
    if not sight_of(upload, caller).is_whole:
        return {"mapping": ""}
    try:
        text = kept_mapping_path(uploads, upload.mapping).read_text(encoding="utf-8")
    except (UsageError, OSError):
        return {"mapping": ""}
    return {"mapping": data_address("text/yaml", text)}


def _read_since(uploads: Uploads, upload: Upload, caller: Caller) -> str:
    """Return what is read by now of a file that was loaded before, in words, for who may load it
    again; else empty.
    """
    if upload.state != LOADED or not upload.may_be_changed_by(caller):
        return ""
    return ", ".join(in_words(name).lower() for name in fields_read_since(uploads, upload))


def reaches(uploads: Sequence[Upload]) -> Iterator[Row]:
    """Yield, for each kind, the days that its loaded files reach over, and when the next is due."""
    with_rows = [upload for upload in uploads if upload.state in WITH_ROWS]
    for kind in dict.fromkeys(kind for upload in with_rows for kind in upload.kinds_with_rows):
        loaded = [upload for upload in with_rows if kind in upload.kinds_with_rows]
        spans = [upload.days_of_rows for upload in loaded if upload.days_of_rows]
        first = min((first for first, _ in spans), default=None)
        last = max((last for _, last in spans), default=None)
        yield {
            "kind": kind_words(kind),
            "days": day_range(first, last) if first and last else "",
            "files": counted(len(loaded), "file"),
            "last_day": last,
            "due": due_day(loaded),
        }


def due_day(loaded: Sequence[Upload]) -> date | None:
    """Return the day on which the next file of a kind is due: as long after the newest one as files
    usually came one after the other; None without one.
    """
    days = sorted({upload.sent_at.date() for upload in loaded})
    if not days:
        return None
    gaps = [(after - before).days for before, after in pairwise(days)]
    return days[-1] + timedelta(days=round(median(gaps)) if gaps else USUAL_GAP_DAYS)


def reminder(view: View) -> Block:
    """Return which file is due, for the first page; nothing if none is."""
    if not view.may(Scope.WRITE):
        return Nothing()
    today = now_utc_without_zone().date()
    overdue = [
        reach
        for reach in reaches(_known(newest_of(view.request), caller_of(view.request.scope)))
        if reach["due"] is not None and reach["due"] <= today
    ]
    if not overdue:
        return Nothing()
    return Custom("upload_due.html", {"overdue": overdue, "address": address_of(PATH, {})})


def of_shop(view: View) -> Block:
    """Return what is known of the shop, in a line; nothing before something is loaded."""
    settings = with_uploads(view.request.app.state.settings)
    if not settings.has_own_data or not view.may(Scope.WRITE):
        return Nothing()
    currency = settings.known_currency
    words = (
        settings.shop_name,
        f"amounts in {currency}" if currency else "amounts without a currency",
        f"days in {settings.timezone}",
        f"weeks from {settings.week_start.capitalize()}",
    )
    values = {
        "words": " · ".join(filter(None, words)),
        "address": address_of(SHOP, {}),
        "scope": Scope.ADMIN,
    }
    return Custom("upload_shop_line.html", values)


def first_steps(view: View) -> Block:
    """Return the other ways to begin, in a home where nothing was published."""
    if view.context.has_reading:
        return Nothing()
    return Custom("upload_first_steps.html", {})


def undo(sent: ActionRequest) -> ActionResult:
    """Ask for the rows of an upload to be taken back."""
    uploads, home = uploads_of(sent.request), sent.request.app.state.settings.home
    upload = uploads.of(sent.form.get("upload", ""), caller_of(sent.request.scope))
    ask_undo(home, upload, sent.caller)
    return ActionResult("", address_of(PROGRESS, {"files": upload.id}))


def delete(sent: ActionRequest) -> ActionResult:
    """Remove a file that has no rows: of one that had some, an admin only."""
    uploads, caller = uploads_of(sent.request), caller_of(sent.request.scope)
    upload = uploads.of(sent.form.get("upload", ""), caller)
    uploads.remove(upload, caller)
    return ActionResult(f"{upload.name} is deleted.", address_of(PATH, {}))


def sample(sent: ActionRequest) -> ActionResult:
    """Ask for the simulated shop."""
    settings: Settings = sent.request.app.state.settings
    require_shared_home(settings, "A request")
    ask_sample(settings.home, sent.caller)
    return ActionResult("", address_of(PROGRESS, {}))


def title(view: View) -> str:
    """Return the heading: in an empty home it says what is to be done."""
    return "Your data" if view.context.has_reading else "Bring in your shop"


PAGE = DashboardPage(
    PATH,
    "Your data",
    group="Operation",
    position=5,
    summary="Bring in files of your shop, and see how far they reach. They stay on this machine.",
    asks=PageParameters,
    title_of=title,
    actions=(
        Action("undo", undo, Scope.ADMIN),
        Action("delete", delete, Scope.WRITE),
        Action("sample", sample, Scope.ADMIN),
    ),
    needs_published=False,
    scripts=("uploads.js",),
    sections=(
        Section("Files", drop, is_titled=False, needs=(Scope.WRITE, "Bringing in a file")),
        Section("Other ways to begin", first_steps),
        Section("Files that wait for you", waiting),
        Section("What was brought in", brought_in),
        Section("Your shop", of_shop),
    ),
)
