"""Map a file: a sample that somebody uploads, what it looks like, how it would be read,
and the mapping for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import available_timezones

from pydantic import Field, create_model

from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    MappingSearch,
    Reading,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.questions import KEYS, LABELS, ROWS, OpenQuestion, shown
from ecom_assets.ingestion.sources.reading import money_lines
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Custom,
    DataTable,
    Heading,
    Notice,
    Several,
    TableColumn,
)
from ecom_assets.interfaces.dashboard.formats import in_words
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
from ecom_assets.interfaces.dashboard.samples import COPIES, MAX_BYTES, Samples
from ecom_assets.interfaces.dashboard.sessions import token_of

PATH: Final = "mapping"
ZONES: Final = tuple(sorted(name for name in available_timezones() if name == "UTC" or "/" in name))
MOST_CHARACTERS: Final = 60
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

_ANSWERS: Any = {key: (str | None, Field(None, max_length=200)) for key in KEYS}
# The proposal lists the keys of its questions: the address of the page has a parameter for each.
MappingParameters = create_model(
    "MappingParameters",
    __base__=PageParameters,
    __doc__="The sample, which mapping is tried, and the answers to questions about the file.",
    sample=(str | None, Field(None, max_length=64, pattern="^[0-9a-f]*$")),
    mapping=(str | None, Field(None, max_length=100)),
    **_ANSWERS,
)


@dataclass(frozen=True)
class MappingFormField:
    """A question as a field of the form; without options its value is typed,
    and time zones are suggested.
    """

    name: str
    label: str
    sentence: str
    value: str
    options: tuple[tuple[str, str], ...]
    problem: str = ""


def sample(view: View) -> Block:
    """Return the form that takes a file; for an uploaded one, all that is known about it."""
    if not view.may(Scope.WRITE):
        return Notice("Uploading a file needs a key of scope `write`; log in with one.")
    samples = samples_of(view.request)
    if not view.filters.sample:
        return Custom("sample_upload.html", {"max_megabytes": MAX_BYTES // 1_000_000})
    samples.remove_old()
    path = samples.path(view.filters.sample)
    with copies_in(path.parent / COPIES):
        return Several(tuple(_blocks(view, path)))


def samples_of(request: Any) -> Samples:  # noqa: ANN401 (of Starlette)
    """Return the samples of the login that a request has."""
    return Samples(request.app.state.settings.home, token_of(request))


def _blocks(view: View, path: Path) -> Sequence[Block]:
    texts = {key: (getattr(view.filters, key) or "").strip() for key in KEYS}
    answers = {key: text for key, text in texts.items() if text}
    kind = MappingKind(answers[ROWS]) if answers.get(ROWS) in set(MappingKind) else None
    search = MappingSearch([str(path)], view.request.app.state.settings, kind)
    mapping = view.filters.mapping or ""
    values = {"sample": view.filters.sample, "look": _look_lines(search, path), "zones": ZONES}
    try:
        accepted, problems = search.accepted(answers, mapping)
        proposal = search.proposal(accepted, mapping)
        guesses = search.guesses(accepted, mapping)
    except UsageError as error:  # what a row is can still be said otherwise
        fields = [_mapping_field(search, mapping), _rows_field(kind or MappingKind.EVENTS)]
        form = Custom("sample_form.html", {**values, "why": (), "fields": fields, "still_open": ()})
        return [form, Notice(str(error), "bad")]
    questions = [
        _field(question, answers, problems)
        for question in proposal.questions
        if question.key != ROWS
    ]
    fields = [_mapping_field(search, mapping), _rows_field(kind or proposal.kind), *questions]
    still_open = open_questions(proposal, accepted)
    form = Custom(
        "sample_form.html",
        {**values, "why": proposal.why, "fields": fields, "still_open": still_open},
    )
    read = _reading_blocks(
        search, search.proposal(guesses, mapping), guesses.keys() - accepted.keys()
    )
    return [form, *read, _yaml(proposal, path)]


def _look_lines(search: MappingSearch, path: Path) -> list[tuple[str, str]]:
    look = search.look
    delimiters = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
    lines = [("File", path.name), ("Rows", f"{look.row_count:,}"), ("Format", look.format.upper())]
    if look.format == "csv":
        lines += [
            ("Encoding", look.encoding or "UTF-8"),
            ("Columns are separated by", delimiters[look.delimiter]),
        ]
    lists = [f"{record_list.path} (up to {record_list.most})" for record_list in look.lists.items]
    return [*lines, *([("Lists in records", ", ".join(map(shown, lists)))] if lists else [])]


def _mapping_field(search: MappingSearch, chosen: str) -> MappingFormField:
    fits = [
        (fit.name, f"{fit.name}: {fit.clean_count:,} of {fit.row_count:,} rows are clean")
        for fit in search.fits
    ]
    first = fits[0][0] if fits else OWN
    options = (*fits, (OWN, "By the names and values of the columns"))
    value = chosen if chosen in dict(options) else first
    return MappingFormField(
        "mapping",
        "Mapping",
        "Which of the shipped mappings reads the file, the best first",
        value,
        options,
    )


def _rows_field(kind: MappingKind) -> MappingFormField:
    options = tuple((option.value, in_words(option.value)) for option in MappingKind)
    return MappingFormField(
        ROWS, LABELS[ROWS], "Events, order lines, customers or costs", kind, options
    )


def _field(
    question: OpenQuestion, answers: Mapping[str, str], problems: Mapping[str, str]
) -> MappingFormField:
    options = tuple((choice, shown(choice)) for choice in question.choices)
    sentence = f"{question.sentence[:1].upper()}{question.sentence[1:]}"
    value, problem = answers.get(question.key, ""), problems.get(question.key, "")
    first = (
        f"As a run reads it: {shown(question.guess)}" if question.is_optional else "Please choose"
    )
    open_option = (("", first),) if options else ()
    return MappingFormField(
        question.key, question.label, sentence, value, (*open_option, *options), problem
    )


def _reading_blocks(
    search: MappingSearch, proposal: MappingProposal, guessed: set[str]
) -> list[Block]:
    try:
        with read_by(search, proposal, Path(search.paths[0]).parent / COPIES) as reading:
            return [*_guess_notice(guessed), *_shown(reading)]
    except EcomError as error:
        return [Notice(f"The file cannot be read so: {shown(error)}", "bad")]


def _guess_notice(guessed: set[str]) -> list[Block]:
    labels = ", ".join(LABELS[key].lower() for key in KEYS if key in guessed)
    text = f"What follows guesses for now: {labels}. Answer above, and it is read as you say."
    return [Notice(text, "info")] if guessed else []


def _shown(reading: Reading) -> list[Block]:
    rows = reading.rows_json
    blocks: list[Block] = [
        Heading("Rows"),
        Notice(
            f"{rows['counted']:,} of {rows['read']:,} rows would be counted.",
            "good" if rows["counted"] else "bad",
        ),
    ]
    if lines := money_lines(reading):
        blocks.append(
            Notice(f"Of the money {'; '.join(line.strip() for line in lines[1:])}.", "info")
        )
    if reading.not_clean:
        reasons = [
            {
                "reason": in_words(why.reason),
                "row_count": why.row_count,
                "meaning": why.meaning,
                "example": _cell(
                    ", ".join(f"{name} {value}" for name, value in why.example.items())
                ),
            }
            for why in reading.not_clean
        ]
        blocks.append(DataTable(reasons, REASONS))
    if reading.event_types:
        types = [
            {
                "theirs": _cell(source_type),
                "row_count": count,
                "ours": _cell(event_type) if event_type != source_type else "as it is",
            }
            for source_type, event_type, count in reading.event_types
        ]
        blocks += [Heading("What happens"), DataTable(types[:100], EVENT_TYPES)]
    names: list[str] = []
    for row in reading.preview:
        names += [name for name, value in row.items() if value is not None and name not in names]
    columns = tuple(TableColumn(name, COLUMN_LABELS.get(name, in_words(name))) for name in names)
    preview = [{name: _cell(row.get(name)) for name in names} for row in reading.preview]
    return [
        *blocks,
        Heading("The first rows by time, as they would be read"),
        DataTable(preview, columns),
    ]


def _cell(value: object) -> str:
    text = "" if value is None else shown(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _yaml(proposal: MappingProposal, path: Path) -> Block:
    name = f"{path.name.split('.')[0]}.yaml"
    command = f"ecom run --{proposal.kind} {path.name} --{proposal.kind}-mapping {name}"
    values = {
        "text": proposal.text,
        "address": data_address("text/yaml", proposal.text),
        "name": name,
        "command": command,
    }
    return Custom("sample_mapping.html", values)


def upload(sent: ActionRequest) -> ActionResult:
    """Keep the file of the form as a sample."""
    if sent.upload is None or not sent.upload.name:
        raise UsageError("No file was chosen; choose one, and try again.")
    sample_id = samples_of(sent.request).add(sent.upload.name, sent.upload.content)
    return ActionResult(
        "The file is on this machine only, and is deleted within an hour, or by the button below.",
        address_of(PATH, {"sample": sample_id}),
    )


def delete(sent: ActionRequest) -> ActionResult:
    """Remove the sample of the form."""
    samples_of(sent.request).remove(sent.form.get("sample", ""))
    return ActionResult("The sample is deleted.", address_of(PATH, {}))


PAGE = DashboardPage(
    PATH,
    "Map a file",
    group="Operation",
    position=40,
    summary=(
        "Upload a sample of a file: see how it is read, and get the mapping for it. It stays "
        "on this machine."
    ),
    asks=MappingParameters,
    actions=(
        Action("upload", upload, Scope.WRITE, MAX_BYTES + 100_000),
        Action("delete", delete, Scope.WRITE),
    ),
    is_ad_hoc=True,
    needs_published=False,
    sections=(Section("A sample of a file", sample),),
)
