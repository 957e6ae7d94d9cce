"""What an upload is, and how it would be read: kinds, questions, ten rows, rows and money counted,
refused and left out, with the reasons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.questions import OpenQuestion
from ecom_assets.ingestion.sources.reading import MoneyRead, NotClean
from ecom_assets.ingestion.uploads.store import Upload, Uploads


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
        not_clean: Why rows do not count, the most frequent reason first.
        event_types: Of events: the name in the file, ours, and its rows.
        preview: Ten rows as they would be read, by time.
        is_part: Whether only the beginning of a large file was looked at; the numbers are of that.
        refusal: Why the file cannot be read, in a sentence; empty if it can.
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
    rows: Mapping[str, Any] = field(default_factory=dict)
    money: Mapping[str, MoneyRead] = field(default_factory=dict)
    not_clean: tuple[NotClean, ...] = ()
    event_types: tuple[tuple[str, str, int], ...] = ()
    preview: tuple[Mapping[str, Any], ...] = ()
    is_part: bool = False
    refusal: str = ""
    text: str = ""

    @property
    def is_ready(self) -> bool:
        """Return whether nothing is open, so that it can be loaded."""
        return not (self.refusal or self.open_questions or self.problems)


@dataclass(frozen=True)
class ShopQuestion:
    """What the platform has to know of the shop once, for all files.

    Attributes:
        key: The setting: `currency`, `timezone`, `week_start` or `shop_name`.
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


def look_at(
    uploads: Uploads, upload: Upload, settings: Settings, chosen: Chosen | None = None
) -> UploadLook:
    """Return what an upload is, and how it would be read with the answers so far.

    A file that cannot be read is no error: `refusal` says why.

    Args:
        uploads: The uploads, whose kept mappings are tried first.
        upload: The upload.
        settings: The settings, such as the shop's zone.
        chosen: What a person has said so far; by default what is noted of the upload.

    Raises:
        UsageError: The file is not kept any more.
    """
    raise NotImplementedError


def keep_choices(uploads: Uploads, look: UploadLook) -> Upload:
    """Keep the mapping of a look under a name, by which files of this layout are read from now on,
    and note it for the upload.

    Raises:
        UsageError: Something is open; the sentence names it.
    """
    raise NotImplementedError


def kept_mapping_path(uploads: Uploads, name: str) -> Path:
    """Return the file of a kept mapping.

    Raises:
        UsageError: There is none of this name.
    """
    raise NotImplementedError


def shop_questions(settings: Settings, looks: Sequence[UploadLook]) -> tuple[ShopQuestion, ...]:
    """Return what is to be known of the shop for files that were looked at, and what is known."""
    raise NotImplementedError


def answer_shop(settings: Settings, answers: Mapping[str, str]) -> Mapping[str, str]:
    """Keep the answers to `shop_questions`; return, by their keys, what is wrong with those that
    are not possible, of which none is kept then.
    """
    raise NotImplementedError
