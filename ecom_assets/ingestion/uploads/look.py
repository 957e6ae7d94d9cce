"""What an upload is, and how it would be read: kinds, questions, ten rows, rows and money counted,
refused and left out, with the reasons.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from zoneinfo import available_timezones

import duckdb

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import EcomError, SettingError, UsageError, first_line
from ecom_assets.core.json_text import json_text
from ecom_assets.core.reading_child import OverLimitError, ReadingChild, ReadingLimits
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.settings.subjects import read_texts
from ecom_assets.core.settings.uploaded import (
    FOLDER,
    KINDS,
    OF_SHOP,
    RATE,
    checked_rate,
    chosen_rates,
    list_in_use,
    rate_name,
    rates_text,
    rows_folder,
    shop_choices,
)
from ecom_assets.core.tables.received import BROKEN_PROOF
from ecom_assets.core.tables.values import WEEKDAYS
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading
from ecom_assets.ingestion.sources.files.currency import CurrencyError
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.files.file_names import files_called
from ecom_assets.ingestion.sources.proposal.drafts.draft import NO_AMOUNT
from ecom_assets.ingestion.sources.proposal.drafts.written_events import STAYS
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    CHANNELS_OF,
    EVENT_CODES,
    EVENT_TYPES,
    HOLDS,
    READ_ANEW,
    ROWS,
    THEY_WAIT,
    ZONE,
    OpenQuestion,
    answer_of_each,
    parts_of_answer,
)
from ecom_assets.ingestion.sources.proposal.unused import unused_lines
from ecom_assets.ingestion.sources.reading import (
    COUNTED,
    CustomerFileReading,
    FileReading,
    MoneyRead,
    NotClean,
)
from ecom_assets.ingestion.sources.readings import Reading
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.uploads.landed import COPIES
from ecom_assets.ingestion.uploads.late_values import add_late_values
from ecom_assets.ingestion.uploads.packed import beginning_of, require_unpacked_size
from ecom_assets.ingestion.uploads.store import MAPPINGS, Upload, Uploads, as_sent

LOOK: Final = ReadingLimits(memory_mb=300, cpu_s=300, time_s=600)
LARGE_LOOK: Final = ReadingLimits(memory_mb=650, cpu_s=300, time_s=600)
"""What a look may take; beside one that takes more than most, no other one begins."""
KEPT_MARK: Final = "kept:"
"""What the name of a kept mapping begins with where shipped ones can be chosen, too."""
BY_COLUMNS: Final = "By the names and values of the columns"
UNKNOWN_STATE: Final = "unknown_status"
ZONES: Final = (
    "UTC",
    *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")),
)
"""The time zones to choose from."""
OF_DAYS: Final = ("timezone", "currency", "week_start")
"""What of the shop numbers of days follow from; its name is only shown."""
DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True)
class UploadLook:
    """What is known of an upload, with the answers so far; all of it is plain data.

    Attributes:
        upload: The upload.
        kind: What its rows are, as it is read now; empty if it cannot be read.
        kinds: What a person may say that they are.
        mapping: The mapping it is read by: `kept:NAME`, the name of a shipped one, or `own` for
            one by the names and values of its columns.
        mappings: All that can be chosen, each with what is shown of it, the best first.
        lines: What the file is, as label and value: name, rows, format, encoding.
        why: Why it is read so, in sentences.
        questions: All questions about it, answered or not, in order.
        answers: The answers that are possible, by the keys of their questions.
        problems: What is wrong with the others, by the same keys.
        open_questions: What must be answered before it is loaded.
        guessed: The keys that are guessed for the rows and numbers below.
        rows: `{"read": n, "counted": n, "rejected": {reason: n}}`; empty if it cannot be read.
        money: Rows, orders and money that would count (`counted`), be refused (`refused`) and be
            left out (`left_out`); empty for what has no money.
        spent: Of ad spend: what the rows that would count cost, by the currency of their accounts.
        not_clean: Why rows do not count, the most frequent reason first.
        event_types: Of events: the name in the file, ours, and its rows.
        preview: Ten rows as they would be read, by time.
        is_part: Whether only the beginning of a large file was looked at; the numbers are of that.
        refusal: Why the file cannot be read, in a sentence; empty if it can.
        currencies: Where its amounts cannot be added up until somebody says what these currencies
            are worth: they, the most frequent first. One of them may be the shop's.
        amounts: What the amounts are then, in a sentence without its end.
        text: The mapping as YAML, to be shown and downloaded.
    """

    upload: Upload
    kind: str = ""
    kinds: tuple[str, ...] = ()
    mapping: str = ""
    mappings: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    why: tuple[str, ...] = ()
    questions: tuple[OpenQuestion, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    open_questions: tuple[OpenQuestion, ...] = ()
    guessed: frozenset[str] = frozenset()
    rows: NamedValues = field(default_factory=dict)
    money: Mapping[str, MoneyRead] = field(default_factory=dict)
    spent: tuple[MoneyRead, ...] = ()
    not_clean: tuple[NotClean, ...] = ()
    event_types: tuple[tuple[str, str, int], ...] = ()
    preview: tuple[NamedValues, ...] = ()
    is_part: bool = False
    refusal: str = ""
    currencies: tuple[str, ...] = ()
    amounts: str = ""
    text: str = ""

    @property
    def is_readable(self) -> bool:
        """Return whether the file can be read, by now or with further answers."""
        return not self.refusal or bool(self.currencies)

    @property
    def is_ready(self) -> bool:
        """Return whether nothing is open, so that it can be loaded."""
        return not (self.refusal or self.currencies or self.open_questions or self.problems)


@dataclass(frozen=True)
class ShopQuestion:
    """What the platform has to know of the shop once, for all files.

    Attributes:
        key: The setting, one of `OF_SHOP`.
        label: What is asked, in a few words.
        sentence: What follows from it.
        value: What is known, or guessed; empty if nothing is.
        choices: The possible answers; empty for a text.
        is_open: Whether it must be answered before anything is loaded.
        is_set: Whether a setting says it, so that the page only shows it.
    """

    key: str
    label: str
    sentence: str
    value: str = ""
    choices: tuple[str, ...] = ()
    is_open: bool = False
    is_set: bool = False


@dataclass(frozen=True)
class Chosen:
    """What a person has said of an upload so far.

    Attributes:
        answers: What was answered, by the keys of the questions.
        kind: What the rows are, one of `UploadLook.kinds`; empty to decide by what they have.
        mapping: Which of `UploadLook.mappings` reads it; empty for the best.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    mapping: str = ""


def look_in_child(
    uploads: Uploads, upload: Upload, settings: Settings, chosen: Chosen | None = None
) -> UploadLook:
    """Return what `look_at` does, which another process reads: whatever the file is, it takes no
    more than `LARGE_LOOK`, and a file that takes more is refused.

    Raises:
        UsageError: The file is not kept any more.
        WorkError: The process cannot be started.
    """
    with ReadingChild(LARGE_LOOK) as child:
        try:
            return child.run(upload.name, look_at, uploads, upload, settings, chosen)
        except OverLimitError as error:
            return refused(upload, error)


def refused(upload: Upload, error: EcomError) -> UploadLook:
    """Return the look at an upload that cannot be read for a reason."""
    lines = (("File", upload.name),)
    return UploadLook(upload, kinds=tuple(KINDS), lines=lines, refusal=str(error))


def look_at(
    uploads: Uploads, upload: Upload, settings: Settings, chosen: Chosen | None = None
) -> UploadLook:
    """Return what an upload is, and how it would be read with the answers so far.

    A file that cannot be read is no error: `refusal` says why. One that nobody knows yet is read in
    another process: `look_in_child`.

    Args:
        uploads: The uploads, whose kept mappings are tried first.
        upload: The upload.
        settings: The settings, such as the shop's zone.
        chosen: What a person has said so far; by default what is noted of the upload.

    Raises:
        UsageError: The file is not kept any more.
    """
    if chosen is None:
        kept = f"{KEPT_MARK}{upload.mapping}" if upload.mapping else ""
        chosen = Chosen(upload.file_answers, upload.kind, kept)
    original = uploads.original(upload)
    copies = original.parent / COPIES
    copies.mkdir(mode=0o700, exist_ok=True)
    look = UploadLook(upload, kinds=tuple(KINDS), lines=(("File", upload.name),))
    try:
        with copies_in(copies), files_called(partial(as_sent, upload=upload)):
            require_unpacked_size(original)
            path, is_part = beginning_of(original, copies)
            if is_part:
                add_late_values(original, path)
            look = replace(look, is_part=is_part)
            return _Looker(uploads, look, str(path), settings, chosen, copies).looked()
    except EcomError as error:
        return replace(look, refusal=_named(str(error), look))
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from error
    except (duckdb.Error, OSError, ValueError, ArithmeticError) as error:
        return replace(look, refusal=f"{upload.name} cannot be read: {first_line(error)}.")


def _named(sentence: str, look: UploadLook) -> str:
    """Return a sentence with the name that people know."""
    return as_sent(sentence, look.upload) or look.upload.name


@dataclass(frozen=True)
class _Looker:
    """Looks at one file, or at the beginning of it."""

    uploads: Uploads
    look: UploadLook
    path: str
    settings: Settings
    chosen: Chosen
    copies: Path

    def looked(self) -> UploadLook:
        """Return what there is to know of the file."""
        if (by_kept := self._by_kept_mapping()) is not None:
            return by_kept
        kind = MappingKind(self.chosen.kind) if self.chosen.kind in set(MappingKind) else None
        search = MappingSearch([self.path], self.settings, kind)
        if (listed := search.listed_kind) is not None:
            kind, search = listed, MappingSearch([self.path], self.settings, listed)
        mapping = "" if self.chosen.mapping.startswith(KEPT_MARK) else self.chosen.mapping
        mapping = mapping or self._known_by_orders(search)
        answers, problems = search.accepted(self._with_kept_answers(search, mapping), mapping)
        answers |= likely_types(search.proposal(answers, mapping).questions, answers)
        proposal = search.proposal(answers, mapping)
        guesses = search.guesses(answers, mapping)
        still_open = tuple(
            self._with_earlier(question, proposal.kind)
            for question in open_questions(proposal, answers)
            if question.key != ROWS or kind is None
        )
        fits = [(fit.name, fit.why) for fit in search.fits]
        best = fits[0][0] if fits else OWN
        is_anew = self.chosen.answers.get(HOLDS) == READ_ANEW
        of_proofs = [_proof_question()] if is_anew else []
        look = replace(
            self.look,
            kind=str(kind or proposal.kind),
            mapping=mapping if mapping in {OWN, *dict(fits)} else best,
            mappings=(*self._kept_choices(), *fits, (OWN, BY_COLUMNS)),
            lines=(*self.look.lines, *_lines(search)),
            why=(*proposal.why, *unused_lines(proposal.unused)),
            questions=(
                *of_proofs,
                *(self._with_earlier(question, proposal.kind) for question in proposal.questions),
            ),
            answers=answers
            | dict.fromkeys([open_question.key for open_question in of_proofs], READ_ANEW),
            problems=problems,
            open_questions=still_open,
            guessed=frozenset(guesses.keys() - answers.keys()),
            text=proposal.text,
        )
        try:
            with read_by(search, search.proposal(guesses, mapping), self.copies) as reading:
                return _with_reading(look, reading)
        except CurrencyError as error:
            if error.currencies and may_choose_rates(self.settings):
                look = replace(
                    look, currencies=error.currencies, amounts=_named(error.amounts, look)
                )
            return look if still_open else replace(look, refusal=_named(str(error), look))
        except EcomError as error:
            if still_open:  # it can be read once they are answered
                return look
            return replace(look, refusal=_named(str(error), look))

    def _by_kept_mapping(self) -> UploadLook | None:
        """Return the look by a kept mapping that knows all of the file, else by one of which rows
        break a proof, which is asked about; None if none does.
        """
        wanted, answers = self.chosen.mapping, self.chosen.answers
        is_anew = answers.get(HOLDS) == READ_ANEW or bool(answers.keys() - {HOLDS})
        if not wanted.startswith(KEPT_MARK) and (wanted or is_anew):
            return None
        looks = (
            self._read_by(kept)
            for kept in kept_mappings(self.uploads)
            if self.chosen.kind in {"", kept.kind}
            and (wanted == f"{KEPT_MARK}{kept.name}" or not (wanted or kept.has_channels))
        )
        broken = None
        for look in filter(None, looks):
            if BROKEN_PROOF not in look.rows["rejected"]:
                return look
            broken = broken or look
        return broken

    def _read_by(self, kept: "KeptMapping") -> UploadLook | None:
        """Return the look by a kept mapping; None if the file has what that does not know."""
        path = kept_mapping_path(self.uploads, kept.name)
        try:
            kind = MappingKind(kept.kind)
            reading = feeds()[kind].read([self.path], str(path), self.settings)
            look = _with_reading(self.look, reading)
        except (EcomError, duckdb.Error):
            return None
        if not kept.knows(look):
            return None
        look = self._with_proofs(look)
        return replace(
            look,
            kind=kept.kind,
            mapping=f"{KEPT_MARK}{kept.name}",
            mappings=(*self._kept_choices(), (OWN, BY_COLUMNS)),
            lines=(*look.lines, ("Rows", f"{look.rows['read']:,}")),
            why=(f"It is read as the files before it, by {kept.name}.",),
            answers={**{answer.key: answer.answer for answer in kept.answers}, **look.answers},
            text=path.read_text(encoding="utf-8"),
        )

    def _with_proofs(self, look: UploadLook) -> UploadLook:
        """Return a look by a kept mapping with a question about the rows that break a proof of it;
        without one where none does.
        """
        broken = [why for why in look.not_clean if why.reason == BROKEN_PROOF]
        if not broken:
            return look
        question = _proof_question("; ".join(broken[0].broken))
        said = {HOLDS: THEY_WAIT} if self.chosen.answers.get(HOLDS) == THEY_WAIT else {}
        still_open = () if said else (question,)
        return replace(look, questions=(question,), open_questions=still_open, answers=said)

    def _known_by_orders(self, search: MappingSearch) -> str:
        """Return the shipped mapping of customers by whose ids most have ordered in files that are
        loaded; empty where none has, or there is no choice.

        A list of customers has several ids of each, and orders name them by one of these.
        """
        readings = {
            fit.name: fit.reading
            for fit in search.fits
            if isinstance(fit.reading, CustomerFileReading)
        }
        orders = rows_folder(self.settings.home, "orders").glob("*/received_date=*/*.parquet")
        if len(readings) < 2 or not (paths := [str(path) for path in orders]):  # noqa: PLR2004 (a choice)
            return ""
        rows = f"read_parquet({texts(paths)}, hive_partitioning = false)"
        with duckdb.connect() as con:
            named = con.execute(select("DISTINCT customer_id", rows)).fetchall()
        ids = {customer_id for (customer_id,) in named}
        have_ordered = {
            name: sum(record.customer.id in ids for record in reading.records if record.customer)
            for name, reading in readings.items()
        }
        best = max(have_ordered, key=lambda name: have_ordered[name])
        return best if have_ordered[best] else ""

    def _kept_choices(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (f"{KEPT_MARK}{kept.name}", f"{kept.name}: as files before it")
            for kept in kept_mappings(self.uploads)
        )

    def _with_kept_answers(self, search: MappingSearch, mapping: str) -> dict[str, str]:
        """Return the answers of this file, and those of files before about the same; times without
        a zone are of the shop's, where that is known.
        """
        answers = dict(self.chosen.answers)
        while True:
            accepted, _ = search.accepted(answers, mapping)
            proposal = search.proposal(accepted, mapping)
            earlier = _earlier_answers(self.uploads, str(proposal.kind))
            if "timezone" in self.settings.model_fields_set:
                earlier = {(ZONE, ""): self.settings.timezone, **earlier}
            fresh = {
                question.key: answer
                for question in proposal.questions
                if question.key not in answers
                and (answer := _earlier_answer(question, earlier)) is not None
                and question.is_possible(answer)
            }
            if not fresh:
                return answers
            answers |= fresh

    def _with_earlier(self, question: OpenQuestion, kind: MappingKind) -> OpenQuestion:
        """Return a question about several values that guesses what files before said of some."""
        if not question.each:
            return question
        earlier = _said_of_each(question, _earlier_answers(self.uploads, str(kind)))
        return replace(question, guess=answer_of_each(parts_of_answer(question.guess) | earlier))


def _proof_question(named: str = "") -> OpenQuestion:
    """Return the question what rows are that break proofs of the mapping of files before."""
    sentence = (
        "what rows are that are not as those of files before"
        f"{f' ({named})' if named else ''}: {THEY_WAIT}, and the others are read as before, or "
        f"they are right: {READ_ANEW}, by the columns of this file"
    )
    return OpenQuestion(HOLDS, sentence, (THEY_WAIT, READ_ANEW), THEY_WAIT, note=named)


def likely_types(questions: Sequence[OpenQuestion], answers: Mapping[str, str]) -> dict[str, str]:
    """Return what events that nobody has named yet probably are, and how visits probably came, as
    the page shows it filled in.
    """
    asked = {*EVENT_TYPES, *CHANNELS_OF} - answers.keys()
    return {
        question.key: question.guess
        for question in questions
        if question.key in asked and question.guess != STAYS
    }


def _with_reading(look: UploadLook, reading: Reading) -> UploadLook:
    """Return a look with the rows and the money of a reading."""
    money = reading.money if isinstance(reading, FileReading) else {}
    # Lines whose amount is asked for are read as of 0.00 until then, which is nothing to be said.
    if any(
        question.key == "payment_amount" and question.guess == NO_AMOUNT
        for question in look.open_questions
    ):
        money = {fate: replace(read, amount=None) for fate, read in money.items()}
    return replace(
        look,
        why=(*look.why, *(f"{note}." for note in reading.rows_json.get("notes", ()))),
        rows=reading.rows_json,
        money=money,
        spent=reading.spent if isinstance(reading, AdSpendFileReading) else (),
        not_clean=tuple(reading.not_clean),
        event_types=tuple(reading.event_types),
        preview=tuple(reading.preview),
    )


def _lines(search: MappingSearch) -> Iterator[tuple[str, str]]:
    try:
        seen = search.look
    except EcomError:  # no header, as in a layout whose mapping knows the columns by their places
        return
    yield "Rows", f"{seen.row_count:,}"
    yield "Format", seen.format.upper()
    if seen.format == "csv" and seen.sheet is None:
        yield "Encoding", seen.encoding or "UTF-8"
        yield "Columns are separated by", DELIMITERS[seen.delimiter]


def _stem(key: str) -> str:
    """Return the key of a question about one of many values without its number, which differs
    between files.
    """
    return re.sub(r"_[0-9]+$", "", key)


def _earlier_answer(question: OpenQuestion, earlier: Mapping[tuple[str, str], str]) -> str | None:
    """Return what was answered to a question before; None if it was not asked, or not of all that
    it is about now.
    """
    if not question.each:
        return earlier.get((_stem(question.key), question.subject))
    said = _said_of_each(question, earlier)
    return answer_of_each(said) if said.keys() == question.each.keys() else None


def _said_of_each(question: OpenQuestion, earlier: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Return what was answered before about values of a question about several."""
    stem = _stem(EVENT_TYPES[0])
    return {code: earlier[stem, code] for code in question.each if (stem, code) in earlier}


@dataclass(frozen=True)
class KeptAnswer:
    """An answer, to the question of a key about a value of the file; without one, empty."""

    key: str
    subject: str
    answer: str


@dataclass(frozen=True)
class KeptMapping:
    """A mapping that was kept: its name, what it reads, the event types that its first file had,
    and the answers that it was made by.
    """

    name: str
    kind: str
    event_types: frozenset[str] = frozenset()
    answers: tuple[KeptAnswer, ...] = ()

    @property
    def has_channels(self) -> bool:
        """Return whether it says how visits came by the words of a column: a word that is new would
        go unseen, so a file is asked about, with the answers about the others.
        """
        return any(answer.key in CHANNELS_OF for answer in self.answers)

    def knows(self, look: UploadLook) -> bool:
        """Return whether nothing of a file is new to it: no state, no event type; a column that is
        new does not get so far, and of rows that break a proof somebody is asked.
        """
        rejected = look.rows["rejected"]
        is_read = (
            (look.rows["counted"] + rejected.get(BROKEN_PROOF, 0)) * 2 >= look.rows["read"] > 0
        )
        is_known = UNKNOWN_STATE not in rejected
        return is_read and is_known and {name for name, *_ in look.event_types} <= self.event_types


def kept_mappings(uploads: Uploads) -> list[KeptMapping]:
    """Return the kept mappings, the newest first."""
    paths = sorted(
        (uploads.folder / MAPPINGS).glob("*.json"),
        key=lambda path: (path.stat().st_mtime_ns, path.name),
        reverse=True,
    )
    return [_kept_mapping(path) for path in paths if path.with_suffix(".yaml").exists()]


def _kept_mapping(path: Path) -> KeptMapping:
    content = json.loads(path.read_text(encoding="utf-8"))
    answers = tuple(KeptAnswer(**answer) for answer in content["answers"])
    return KeptMapping(path.stem, content["kind"], frozenset(content["event_types"]), answers)


def _earlier_answers(uploads: Uploads, kind: str) -> dict[tuple[str, str], str]:
    """Return what was answered of files of a kind; the newest answer to a question is the last."""
    answers = [
        answer
        for kept in reversed(kept_mappings(uploads))
        if kept.kind == kind
        for answer in kept.answers
    ]
    said: dict[tuple[str, str], str] = {}
    for answer in answers:
        if answer.key == EVENT_CODES:  # a later file may have some of these codes
            each = parts_of_answer(answer.answer)
            said |= {(_stem(EVENT_TYPES[0]), code): meaning for code, meaning in each.items()}
        else:
            said[_stem(answer.key), answer.subject] = answer.answer
    return said


def keep_choices(uploads: Uploads, look: UploadLook) -> Upload:
    """Keep the mapping of a look under a name, by which files of this layout are read from now on,
    and note it for the upload.

    Raises:
        UsageError: Something is open; the sentence names it.
    """
    if not look.is_ready:
        still_open = ", ".join(question.label for question in look.open_questions)
        named = ", ".join([*look.problems, *([still_open] if still_open else [])])
        raise UsageError(look.refusal or f"Of {look.upload.name} is open: {named}.")
    name = look.mapping.removeprefix(KEPT_MARK)
    if not look.mapping.startswith(KEPT_MARK):
        name = _write_mapping(uploads, look)
    return uploads.choose(look.upload, kind=look.kind, mapping=name, answers=look.answers)


def _write_mapping(uploads: Uploads, look: UploadLook) -> str:
    """Write the mapping of a look, and return its name; one of the same text has one name."""
    folder = uploads.folder / MAPPINGS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = look.mapping if look.mapping != OWN else _mapping_name(look.upload.name)
    lines = [line for line in look.text.splitlines() if not line.startswith("#")]
    text = "\n".join([*lines, ""])
    number = 1
    while True:
        name = f"{look.kind}-{base}" if number == 1 else f"{look.kind}-{base}-{number}"
        path = folder / f"{name}.yaml"
        if not path.exists() or path.read_text(encoding="utf-8") == text:
            break
        number += 1
    subjects = {question.key: question.subject for question in look.questions}
    content = {
        "kind": look.kind,
        "event_types": sorted(name for name, *_ in look.event_types),
        "answers": [
            {"key": key, "subject": subjects.get(key, ""), "answer": answer}
            for key, answer in look.answers.items()
            if key != HOLDS  # it is of these rows
        ],
    }
    replace_bytes(path, text.encode(), 0o600)
    replace_bytes(path.with_suffix(".json"), json_text(content, indent=1).encode(), 0o600)
    return name


def _mapping_name(file_name: str) -> str:
    """Return what a mapping by a file's columns is called: its name, in letters of addresses."""
    name = re.sub(r"[^a-z0-9_-]+", "_", file_name.partition(".")[0].lower())
    return name.strip("_-")[:80] or "file"


def kept_mapping_path(uploads: Uploads, name: str) -> Path:
    """Return the file of a kept mapping.

    Raises:
        UsageError: There is none of this name.
    """
    path = uploads.folder / MAPPINGS / f"{Path(name).name}.yaml"
    if not path.is_file():
        raise UsageError(f"There is no kept mapping {name!r}.")
    return path


def mapping_of_kept(uploads: Uploads, upload: Upload) -> tuple[str, Path]:
    """Return which mapping the kept one of an upload was made of, the name of a shipped one or
    `own`, and its file.

    Raises:
        UsageError: It has none.
    """
    path = kept_mapping_path(uploads, upload.mapping)
    extended = re.match(r"extends: (\S+)", path.read_text(encoding="utf-8"))
    return (extended[1] if extended else OWN), path


def may_choose_rates(settings: Settings) -> bool:
    """Return whether rates can be chosen on the page: no setting names a file of them, and none
    was sent.
    """
    if settings.rates is None:
        return True
    is_sent = settings.rates == list_in_use(settings.home, "rates")
    return settings.rates.is_relative_to(settings.home / FOLDER) and not is_sent


def rate_questions(
    settings: Settings, looks: Sequence[UploadLook], said: Mapping[str, str] | None = None
) -> tuple[ShopQuestion, ...]:
    """Return what currencies are worth in that of the shop: those of files that need it, and those
    of which it was chosen before, or is said with these files.
    """
    if not may_choose_rates(settings):
        return ()
    names_in_files = [name for look in looks for name in look.currencies]
    currency = settings.currency or _first_code(names_in_files)
    chosen = {**chosen_rates(settings.home), **(said or {})}
    names = dict.fromkeys(rate_name(currency, name) for name in names_in_files if name != currency)
    names |= {name: None for name in chosen if name.startswith(rate_name(currency, ""))}
    return tuple(
        ShopQuestion(
            name,
            f"What is 1 {name.rpartition('.')[2]} worth in {currency}?",
            "Amounts of all days are converted by it. A rate for each day takes a file of rates "
            "(ECOM_RATES).",
            chosen.get(name, ""),
            is_open=name not in chosen,
        )
        for name in names
        if currency
    )


def _first_code(names: Sequence[str]) -> str:
    """Return the first of some currencies that is a code, and no sign; empty if none is."""
    return next((name for name in names if re.fullmatch("[A-Z]{3}", name)), "")


def shop_questions(settings: Settings, looks: Sequence[UploadLook]) -> tuple[ShopQuestion, ...]:
    """Return what is to be known of the shop for files that were looked at, and what is known."""
    stated = {read.currency for look in looks for read in look.money.values() if read.currency}
    has_money = any(look.money.get(COUNTED) for look in looks) or any(
        KINDS[look.kind].asks_currency or look.currencies for look in looks if look.kind
    )
    is_set = {name: name in settings.model_fields_set for name in OF_SHOP}
    first_code = _first_code([name for look in looks for name in look.currencies])
    currency = settings.currency or (next(iter(stated)) if len(stated) == 1 else first_code)
    questions = (
        ShopQuestion(
            "currency",
            "Currency",
            "Of all amounts; of other currencies you are asked what they are worth.",
            currency,
            is_open=has_money and not currency,
            is_set=is_set["currency"],
        ),
        ShopQuestion(
            "timezone",
            "Time zone",
            "Days begin at midnight here; files that say no zone are read in it.",
            settings.timezone if is_set["timezone"] else "",
            ZONES,
            is_open=not is_set["timezone"],
            is_set=is_set["timezone"],
        ),
        ShopQuestion(
            "week_start",
            "Weeks begin on",
            "Of weekly numbers.",
            settings.week_start,
            WEEKDAYS,
            is_set=is_set["week_start"],
        ),
        ShopQuestion(
            "shop_name",
            "Name of the shop",
            "At the top of the pages.",
            settings.shop_name,
            is_set=is_set["shop_name"],
        ),
    )
    of_stock = ShopQuestion(
        "delivery_days",
        "Days until a delivery",
        "Of products whose stock list does not say them; the next run counts by it.",
        "" if settings.delivery_days is None else str(settings.delivery_days),
        is_set=is_set["delivery_days"],
    )
    # As it was written, where it was chosen on the page: a text that differs is said elsewhere.
    written = shop_choices(settings.home).get("vendor_delivery_days", "")
    by_vendor = ShopQuestion(
        "vendor_delivery_days",
        "Days until a delivery, by vendor",
        "Where a vendor takes other days, such as Acme=21, Beta=7.",
        written
        if read_texts(written) == settings.vendor_delivery_days
        else ", ".join(settings.vendor_delivery_days),
        is_set=is_set["vendor_delivery_days"],
    )
    return questions if looks else (*questions, of_stock, by_vendor)


def with_shop_said(settings: Settings, folder: Path, said: Mapping[str, str]) -> Settings:
    """Return settings as they are once what was said of the shop with a file holds; what the
    environment, .env or ecom.toml says goes before it.

    Args:
        settings: The settings, with what was chosen for the shop.
        folder: Where a file of rates is kept that only the look at a file knows.
        said: What was said, as `Upload.shop_answers`; it was checked before.
    """
    chosen = shop_choices(settings.home)
    of_shop = {
        name: said[name]
        for name in OF_SHOP
        if name in said and (name in chosen or name not in settings.model_fields_set)
    }
    if not said:
        return settings
    checked = load_settings(**{"home": settings.home, **of_shop})
    values: dict[str, Any] = {name: getattr(checked, name) for name in of_shop}
    rates = {**chosen_rates(settings.home), **said}
    currency = values.get("currency", settings.currency)
    if may_choose_rates(settings) and any(
        name.startswith(rate_name(currency, "")) for name in rates
    ):
        content = rates_text(currency, rates).encode()
        path = folder / f".rates-{sha256(content).hexdigest()[:16]}.csv"
        if not path.exists():
            replace_bytes(path, content, 0o600)
        values["rates"] = path
    return settings.model_copy(update=values)


def checked_shop(
    settings: Settings, answers: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the answers to `shop_questions` and `rate_questions` as they are kept; and, by their
    keys, what is wrong with those that are not possible.
    """
    filled = {name: answers[name].strip() for name in answers if answers[name].strip()}
    choices: dict[str, str] = {name: filled[name] for name in OF_SHOP if name in filled}
    problems: dict[str, str] = {}
    for name, value in choices.items():
        try:
            load_settings(**{"home": settings.home, name: value})
        except SettingError as error:
            problems[name] = str(error)
    for name, value in filled.items():
        if name.startswith(RATE):
            try:
                choices[name] = checked_rate(value)
            except ValueError as error:
                problems[name] = str(error)
    return choices, problems


def changes_days(settings: Settings, said: Mapping[str, str]) -> bool:
    """Return whether numbers of days that are there follow from what is said of the shop, so that
    all of them have to be computed again.
    """
    chosen = chosen_rates(settings.home)
    return settings.has_own_data and any(
        chosen.get(name, value) != value
        if name.startswith(RATE)
        else name in OF_DAYS and str(getattr(settings, name)) != value
        for name, value in said.items()
    )
