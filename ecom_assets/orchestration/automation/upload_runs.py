"""The runs that load uploads and take them back: the sensor that sees what is asked for, the job of
one step that does it, and what it does.

The step lands the rows, and lets `ecom run` compute the days concerned in a process of its own: it
reads settings and files as they are now, not as definitions had them that were loaded before.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from ecom_assets.core.clock import now_utc_without_zone, today_in
from ecom_assets.core.errors import EcomError, UsageError, first_line
from ecom_assets.core.operations.requests import (
    LOAD,
    SAMPLE,
    SHOP,
    UNDO,
    OperationRequest,
    Requests,
)
from ecom_assets.core.settings.environment import environment_with
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.settings.uploaded import (
    KINDS,
    NATIVE_OF,
    OF_COSTS,
    OF_SHOP,
    begin_shop_change,
    end_shop_change,
    files_before,
    note_cost_version,
    rows_folder,
    take_back_shop_choices,
    wanted_costs,
)
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.ingestion.sources.events import is_table
from ecom_assets.ingestion.sources.first_partition import (
    names_own_data,
    paths_of_last_run,
    remembered_first_day,
)
from ecom_assets.ingestion.sources.sandbox_shop import is_made
from ecom_assets.ingestion.sources.uploaded_rows import stand_beside
from ecom_assets.ingestion.uploads.asking import COSTS, READS_FILES
from ecom_assets.ingestion.uploads.landed import (
    days_of_landed,
    empty_landed,
    forget_beside,
    forget_left_days,
    keep_beside,
    land,
    note_what_lies,
    put_back,
    remove_every_landed,
    remove_landed,
)
from ecom_assets.ingestion.uploads.store import (
    FAILED,
    LOADED,
    LOADING,
    UNDOING,
    UNDONE,
    Upload,
    Uploads,
)
from ecom_assets.ingestion.uploads.zones import files_of_zone, put_on_days, read_in_zone


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: whether its tables are published, and what it says of them; empty if there
    is nothing to say.
    """

    is_published: bool
    sentence: str = ""


Run = Callable[[Settings, date, date | None], RunEnd]
"""Computes the days from the first to the last; to the last of the data with None."""


class Reset(Protocol):
    """Leaves an empty home: no table, and nothing published; `empty_home.emptied` is one."""

    def __call__(self, settings: Settings, *, keeps_sample: bool = False) -> bool:
        """Empty a home, or remove own data only; return whether tables were cleared."""


def give_up(home: Path, waiting: Sequence[OperationRequest]) -> None:
    """Say of uploads whose runs are killed again and again that they are not loaded."""
    run = UploadRun(home, None, run_days, _left_as_it_is)
    for request in waiting:
        if (upload := run.upload_of(request)) is not None:
            run.give_up(upload, "its runs were ended from outside, such as for want of memory")
    Requests(home).take(list(waiting))


def _left_as_it_is(settings: Settings, *, keeps_sample: bool = False) -> bool:  # noqa: ARG001 (a `Reset`)
    return False


@dataclass(frozen=True)
class UploadRun:
    """What one run does about uploads.

    Attributes:
        home: `ECOM_HOME`.
        run_id: The run, which the list of uploads names.
        run: Computes days.
        reset: Leaves an empty home where nothing is loaded any more.
    """

    home: Path
    run_id: str | None
    run: Run
    reset: Reset

    @property
    def uploads(self) -> Uploads:
        """Return the list of uploads."""
        return Uploads(self.home)

    def do(self, waiting: Sequence[OperationRequest]) -> list[str]:
        """Load and take back what is asked for, and return sentences about what could not be done.

        A request is done once, whatever becomes of it: who wants it again asks again.
        """
        loads, undos, failed = list[Upload](), list[Upload](), list[str]()
        note_what_lies(self.uploads)
        in_change = files_before(self.home)
        for over in self.uploads.every():
            # A run was killed before it had removed its rows of before for good.
            if not over.is_waiting and str(over.number) not in in_change:
                forget_beside(self.uploads, over)
        failed += self._sampled(waiting)
        failed += (of_shop := self._of_another_shop(waiting))
        requested = [
            (request.kind, upload)
            for request in waiting
            if (upload := self.upload_of(request)) is not None
        ]
        # What has days of its own is landed first: they are those that the others are of.
        requested.sort(key=lambda request: not request[1].has_days)
        spans = list[tuple[date, date]]()
        for kind, named in requested:
            upload = self.uploads.note(named, run_id=self.run_id)
            # Days that its rows had by other answers are computed again, too.
            if upload.first_day and upload.last_day:
                spans.append((upload.first_day, upload.last_day))
            if days := [day for _, day in days_of_landed(self.uploads, upload)]:
                spans.append((min(days), max(days)))
            if kind == LOAD and upload.state == LOADING:
                keep_beside(self.uploads, upload)
                # It was looked at with what was to be the shop's own.
                landed = self.fail(upload, of_shop[0]) if of_shop else self._landed(upload)
                failed += [landed] if isinstance(landed, str) else []
                loads += [landed] if isinstance(landed, Upload) else []
            elif upload.state == UNDOING:
                keep_beside(self.uploads, upload)
                empty_landed(self.uploads, upload)
                undos.append(upload)
        loads, alone = self._with_data(loads)
        failed += alone
        if loads or undos:
            sentence = self._computed(loads, undos, spans)
            failed += [sentence] if sentence else []
        Requests(self.home).take(list(waiting), self.run_id)
        return failed

    def _with_data(self, loads: list[Upload]) -> tuple[list[Upload], list[str]]:
        """Return uploads that are worth a run; and sentences about those that say nothing without
        others, in a home that has none of these.
        """
        if not loads or load_settings(home=self.home).has_own_data:
            return loads, []
        others = ", ".join(kind.label.lower() for kind in KINDS.values() if kind.is_data)
        sentence = f"says nothing alone; load one of {others} first, or with it."
        return [], [
            self.fail(upload, f"A file of {KINDS[upload.kind].label.lower()} {sentence}")
            for upload in loads
        ]

    def upload_of(self, request: OperationRequest) -> Upload | None:
        """Return the upload that a request is about; None if it is about none, or one that is not
        in the list any more.
        """
        if request.kind not in {LOAD, UNDO}:
            return None
        try:
            return self.uploads.numbered(int(request.subject))
        except UsageError:
            return None

    def _sampled(self, waiting: Sequence[OperationRequest]) -> list[str]:
        """Make the simulated shop where that is asked for and no data of a shop are here; return
        why that could not be done.
        """
        settings = load_settings(home=self.home)
        is_asked = any(request.kind == SAMPLE for request in waiting)
        if not is_asked or settings.has_own_data or self._is_left([]):
            return []
        ended = command_ended(settings, [])
        return [] if ended.is_published else [f"The sample shop is not there: {ended.sentence}"]

    def _of_another_shop(self, waiting: Sequence[OperationRequest]) -> list[str]:
        """Change the shop's zone, currency, week or rules of costs as asked for, and compute all
        days again; return why that could not be done, with all as it was.
        """
        changes = [request for request in waiting if request.kind == SHOP]
        if not changes:
            return []
        choices: dict[str, str] = {}
        for request in changes:
            choices |= json.loads(request.subject)
        if choices.pop(COSTS, ""):
            choices |= wanted_costs(self.home)
        reads_files = bool(choices.pop(READS_FILES, ""))
        earlier = load_settings(home=self.home).timezone
        of_zone = files_of_zone(self.uploads, earlier).kept if reads_files else ()
        files = {
            str(upload.number): {
                "kind": upload.kind,
                "mapping": upload.mapping,
                "answers": dict(upload.answers),
            }
            for upload in of_zone
        }
        begin_shop_change(self.home, choices, files)
        sentence = self._computed_anew(choices)
        if sentence:
            self._shop_as_before(sentence)
        for upload in self._files_before():
            forget_beside(self.uploads, upload)
        if not sentence and not choices.keys().isdisjoint(OF_COSTS):
            note_cost_version(self.home, changes[-1].asked_by, now_utc_without_zone())
        end_shop_change(self.home)
        return [sentence] if sentence else []

    def _files_before(self) -> list[Upload]:
        return [self.uploads.numbered(int(number)) for number in files_before(self.home)]

    def _computed_anew(self, choices: Mapping[str, str]) -> str:
        """Compute all days by the settings as they are now, with files that are read otherwise;
        return why that could not be done.
        """
        now = load_settings(home=self.home)
        of_settings = {name: choices[name] for name in (*OF_SHOP, *OF_COSTS) if name in choices}
        wanted = load_settings(**{"home": self.home, **of_settings})
        elsewhere = [name for name in of_settings if getattr(now, name) != getattr(wanted, name)]
        if elsewhere:
            names = ", ".join(elsewhere)
            return f"The environment, .env or ecom.toml says {names}; change it there."
        try:
            for upload in self._files_before():
                keep_beside(self.uploads, upload)
                read = read_in_zone(self.uploads, upload, now)
                land(self.uploads, read, now)
        except EcomError as error:
            return str(error)
        return self._on_every_day(now)

    def _on_every_day(self, settings: Settings) -> str:
        """Let rows of uploads lie on their own days in the shop's zone, and compute all days;
        return why that could not be done.
        """
        for upload in self.uploads.with_rows():
            put_on_days(self.uploads, upload, settings)
        first, last = self._every_day(settings)
        ended = self.run(settings, first, last)
        return "" if ended.is_published else ended.sentence

    def _shop_as_before(self, problem: str) -> None:
        """Let the shop, and how its files are read, be as before a change."""
        take_back_shop_choices(self.home, problem)
        before = files_before(self.home)
        for upload in self._files_before():
            put_back(self.uploads, upload)
            self.uploads.note(upload, **before[str(upload.number)])
        self._on_every_day(load_settings(home=self.home))

    def _every_day(self, settings: Settings) -> tuple[date, date | None]:
        """Return the first and the last day that any data can be of; None for the last one, where
        only a run over the other data finds it.
        """
        days = [
            day
            for upload in self.uploads.with_rows()
            for day in (upload.first_day, upload.last_day)
            if day
        ]
        today = today_in(settings.timezone)
        if is_open_ended := has_other_data(settings) or not days:
            noted = remembered_first_day(settings)
            days += [today, *([noted] if noted else [])]
            is_open_ended = not reaches_today(settings)
        # By another zone, rows lay on the day before or after.
        first = min(max(min(days) - ONE_DAY, settings.first_day), today)
        return first, None if is_open_ended else min(max(days) + ONE_DAY, today)

    def _landed(self, upload: Upload) -> Upload | str:
        """Land an upload, and return it with what it brought; else why it cannot be read."""
        try:
            brought = land(self.uploads, upload, load_settings(home=self.home))
        except EcomError as error:
            return self.fail(upload, str(error))
        return self.uploads.note(
            upload,
            first_day=brought.first_day,
            last_day=brought.last_day,
            row_count=brought.row_count,
            counted_count=brought.counted_count,
            amount=brought.amount,
            currency=brought.currency,
            replaced_count=sum((brought.replaced or {}).values()),
            replaced_uploads=sorted(brought.replaced or {}),
        )

    def _computed(
        self,
        loads: Sequence[Upload],
        undos: Sequence[Upload],
        spans: Sequence[tuple[date, date]],
    ) -> str:
        """Compute what uploads change, and the days that they had before; return why it could not
        be done, with all as it was.
        """
        if not self._is_left(undos) and not loads:
            return self._emptied(undos)
        settings = load_settings(home=self.home)
        first, last = self._days(settings, [*loads, *undos], spans)
        ended = self.run(settings, first, last)
        if not ended.is_published:
            self._not_undone(undos, ended.sentence)
            again = [upload for upload in loads if put_back(self.uploads, upload)]
            self._as_before(loads, again, first, last)
            for upload in loads:
                self.fail(upload, ended.sentence, is_put_back=upload in again)
            return ended.sentence
        for upload in loads:
            forget_left_days(self.uploads, self.uploads.note_loaded(upload, ended.sentence))
            forget_beside(self.uploads, upload)
        self._settled(undos)
        return ""

    def _not_undone(self, undos: Sequence[Upload], sentence: str) -> None:
        for upload in undos:
            put_back(self.uploads, upload)
            self.uploads.note(upload, state=LOADED, sentence=f"It is not undone: {sentence}")

    def _is_left(self, undos: Sequence[Upload]) -> bool:
        """Return whether the home has other data than those that are taken back."""
        gone = {upload.number for upload in undos}
        others = [upload for upload in self.uploads.with_rows() if upload.number not in gone]
        return bool(others) or has_other_data(load_settings(home=self.home))

    def _emptied(self, undos: Sequence[Upload]) -> str:
        """Leave an empty home."""
        settings = load_settings(home=self.home)
        try:
            self.reset(settings)
        except EcomError as error:
            self._not_undone(undos, str(error))
            return str(error)
        self._settled(undos)
        remove_every_landed(self.uploads)
        return ""

    def _settled(self, undos: Sequence[Upload]) -> None:
        """Note what was taken back, and remove its rows for good."""
        for upload in undos:
            self.uploads.note(upload, state=UNDONE, sentence="")
            forget_left_days(self.uploads, upload)
            forget_beside(self.uploads, upload)

    def _as_before(
        self, loads: Sequence[Upload], again: Sequence[Upload], first: date, last: date
    ) -> None:
        """Take rows that were landed for nothing out of the tables that have taken them; those of
        `again` are as they were before they were loaded again.
        """
        if not loads:
            return
        new = [upload for upload in loads if upload not in again]
        if again or self._is_left([]):
            for upload in new:  # on days that the run takes out of the tables
                empty_landed(self.uploads, upload)
            self.run(load_settings(home=self.home), first, last)
            return
        for upload in new:
            remove_landed(self.uploads, upload)
        settings = load_settings(home=self.home)
        has_sample = is_made(settings)
        with suppress(EcomError):  # the next run that loads something begins again
            if self.reset(settings, keeps_sample=has_sample) and has_sample:
                command_ended(settings, [])  # what is published of it is shown meanwhile

    def fail(self, upload: Upload, sentence: str, *, is_put_back: bool = False) -> str:
        """Note that an upload is not loaded, with the reason: nothing of it counts, or what counted
        before it was to be loaded again.
        """
        if is_put_back or put_back(self.uploads, upload):
            self.uploads.note_loaded(upload, f"It is not loaded again: {sentence}")
        else:
            remove_landed(self.uploads, upload)
            self.uploads.note(upload, state=FAILED, sentence=sentence)
        return f"{upload.name} is not loaded: {sentence}"

    def give_up(self, upload: Upload, sentence: str) -> None:
        """Note that an upload is not loaded, or not taken back, since no run comes to its end."""
        if upload.state == UNDOING:
            self._not_undone([upload], sentence)
        else:
            self.fail(upload, sentence)

    def _days(
        self, settings: Settings, changed: Sequence[Upload], spans: Sequence[tuple[date, date]]
    ) -> tuple[date, date]:
        """Return the first and the last day to compute: from the first of what changes, or was
        before, to the newest of all uploads.
        """
        of_all = [upload.last_day for upload in self.uploads.with_rows()]
        of_changed = [(upload.first_day, upload.last_day) for upload in changed]
        first = min(first for first, _ in (*of_changed, *spans) if first)
        lasts = [*of_all, *(last for _, last in (*of_changed, *spans))]
        last = max(last for last in lasts if last)
        today = today_in(settings.timezone)
        return min(first, today), min(last, today)


def has_other_data(settings: Settings) -> bool:
    """Return whether settings, or earlier runs, name data of the shop that no upload brought."""
    return names_own_data(settings) or bool(paths_of_last_run(settings))


def reaches_today(settings: Settings) -> bool:
    """Return whether an API, a stream or a table brings rows, of which the newest can be of today;
    files go as far as their rows.
    """
    named = (settings.events, settings.orders, settings.customers)
    places = [*named, *paths_of_last_run(settings).values()]
    is_asked = bool(settings.order_api_url or settings.customer_api_url)
    return is_asked or any("://" in place for place in places)


def run_days(settings: Settings, first: date, last: date | None) -> RunEnd:
    """Let `ecom run` compute some days in a process of its own, to the last of the data with None
    for the last one.
    """
    options = ["--from", first.isoformat(), *(["--to", last.isoformat()] if last else [])]
    # What runs have loaded before stays a source, and uploads stand beside it; rows of an API or of
    # a table stay in the warehouse, where files of the same kind are loaded.
    options += [
        part
        for kind, mapping in NATIVE_OF.items()
        if KINDS[kind].has_days and stand_beside(settings, kind) and is_remote(settings, kind)
        for part in (
            *(f"--{kind}", str(rows_folder(settings.home, kind))),
            *(f"--{kind}-mapping", mapping),
        )
    ]
    return command_ended(settings, options)


def command_ended(settings: Settings, options: Sequence[str]) -> RunEnd:
    """Run `ecom run` with some options in a process of its own, and return how it ended."""
    command = [sys.executable, "-c", "from ecom_assets.cli import main; main()", "run", *options]
    command += ["--json"]
    home = str(settings.home)
    environment = environment_with({"ECOM_HOME": home, **paths_of_last_run(settings)})
    try:
        ended = subprocess.run(  # noqa: S603 (our own command)
            command, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        return RunEnd(is_published=False, sentence=f"No run can be started: {first_line(error)}.")
    if ended.returncode == 0:
        return RunEnd(is_published=True)
    # The first sentences of what a command said that failed.
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    own = [
        line.removeprefix(MARK)
        for line in lines
        if line.startswith(MARK) and not line.startswith(WARNING)
    ]
    said = own[:MOST_SENTENCES] or lines[-1:] or ["The run ended without a word."]
    return RunEnd(_is_published(ended.stdout), " ".join(dict.fromkeys(said)))


def is_remote(settings: Settings, kind: str) -> bool:
    """Return whether an API or a table of a database brings rows of a kind."""
    return is_table(settings) if kind == "events" else bool(settings.order_api_url)


def _is_published(summary: str) -> bool:
    """Return whether a run computed and published all tables, whatever its checks say of them."""
    try:
        return bool(json.loads(summary)["success"])
    except (ValueError, KeyError, TypeError):
        return False


MARK: Final = "ecom: "
WARNING: Final = "ecom: warning: "
MOST_SENTENCES: Final = 3
