"""`ecom init` over the files of a folder: what each is, what is open as plain questions, and the
load, as on the page of uploads.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import typer

from ecom_assets.cli.shop_words import zone_name
from ecom_assets.cli.terminal import ask_until
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import EcomError
from ecom_assets.core.operations.steps import last_look
from ecom_assets.core.settings.settings import SHOP_FILE, Settings
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.sources.files.formats import format_of
from ecom_assets.ingestion.sources.proposal.questions import ZONE, OpenQuestion
from ecom_assets.ingestion.sources.sandbox_shop import is_made
from ecom_assets.ingestion.uploads.asking import ask_load, ask_shop_said, waiting_requests
from ecom_assets.ingestion.uploads.look import (
    Chosen,
    UploadLook,
    checked_shop,
    keep_choices,
    look_in_child,
    rate_questions,
    shop_questions,
    with_shop_said,
)
from ecom_assets.ingestion.uploads.store import LOADED, Upload, Uploads, safe_name
from ecom_assets.interfaces.dashboard.formats import money
from ecom_assets.interfaces.dashboard.upload_words import (
    answer_words,
    fate_lines,
    kind_words,
    note_of,
    rows_words,
    sentence_of_question,
)
from ecom_assets.orchestration.automation.upload_runs import UploadRun, run_days
from ecom_assets.orchestration.empty_home import emptied

BLOCK: Final = 1 << 20
SENT_BY: Final = "ecom init"
MOST_FILES: Final = 20
"""Files of a folder that are looked at."""
ALIVE: Final = timedelta(seconds=60)
"""A daemon that looked for requests so recently loads files by itself."""
AGAIN_S: Final = 2.0
LEAVE_OUT: Final = "skip"
"""The answer that leaves a file out."""


def files_here() -> list[Path]:
    """Return the files of the working folder, not of those in it, that may hold rows; first those
    that were changed first: of an order in several exports, the one that was sent last counts.
    """
    paths = sorted(
        path
        for path in Path().iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != SHOP_FILE
        and format_of(path)[0] is not None
    )
    return sorted(paths[:MOST_FILES], key=lambda path: path.stat().st_mtime_ns)


def looked_at(settings: Settings, paths: Sequence[Path]) -> list[UploadLook]:
    """Return what is known of files that are not loaded yet, and say it; those that cannot be read
    are a sentence each.
    """
    uploads = Uploads(settings.home)
    loaded = {
        (upload.name, upload.byte_count) for upload in uploads.every() if upload.state == LOADED
    }
    looks = []
    for path in paths:
        if (safe_name(path.name), path.stat().st_size) in loaded:
            typer.echo(f"{path} is loaded already.")
            continue
        try:
            look = look_in_child(
                uploads, _kept(uploads, path, settings.upload_max_mb), settings, Chosen()
            )
        except EcomError as error:
            typer.echo(f"{path} is left out: {error}")
            continue
        if not look.is_readable:
            typer.echo(f"{path} is left out: {look.refusal}")
            uploads.remove(look.upload)
            continue
        looks.append(look)
        typer.echo("\n".join(_lines(look)))
    return looks


def still_open(settings: Settings, looks: Sequence[UploadLook]) -> list[str]:
    """Return what must be answered before files are loaded."""
    of_files = [
        f"{look.upload.name}: {question.label}"
        for look in looks
        for question in look.open_questions
    ]
    of_shop = [
        f"the shop's {asked.key}" for asked in shop_questions(settings, looks) if asked.is_open
    ]
    of_rates = [asked.label for asked in rate_questions(settings, looks) if asked.is_open]
    return of_files + of_shop + of_rates


def asked_rates(settings: Settings, looks: Sequence[UploadLook]) -> dict[str, str]:
    """Ask the person at the terminal what the currencies of files are worth in that of the shop."""
    rates: dict[str, str] = {}
    for question in rate_questions(settings, looks):
        if not question.is_open:
            continue
        typer.echo(question.sentence, err=True)
        while question.key not in rates:
            said: str = typer.prompt(question.label, err=True)
            choices, problems = checked_shop(settings, {question.key: said})
            rates |= choices
            for problem in problems.values():
                typer.echo(problem, err=True)
    return rates


@dataclass
class EarlierAnswers:
    """What was said of the files before, so that twelve monthly files are asked about once."""

    by_question: dict[tuple[object, ...], tuple[str, str]] = field(default_factory=dict)
    """The answer and its file, by what was asked but for numbers, which are of the file."""

    def add(self, look: UploadLook, question: OpenQuestion, answer: str) -> None:
        """Keep an answer."""
        self.by_question.setdefault(_asked_of(look, question), (answer, look.upload.name))

    def take(self, look: UploadLook, question: OpenQuestion) -> str | None:
        """Return the answer to the same question about an earlier file, and say so."""
        answer, name = self.by_question.get(_asked_of(look, question), (None, ""))
        if answer is not None:
            shown_answer = answer_words(question, answer)
            typer.echo(f"{look.upload.name}: {question.label}: {shown_answer}, as for {name}")
        return answer


def _asked_of(look: UploadLook, question: OpenQuestion) -> tuple[object, ...]:
    """Return what a question asks of a file but for its numbers."""
    question_text = re.sub(r"\([^()]*\)|[\d.,]+", "", question.sentence)
    each = tuple(question.each)
    return (
        look.kind,
        look.mapping,
        question_text,
        question.subject,
        question.subjects,
        each,
        question.choices,
    )


def answered(
    settings: Settings, look: UploadLook, rates: Mapping[str, str], earlier: EarlierAnswers
) -> UploadLook | None:
    """Ask the person at the terminal what is open of a file until nothing is; None if they leave
    the file out, as one that has no rows of the shop.

    Args:
        settings: The settings, with the shop's own.
        look: The file as it is known without answers.
        rates: What currencies are worth, as `asked_rates` returns it.
        earlier: What was said of the files before; what is said of this one is added.
    """
    uploads = Uploads(settings.home)
    if rates:
        settings = with_shop_said(settings, uploads.original(look.upload).parent, rates)
    if look.currencies:  # of another than the shop's, or with a rate by now
        look = look_in_child(uploads, look.upload, settings, Chosen(look.answers))
        typer.echo("\n".join(_lines(look)))
    answers = dict(look.answers)
    known_answers: dict[str, str] = {}
    if "timezone" in settings.model_fields_set:  # times without a zone are of the shop's
        known_answers[ZONE] = settings.timezone
    while look.open_questions and not look.refusal:
        asked: list[OpenQuestion] = []
        for question in look.open_questions:
            # What was answered and is open again, only the person can answer otherwise.
            is_new = question.key not in answers
            answer = known_answers.get(question.key) or (
                earlier.take(look, question) if is_new else None
            )
            if answer is None:
                asked.append(question)
            else:
                answers[question.key] = answer
        known_answers = {}
        if asked:
            typer.echo(f"\n{look.upload.name} (type {LEAVE_OUT} to leave this file out)", err=True)
        for question in asked:
            answer = _asked(question)
            if answer is None:
                typer.echo(f"{look.upload.name} is left out.")
                forget(settings.home, [look])
                return None
            answers[question.key] = answer
            earlier.add(look, question, answer)
        look = look_in_child(uploads, look.upload, settings, Chosen(answers))
        typer.echo("\n".join(_lines(look)))
    return look


def load(settings: Settings, looks: Sequence[UploadLook], rates: Mapping[str, str]) -> list[Upload]:
    """Load files, and return them as they are then; each that fails has its sentence.

    Where `ecom ui` runs over the same home, its daemon does it, else this process.
    """
    uploads = Uploads(settings.home)
    if rates:
        ask_shop_said(settings, rates, SENT_BY)
    for look in looks:
        ask_load(settings.home, keep_choices(uploads, look), SENT_BY)
    numbers = [look.upload.number for look in looks]
    seen = last_look(settings.home)
    typer.echo(f"Loading {counted(len(looks), 'file')}; this takes a minute or two.", err=True)
    if seen is None or seen.looked_at < now_utc_without_zone() - ALIVE:
        UploadRun(settings.home, None, run_days, emptied).do(waiting_requests(settings.home))
    while any(uploads.numbered(number).is_waiting for number in numbers):
        time.sleep(AGAIN_S)
    return [uploads.numbered(number) for number in numbers]


def forget(home: Path, looks: Sequence[UploadLook]) -> None:
    """Remove files that nobody wants to load; those of the folder stay."""
    uploads = Uploads(home)
    for look in looks:
        uploads.remove(look.upload)


def loaded_line(upload: Upload) -> str:
    """Return what became of a file."""
    if upload.state != LOADED:
        return f"{upload.name} is not loaded: {upload.sentence}"
    amount = "" if upload.amount is None else f", {money(upload.amount, upload.currency)}"
    days = ", {} to {}".format(*upload.days_of_rows) if upload.days_of_rows else ""
    return f"{upload.name}: {rows_words(upload.kind, upload.counted_count or 0)}{amount}{days}"


def load_question(settings: Settings, looks: Sequence[UploadLook]) -> str:
    """Return what is asked before files are loaded."""
    replaces = " in place of the sample shop" if is_made(settings) else ""
    return f"Load {counted(len(looks), 'file')}{replaces}?"


def _kept(uploads: Uploads, path: Path, upload_max_mb: int) -> Upload:
    most = upload_max_mb * 1_000_000
    size = path.stat().st_size
    with (
        path.open("rb") as file,
        uploads.begin(path.name, SENT_BY, most_bytes=most, expected_bytes=size) as writer,
    ):
        while block := file.read(BLOCK):
            writer.write(block)
        return writer.finish()


def _lines(look: UploadLook) -> list[str]:
    """Return what a file is, and what would become of its rows."""
    if look.currencies:
        return [f"{look.upload.name}: {look.amounts}."]
    if look.refusal:
        return [f"{look.upload.name}: {look.refusal}"]
    fates = [f"  {words}{f': {amount}' if amount else ''}" for _, words, amount in fate_lines(look)]
    return [f"{look.upload.name}: {kind_words(look.kind).lower()}", *fates]


def _asked(question: OpenQuestion) -> str | None:
    """Ask until the answer is one that the question takes; None if the file is left out."""
    typer.echo(sentence_of_question(question), err=True)
    if note := note_of(question):
        typer.echo(f"  {note}", err=True)
    for number, choice in enumerate(question.choices, start=1):
        typer.echo(f"  {number} {answer_words(question, str(choice))}", err=True)

    def accepted(said: str) -> str | None:
        if said.strip().lower() == LEAVE_OUT:
            return None
        # A number stands for a choice, and a city for its zone.
        return question.checked(
            question.choice_of(said) if question.choices else zone_name(said) or said
        )

    return ask_until(question.label, accepted)
