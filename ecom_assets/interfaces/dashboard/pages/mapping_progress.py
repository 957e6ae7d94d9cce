"""How far the loading of files is, or the taking back of one: by table, while it goes on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import Field

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.operations.requests import OperationRequest
from ecom_assets.core.operations.steps import TableStep, last_look
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import shop_problem
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.uploads.asking import (
    LoadProgress,
    progress_of,
    sample_progress,
    shop_progress,
)
from ecom_assets.ingestion.uploads.sight import seen_problem, seen_sentence
from ecom_assets.ingestion.uploads.store import LOADED
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard.blocks import Block, Custom
from ecom_assets.interfaces.dashboard.formats import in_words
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View, address_of
from ecom_assets.interfaces.dashboard.pages.mapping import FILES, PATH, PROGRESS, SHOP
from ecom_assets.interfaces.dashboard.pages.mapping_files import FilesParameters, chosen_uploads
from ecom_assets.interfaces.dashboard.sessions import PREFIX

AGAIN_S: Final = 2
"""Seconds after which the page looks again."""
QUIET: Final = timedelta(seconds=60)
"""If nothing has looked for requests for so long, nothing does."""


class ProgressParameters(FilesParameters):
    """The files; without any, what else is followed: the simulated shop, or all days again."""

    of: str = Field("sample", pattern="^(sample|shop)$")  # in no list to choose from


def progress(view: View) -> Block:
    """Return how far each file is, and the link to the numbers once all are done."""
    settings: Settings = view.request.app.state.settings
    if not view.filters.files:
        if view.filters.of == "shop":
            # How far the run is that computes all days again.
            values = _of_request(settings.home, *shop_progress(settings.home))
            problem = seen_problem(shop_problem(settings.home), caller_of(view.request.scope))
            more = {"problem": problem, "shop": address_of(SHOP, {})}
            return Custom("shop_progress.html", values | more)
        # How far the simulated shop is.
        values = _of_request(settings.home, *sample_progress(settings.home))
        return Custom("sample_progress.html", values | {"is_there": view.context.has_reading})
    uploads = chosen_uploads(view.request, view.filters.files)
    loads = [progress_of(settings.home, upload) for upload in uploads]
    is_over = not any(load.upload.is_waiting for load in loads)
    return Custom(
        "upload_progress.html",
        {
            "files": [_file(load, caller_of(view.request.scope)) for load in loads],
            "is_over": is_over,
            "is_loaded": any(load.upload.state == LOADED for load in loads),
            "again_s": AGAIN_S,
            "waits_for": next((load.waits_for for load in loads if load.waits_for), ""),
            "nobody": not is_over and nobody_looks(loads[0], now_utc_without_zone()),
            "first_page": f"{PREFIX}/",
            "list": address_of(PATH, {}),
        },
    )


def _of_request(home: Path, request: OperationRequest | None, steps: Sequence[TableStep]) -> Answer:
    done = [step for step in steps if step.ended_at]
    looked = last_look(home)
    is_over = request is None or request.taken_at is not None
    is_quiet = request is not None and is_quiet_since(
        request.asked_at, looked.looked_at if looked else None, now_utc_without_zone()
    )
    return {
        "is_over": is_over,
        "done": counted(len(done), "table is", "tables are"),
        "nobody": not is_over and not steps and is_quiet,
        "again_s": AGAIN_S,
        "first_page": f"{PREFIX}/",
        "list": address_of(PATH, {}),
    }


def nobody_looks(load: LoadProgress, now: datetime) -> bool:
    """Return whether an upload waits and nothing has looked for requests for a minute."""
    asked_at = load.upload.changed_at
    return not load.is_begun and is_quiet_since(asked_at, load.sensor_looked_at, now)


def is_quiet_since(asked_at: datetime | None, looked_at: datetime | None, now: datetime) -> bool:
    """Return whether something was asked for over a minute ago, and nothing looked since then."""
    before = now - QUIET
    return (asked_at is None or asked_at < before) and (looked_at is None or looked_at < before)


def _file(load: LoadProgress, caller: Caller) -> Answer:
    done = [step for step in load.steps if step.ended_at]
    working = [step for step in load.steps if not step.ended_at]
    return {
        "upload": load.upload,
        "sentence": seen_sentence(load.upload, caller),
        "is_begun": load.is_begun,
        "done": counted(len(done), "table is", "tables are"),
        "working": _words(working[-1].table_name) if working else "",
        "steps": [
            {
                "name": _words(step.table_name),
                "rows": "" if step.row_count is None else counted(step.row_count, "row"),
                "is_done": step.ended_at is not None,
            }
            for step in load.steps
        ],
        "change": address_of(FILES, {"files": load.upload.id}),
    }


def _words(table_name: str) -> str:
    return in_words(table_name.rpartition(".")[2])


PAGE = DashboardPage(
    PROGRESS,
    "Loading",
    group="Operation",
    is_listed=False,
    summary="You may close this page: loading goes on, and this address shows how far it is.",
    asks=ProgressParameters,
    needs_published=False,
    scripts=("uploads.js",),
    sections=(
        Section("Progress", progress, is_titled=False, needs=(Scope.WRITE, "Following a file")),
    ),
)
