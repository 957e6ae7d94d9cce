"""The lines about events: their types, campaigns, weights and further members."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.sql_text import ident, select, text, texts
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.drafts.draft import MOST_OF_EXAMPLE, Draft
from ecom_assets.ingestion.sources.proposal.event_amounts import amounts_of_some_types
from ecom_assets.ingestion.sources.proposal.event_type_words import (
    STANDARD_TYPES,
    known_event_type,
    likely_event_type,
)
from ecom_assets.ingestion.sources.proposal.fields import TIMES
from ecom_assets.ingestion.sources.proposal.questions import (
    CHANNELS_OF,
    EVENT_CODES,
    EVENT_TYPES,
    MOST_EVENT_TYPES_ASKED,
    OpenQuestion,
    answer_of_each,
    on_one_line,
    quoted,
    shown,
)
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value
from ecom_assets.ingestion.sources.proposal.visit_sources import campaign_lines

STAYS: Final = "as it is"
"""The answer that an event type keeps its name."""
OBJECTS: Final = frozenset(
    {"properties", "eventproperties", "props", "eventprops", "params", "eventparams", "attributes"}
)
"""Names of columns, without signs, with further values of an event."""
WEIGHTS: Final = frozenset(
    {
        *("itemcount", "eventcount", "hitcount", "numevents", "nbevents", "occurrences"),
        *("events", "hits", "eventos", "evenements", "ereignisse"),
        *("samplerate", "samplingrate", "sampleinterval", "sampleweight", "samplingweight"),
        *("samplingfactor", "samplefactor", "weight", "count", "anzahl", "nombre", "cantidad"),
    }
)
"""Names of columns, without signs, that say how many events a row stands for."""
ONE: Final = r"1(\.0*)?"
WEIGHT: Final = r"[1-9]\d*(\.0*)?|0?\.\d*[1-9]\d*"
"""Such numbers: how many, or the share of events that a sample has."""
FEWEST_STEPS: Final = 2
FEWEST_CODES: Final = 2
"""Codes of events that are asked about at once."""
MOST_OF_ROW: Final = 3
"""Columns of the row that is the example of a code."""
OF_PERSONS: Final = frozenset({"event_id", "session_id", "user_id", "anonymous_id", "email"})
"""Fields that do not say what happened."""


def note_test_events(draft: Draft) -> None:
    """Note that some events are of a shop that is being tested, by a column that says where each
    took place, such as `environment`, or are left out by their source: they count as others.
    """
    for value in draft.values.values:
        name = bare(value.last_name)
        tests = _rows_with(draft, value, _WHERE_TESTED.get(name, frozenset()))
        if 0 < tests < draft.values.row_count:
            draft.notes.append(
                f"{shown(value.name)} says that {formats.counted(tests, 'row')} of tests: they "
                "count as others; leave them out of the file"
            )
        filled, others = draft.values.filled(value), _rows_with(draft, value, NO)
        if name in _WHAT_IS_EXCLUDED and 0 < others < filled:
            draft.notes.append(
                f"{shown(value.name)} marks {formats.counted(filled - others, 'row')} that the "
                "source does not count: here they count as others; leave them out of the file"
            )


def _rows_with(draft: Draft, value: Value, words: Collection[str]) -> int:
    """Return how many rows have one of some words, which are in small letters."""
    if not words:
        return 0
    return sum(count for name, count in draft.values.counts(value) if name.casefold() in words)


_TESTS: Final = frozenset(
    {"dev", "development", "test", "testing", "staging", "stage", "qa", "sandbox", "debug"}
)
_WHERE_TESTED: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("environment", "env", "stage", "mode"), _TESTS),
    **dict.fromkeys(("istest", "test", "testmode", "sandbox", "istestevent"), YES),
    "livemode": NO,
    "traffictype": frozenset({"internal", "developer"}),
}
"""Names of columns that say where events took place, and what tests are called there."""
_WHAT_IS_EXCLUDED: Final = frozenset(
    {"excludehit", "excluded", "isexcluded", "exclude", "isbot", "isrobot", "bot", "isinternal"}
)
"""Names of columns that say, by anything but a no, that an event does not count."""


def event_type_lines(draft: Draft) -> list[str]:
    """Return the lines about the types of events, and which funnel they have."""
    if "event_type" not in draft.found:
        return []
    counts = draft.values.counts(draft.found["event_type"].value)
    with_money = _type_with_money(draft, [name for name, _ in counts])
    unknown = [(name, count) for name, count in counts if known_event_type(name) is None]
    # It is asked about however many others there are.
    unknown.sort(key=lambda each: each[0] != with_money)
    answered, codes = _event_codes(draft, unknown, with_money)
    unknown = [(name, count) for name, count in unknown if name not in {*answered, *codes}]
    for key, (name, count) in zip(EVENT_TYPES, unknown, strict=False):
        near = likely_event_type(name)
        hint = f"; probably {near}" if near else ""
        if name == with_money:
            near, hint = near or "purchase", "; all amounts are on its rows"
        is_open = name.isdigit() or name == with_money
        sentence = f"what {shown(name)!r} is ({count:,} rows), or {STAYS}{hint}"
        draft.questions.append(
            OpenQuestion(
                key,
                sentence,
                (*STANDARD_TYPES, STAYS),
                near or STAYS,
                is_optional=not is_open,
                subject=name,
                note=formats.counted(count, "row") + ("; a guess by its name" if near else ""),
            )
        )
        answered[name] = draft.answers.get(key, STAYS)
        if is_open and key not in draft.answers:
            codes[name] = key
    lines, stay, types = [], [], []
    for name, count in counts:
        if name in codes:
            lines.append(_open_type(draft, name, codes[name]))
            continue
        event_type = known_event_type(name) or answered.get(name, STAYS)
        is_same = event_type in {name, STAYS}
        types.append(name if is_same else event_type)
        near = likely_event_type(name) if event_type == STAYS else ""
        if not is_same:
            lines.append(f"  {quoted(name)}: {event_type}  # {count:,} rows")
        elif event_type == STAYS:
            hint = f"; did you mean {near}?" if near else ""
            stay.append(f"  # {shown(name)}: {count:,} rows, stays as it is{hint}")
    head = ["event_types:" if lines else "# event_types:"] if lines or stay else []
    return [*head, *lines, *stay, *_funnel_steps(types)]


def _open_type(draft: Draft, name: str, key: str) -> str:
    """Return the line of an event type that nobody has named."""
    line = f'  {quoted(name)}: "{OPEN}"'
    if key != EVENT_CODES:
        return draft.marked(line, key)
    note = next(question.each[name] for question in draft.questions if question.key == key)
    choices = f"{', '.join(STANDARD_TYPES)}, or {name} to keep it"
    return f"{line}  # OPEN: {on_one_line(f'what {name!r} is ({note}): {choices}')}"


def _event_codes(
    draft: Draft, unknown: Sequence[tuple[str, int]], with_money: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Ask what several numbers in place of event types mean, all at once; return the answers by
    the numbers, and where nobody has answered, the key of the question by each number.
    """
    numbers = [(name, count) for name, count in unknown if name.isdigit()]
    numbers = numbers[:MOST_EVENT_TYPES_ASKED]
    counts = dict(sorted(numbers, key=lambda each: -each[1]))
    if len(counts) < FEWEST_CODES:
        return {}, {}
    examples = _examples(draft, [*counts])
    each = {
        name: formats.counted(count, "row")
        + (f", such as {examples[name]}" if examples[name] else "")
        + ("; all amounts are on its rows" if name == with_money else "")
        for name, count in counts.items()
    }
    named = "; ".join(f"{name!r} ({note})" for name, note in each.items())
    example = answer_of_each({**dict.fromkeys([*counts][:1], STANDARD_TYPES[0])})
    sentence = (
        f"what the codes of {draft.found['event_type'].value.name} are, each one of "
        f"{', '.join(STANDARD_TYPES)}, or {STAYS}, such as {example}, …: {named}"
    )
    guess = {name: "purchase" if name == with_money else STAYS for name in counts}
    question = OpenQuestion(
        EVENT_CODES,
        sentence,
        (*STANDARD_TYPES, STAYS),
        answer_of_each(guess),
        subject=", ".join(counts),
        each=each,
    )
    draft.questions.append(question)
    if EVENT_CODES in draft.answers:
        return question.said_of_each(draft.answers[EVENT_CODES]), {}
    return {}, dict.fromkeys(counts, EVENT_CODES)


def _examples(draft: Draft, names: Sequence[str]) -> dict[str, str]:
    """Return what rows of each event type have where these types differ: first in columns that
    only some of them have.
    """
    known = [
        match.value.column for name, match in draft.found.items() if name in OF_PERSONS | {*TIMES}
    ]
    kind = draft.found["event_type"].value.column
    columns = {
        value.name: value.column
        for value in draft.values.values
        if value.column not in {kind, *known}
    }
    cells = [kind, *(f"min({column})" for column in columns.values())]
    is_one = f"list_contains({texts(names)}, {kind})"
    rows = {
        name: {column: cell for column, cell in zip(columns, found, strict=True) if cell}
        for name, *found in draft.values.rows(select(cells, TABLE, is_one, kind))
    }
    different = {column: {row.get(column) for row in rows.values()} for column in columns}
    telling = [column for column in columns if len(different[column]) > 1]
    telling.sort(key=lambda column: None not in different[column])
    return {
        name: ", ".join(
            f"{shown(column, MOST_OF_EXAMPLE)} {shown(row[column], MOST_OF_EXAMPLE)}"
            for column in [column for column in telling if column in row][:MOST_OF_ROW]
        )
        for name, row in rows.items()
    }


def _type_with_money(draft: Draft, names: Sequence[str]) -> str:
    """Return the event type that alone has amounts, where no name says which is a purchase;
    empty if there is none.
    """
    if "purchase" in map(known_event_type, names):
        return ""
    amounts = amounts_of_some_types(draft.values, draft.found)
    amount = draft.found["cart_value"].value if "cart_value" in draft.found else None
    amount = amount or next(iter(amounts), None)
    if amount is None:
        return ""
    event_type = draft.found["event_type"].value
    has_money = f"{draft.values.number_sql(amount)} <> 0"
    types = draft.values.rows(select(f"DISTINCT {event_type.column}", TABLE, has_money))
    return str(types[0][0]) if len(types) == 1 else ""


def _funnel_steps(types: Sequence[str]) -> list[str]:
    """Return the line of the steps of the default funnel that the file has, if it has two;
    else what is missing.
    """
    steps = [step for step in FIVE_STEPS if step in types]
    missing = [step for step in FIVE_STEPS if step not in types]
    if len(steps) < FEWEST_STEPS:
        return [
            (
                f"# no funnel: the file has {' and '.join(steps) or 'none'} of "
                f"{', '.join(FIVE_STEPS)}"
            )
        ]
    note = f"  # the file has no {', '.join(missing)}" if missing else ""
    return [f"funnel_steps: [{', '.join(steps)}]{note}"]


def campaign_by_source(draft: Draft) -> list[str]:
    """Return the lines of the source and medium of each visit's channel; none where addresses
    or other fields say them.
    """
    if draft.source is None:
        return []
    channels = [
        (question.subject, draft.answers.get(question.key, question.guess))
        for question in draft.questions
        if question.key in CHANNELS_OF
    ]
    said = ", ".join(f"{shown(word)}: {channel}" for word, channel in channels)
    return [
        f"  {name}: {{expression: {quoted(sql)}, optional: true}}  # {said}; check this"
        for name, sql in campaign_lines(draft.source, channels).items()
    ]


def weight_lines(draft: Draft) -> list[str]:
    """Return the line of the number of events that each row of a sample stands for."""
    used = {match.value for match in draft.found.values()}
    for value in draft.values.values:
        if value in used or not value.is_column or bare(value.name) not in WEIGHTS:
            continue
        rows = draft.values.row_count
        are_ones = draft.values.matching(value, ONE) == rows
        if not are_ones and draft.values.matching(value, WEIGHT) == rows:
            examples = [name for name, _ in draft.values.counts(value) if name != "1"]
            draft.notes.append(
                f"{value.name} says how many events each row stands for, such as "
                f"{shown(examples[0])}; each row counts as one, and answers say the sum"
            )
            return [f"weight: {quoted(value.path[0])}  # check this"]
    return []


def other_member_lines(draft: Draft, names: Sequence[str]) -> list[str]:
    """Return the line that keeps objects of properties: those of which fields use some members,
    as a column that a field uses is in no `other_columns`, and one that is named so, whose
    members would be one below `properties` and, in CSV, a text.
    """
    used = [draft.found[name].value for name in names if name in draft.found]
    members = [value for value in used if len(value.path) > 1]
    objects = [*dict.fromkeys(value.path[0] for value in members)]
    if not objects:
        nested = [value.path[0] for value in draft.values.values if len(value.path) > 1]
        objects = [name for name in dict.fromkeys(nested) if bare(name) in OBJECTS][:1]
    if not objects or "properties" in draft.found or draft.values.spread:
        return []
    if len(objects) == 1:
        return [f"  properties: {{column: {quoted(objects[0])}, optional: true}}"]
    each = ", ".join(f"{text(name)}, {ident(name)}::JSON" for name in objects)
    return [f"  properties: {{expression: {quoted(f'json_object({each})')}, optional: true}}"]
