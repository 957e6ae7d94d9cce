"""The fast kernel on DuckDB: steps, transitions and paths of sessions, counted over packed events.

Sessions are cut as in `sessions/kernel.py`, and steps are numbers. Only the order of simultaneous
events with different steps, which is that of their ids, is queried. The portable expressions
(`journeys/journeys.py`, `journeys/journeys.py`) are the definition, and tests require that both
give equal results.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.journeys.journeys import (
    ARROW,
    CUT,
    EXIT,
    NODES,
    START,
    page_of,
    step_name,
)
from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.sessions.kernel import UNIT_SQL, UNITS, Flags, Part, begins_of, gathered
from ecom_assets.behaviour.sessions.sessions import UNIT
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.days import Ends
from ecom_assets.core.tables.packed import Ints

NAMES: Final = "journey_step_names"
TIED: Final = "tied_instants"
COUNTED: Final = "journey_transitions"
COLUMNS: Final = NODES | {"page": "page_url"}
"""The columns of events from which steps are computed."""
TIED_AT: Final = ("tied_units", "tied_times_us")
WORD_BITS: Final = 62
Steps = npt.NDArray[np.int32]
TiedSteps = Callable[[Ints, Ints], Ints]
"""A function that returns the steps of units (numbers) at times (microseconds),
ordered by time and event id.
"""


@dataclass(frozen=True)
class StepSequences:
    """The steps of sessions.

    Attributes:
        steps: The number of each step, from 1, of one session after another.
        sizes: How many steps each session has.
        is_converted: Whether each session has a purchase.
        is_late: Whether earlier steps of each session were left out.
    """

    steps: Steps
    sizes: Ints
    is_converted: Flags
    is_late: Flags

    def begins(self) -> Ints:
        """Return the place in `steps` at which each session begins."""
        return np.cumsum(self.sizes) - self.sizes


@dataclass(frozen=True)
class PlacedSteps:
    """The steps of a part of the units, in the order of unit and time.

    Attributes:
        steps: The number of each step, from 1.
        session: The number of its session in this part, from 0.
        is_converted: Whether each session has a purchase.
        is_tied: Whether the unit has another step at the time of each step.
        tied_units: The number of the unit of each instant with different steps.
        tied_times_us: Its time, in microseconds.
    """

    steps: Steps
    session: npt.NDArray[np.int32]
    is_converted: Flags
    is_tied: Flags
    tied_units: Ints
    tied_times_us: Ints


@dataclass(frozen=True)
class CountedJourneys:
    """What is counted: sessions, `counted_transitions`,
    and different paths with the number of their sessions.

    `examples` are, for each path, the number of a session that has it.
    """

    sequences: StepSequences
    transitions: ir.Table
    names: Sequence[str]
    most_steps: int
    examples: Ints
    session_counts: Ints
    converted_counts: Ints

    def top_paths(self, counts: Ints, converted: Ints, most: int) -> list[Row]:
        """Return the rows of `top_paths`, where so many sessions of each path count,
        and so many have a purchase.
        """
        least = int(np.partition(counts, -most)[-most]) if len(counts) > most else 1
        begins, least = self.sequences.begins(), max(least, 1)
        more, alike = np.flatnonzero(counts > least), np.flatnonzero(counts == least)
        # Where sessions go their own ways, as from page to page, nearly all paths count one.
        chosen = [*more, *self._first_by_text(alike, most - len(more), begins)]
        rows = []
        for position in chosen:
            sequence = self.examples[position]
            path, is_cut = self._path(int(begins[sequence]), int(self.sequences.sizes[sequence]))
            row: Row = {
                "path": path,
                "is_cut": is_cut or bool(self.sequences.is_late[sequence]),
            }
            rows.append(
                row
                | {
                    "session_count": counts[position],
                    "converted_session_count": converted[position],
                }
            )
        return sorted(rows, key=lambda row: (-row["session_count"], row["path"], row["is_cut"]))[
            :most
        ]

    def _first_by_text(self, paths: Ints, most: int, begins: Ints) -> Ints:
        """Return those of some paths whose texts are the first `most` of all in order, and maybe
        more; no text is made for that.

        A text is its steps' names, each but the last one with an arrow after it, which no name has;
        these are put in order, and compared place by place.
        """
        within, last = ([f"{name}{end}" for name in self.names] for end in (ARROW, ""))
        in_order = {text: rank for rank, text in enumerate(sorted({*within, *last, CUT}))}
        rank_within, rank_last = (
            np.array([-1, *(in_order[text] for text in texts)], np.int64)
            for texts in (within, last)
        )
        chosen: list[Ints] = []
        for place in range(self.most_steps + 1):
            if len(paths) <= most:
                break
            session = self.examples[paths]
            sizes = self.sequences.sizes[session]
            is_cut = sizes > self.most_steps
            is_step = (place < sizes) & (place < self.most_steps)
            is_last = is_step & (place == sizes - 1)
            ranks = np.where(is_cut & (place == self.most_steps), in_order[CUT], -1)
            steps = self.sequences.steps[begins[session[is_step]] + place]
            ranks[is_step] = np.where(is_last[is_step], rank_last[steps], rank_within[steps])
            bound = int(np.partition(ranks, most - 1)[most - 1])
            chosen.append(paths[ranks < bound])
            paths, most = paths[ranks == bound], most - len(chosen[-1])
        return np.concatenate([*chosen, paths])

    def _path(self, begin: int, size: int) -> tuple[str, bool]:
        is_cut = size > self.most_steps
        steps = self.sequences.steps[begin : begin + min(size, self.most_steps)]
        return ARROW.join(
            [*(self.names[step - 1] for step in steps), *([CUT] if is_cut else [])]
        ), is_cut


def journey_counts(
    con: Backend, events: ir.Table, question: JourneyQuestion, ends: Ends
) -> CountedJourneys | None:
    """Return the numbers of journeys; None if there are too many events or steps,
    or a step without a name.

    Args:
        con: The DuckDB connection of `events`.
        events: Rows of `CleanEvents`, of all days.
        question: What steps are, which of them are looked at, and the silence that ends a session.
        ends: The first and the last day on which the sessions started; None for no limit.
    """
    names = _names(con, events, question)
    if "" in names:
        return None
    coded = _coded(con, events, question)
    parts = gathered(con, coded, len(names).bit_length() + 1, question.rule.idle_timeout_s, ends)
    if parts is None:
        return None
    placed = [_placed(part) for part in parts]
    _order_tied(placed, partial(_steps_at, con, events, question))
    sequences = _concatenated([_sequences(part) for part in placed])
    if question.from_step or question.to_step:
        sequences = part_of(sequences, question, names)
    con.con.register(
        "given_transitions", _transitions(sequences, names, question.journey_rule.most_places)
    )
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {COUNTED} AS
        SELECT * REPLACE (from_step::VARCHAR AS from_step, to_step::VARCHAR AS to_step)
          FROM given_transitions
    """)  # noqa: S608 (names of this module)
    con.con.unregister("given_transitions")
    paths = _paths(sequences, len(names), question.most_steps)
    examples = np.zeros(int(paths.max(initial=-1)) + 1, np.int64)
    examples[paths] = np.arange(len(paths))
    counts, converted = (
        np.bincount(numbers, minlength=len(examples))
        for numbers in (paths, paths[sequences.is_converted])
    )
    transitions = con.table(COUNTED, database=("temp", "main"))
    return CountedJourneys(
        sequences, transitions, names, question.most_steps, examples, counts, converted
    )


def _names(con: Backend, events: ir.Table, question: JourneyQuestion) -> list[str]:
    """Number the steps, from 1; in the order of their names."""
    steps = events.select(raw=events[COLUMNS[question.by]]).distinct()
    names = step_name(page_of(steps.raw, question.group) if question.by == "page" else steps.raw)
    rows = con.compile(steps.mutate(name=names).filter(steps.raw.notnull()))
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {NAMES} AS
        SELECT raw, name, dense_rank() OVER (ORDER BY name)::BIGINT AS step FROM ({rows})
    """)  # noqa: S608 (compiled by Ibis)
    sql = f"SELECT DISTINCT step, name FROM {NAMES} ORDER BY step"  # noqa: S608 (a name of this module)
    return [name for _, name in con.con.execute(sql).fetchall()]


def _coded(con: Backend, events: ir.Table, question: JourneyQuestion, *more: str) -> ir.Table:
    """Return events with a `code`: the number of the step, 0 for none,
    and in the last bit whether it is a purchase.
    """
    names = con.table(NAMES, database=("temp", "main")).select("raw", "step")
    joined = events.left_join(names, events[COLUMNS[question.by]] == names.raw)
    step = joined.step.fill_null(0)
    step = joined.event_type.isin(question.exclude).ifelse(0, step) if question.exclude else step
    code = step * 2 + (joined.event_type == "purchase").ifelse(1, 0)
    return joined.select(*UNIT, "event_at", "event_date", "event_id", *more, code=code)


def _placed(part: Part) -> PlacedSteps:
    """Return the steps of the sessions of a part; those at one instant in any order."""
    session = np.cumsum(begins_of(part), dtype=np.int32) - 1
    count = int(session[-1]) + 1 if len(session) else 0
    codes = (part.keys & ((1 << part.plan.scale_bits) - 1)).astype(np.int32)
    is_converted = np.zeros(count, bool)
    is_converted[session[(codes & 1) > 0]] = True
    times_us, steps = part.keys >> part.plan.scale_bits, codes >> 1
    if not (is_step := steps > 0).all():
        times_us, steps, session = times_us[is_step], steps[is_step], session[is_step]
    tied, is_tied = _tied(times_us, steps)
    units = (tied >> part.time_bits) + part.first_unit
    return PlacedSteps(steps, session, is_converted, is_tied, units, part.times_us(tied))


def _tied(times_us: Ints, steps: Steps) -> tuple[Ints, Flags]:
    """Return the instants at which a unit has different steps,
    and whether each step is at one of these.
    """
    is_other = np.ones(len(times_us), bool)
    is_other[1:] = times_us[1:] != times_us[:-1]
    differs = np.flatnonzero(~is_other[1:] & (steps[1:] != steps[:-1])) + 1
    group = np.cumsum(is_other, dtype=np.int32) - 1
    has_several = np.zeros(int(group[-1]) + 1 if len(group) else 0, bool)
    has_several[group[differs]] = True
    return times_us[is_other][has_several], has_several[group]


def _order_tied(parts: Sequence[PlacedSteps], tied_steps: TiedSteps) -> None:
    """Put different steps of a unit at one instant into the order of their events' ids,
    of all parts at once.
    """
    tied = [part for part in parts if len(part.tied_units)]
    if not tied:
        return
    units, times_us = (np.concatenate([getattr(part, name) for part in tied]) for name in TIED_AT)
    ends = np.cumsum([np.count_nonzero(part.is_tied) for part in tied])
    for part, steps in zip(tied, np.split(tied_steps(units, times_us), ends[:-1]), strict=True):
        part.steps[part.is_tied] = steps


def _sequences(part: PlacedSteps) -> StepSequences:
    """Return the steps of sessions, repeats in a row as one."""
    steps, session, count = part.steps, part.session, len(part.is_converted)
    is_new = np.ones(len(steps), bool)
    is_new[1:] = (session[1:] != session[:-1]) | (steps[1:] != steps[:-1])
    sizes = np.bincount(session[is_new], minlength=count)
    return StepSequences(steps[is_new], sizes, part.is_converted, np.zeros(count, bool))


def _steps_at(
    con: Backend, events: ir.Table, question: JourneyQuestion, numbers: Ints, times_us: Ints
) -> npt.NDArray[np.int64]:
    """Return the steps of units at given times, at each time in the order of the events' ids."""
    con.con.register(
        "given_instants", {"number": numbers, "us": times_us, "place": np.arange(len(numbers))}
    )
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {TIED} AS
        SELECT {UNIT_SQL}, make_timestamp(us) AS event_at, place FROM given_instants JOIN {UNITS}
          USING (number)
    """)  # noqa: S608 (names of this module)
    con.con.unregister("given_instants")
    tied = events.inner_join(con.table(TIED, database=("temp", "main")), [*UNIT, "event_at"])
    coded = _coded(con, tied, question, "place").filter(lambda t: t.code > 1)
    result = con.con.execute(
        con.compile(coded.order_by("place", "event_id", "code").select("code"))
    ).fetchnumpy()
    return np.asarray(result["code"], np.int64) >> 1


def _concatenated(parts: Sequence[StepSequences]) -> StepSequences:
    def joined(name: str, kind: Any) -> Any:  # noqa: ANN401 (arrays of several types)
        return np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in parts)])

    flags = joined("is_converted", bool), joined("is_late", bool)
    return StepSequences(joined("steps", np.int32), joined("sizes", np.int64), *flags)


def part_of(
    sequences: StepSequences, question: JourneyQuestion, names: Sequence[str]
) -> StepSequences:
    """Return what `part_of` in `answer.py` does:
    the part of each session from one step to another.
    """
    numbers = {name: number for number, name in enumerate(names, start=1)}
    session = np.repeat(np.arange(len(sequences.sizes)), sequences.sizes)
    position = np.arange(len(session)) - sequences.begins()[session]

    def first_of(which: Flags) -> Ints:
        result, positions = np.full(len(sequences.sizes), -1), np.flatnonzero(which)[::-1]
        result[session[positions]] = position[positions]  # of several, the last one written stays
        return result

    first = np.where(sequences.sizes > 0, 0, -1)
    first = (
        first_of(sequences.steps == numbers.get(question.from_step, -1))
        if question.from_step
        else first
    )
    last = sequences.sizes - 1
    if question.to_step:
        # A path from a step to the same step ends when it comes again.
        after = position > first[session] if question.from_step else position >= first[session]
        last = first_of(after & (sequences.steps == numbers.get(question.to_step, -1)))
    is_chosen = (first >= 0) & (last >= 0)
    is_from_end = question.to_step and not question.from_step
    begin = np.maximum(first, last - question.most_steps + 1) if is_from_end else first
    is_kept = is_chosen[session] & (position >= begin[session]) & (position <= last[session])
    sizes = (last - begin + 1)[is_chosen]
    return StepSequences(
        sequences.steps[is_kept],
        sizes,
        sequences.is_converted[is_chosen],
        (begin > first)[is_chosen],
    )


def _transitions(
    sequences: StepSequences, names: Sequence[str], most_places: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of `counted_transitions`; without Arrow,
    which would load pandas to make them.
    """
    count, end = len(sequences.sizes), len(names) + 1
    begins = sequences.begins() + np.arange(count)
    is_start = np.zeros(len(sequences.steps) + count, bool)
    is_start[begins] = True
    first = np.zeros(len(is_start), np.int64)
    first[~is_start] = sequences.steps
    position = np.arange(len(first)) - np.repeat(begins, sequences.sizes + 1)
    rows = np.minimum(position, most_places, out=position)
    rows *= end + 1
    rows += first
    rows *= end + 1
    rows[:-1] += np.where(is_start[1:], end, first[1:])
    rows[-1:] += end
    alike, counts = np.unique(rows, return_counts=True)
    whose, converted = np.unique(
        rows[np.repeat(sequences.is_converted, sequences.sizes + 1)], return_counts=True
    )
    bought = np.zeros(len(alike), np.int64)
    bought[np.searchsorted(alike, whose)] = converted
    texts = np.array([START, *names, EXIT], object)
    return {
        "place": alike // (end + 1) ** 2,
        "from_step": texts[alike // (end + 1) % (end + 1)],
        "to_step": texts[alike % (end + 1)],
        "transition_count": counts,
        "converted_transition_count": bought,
    }


def _paths(sequences: StepSequences, name_count: int, most_steps: int) -> Ints:
    """Return the number of the path of each session;
    only sessions with equal kept steps have equal numbers.
    """
    bits = max(name_count.bit_length(), 1)
    in_word, begins = WORD_BITS // bits, sequences.begins()
    paths = ((sequences.sizes > most_steps) | sequences.is_late).astype(np.int64)
    for first in range(0, most_steps, in_word):
        longer = np.flatnonzero(sequences.sizes > first)
        word = np.zeros(len(sequences.sizes), np.int64)
        rest = longer
        for position in range(first, min(first + in_word, most_steps)):
            rest = rest[sequences.sizes[rest] > position]
            word[rest] = (word[rest] << bits) | sequences.steps[begins[rest] + position]
        # Words are numbered first, so that both together fit into one number.
        _, ranks = np.unique(word[longer], return_inverse=True)
        _, alike = np.unique(
            paths[longer] * (int(ranks.max(initial=0)) + 1) + ranks, return_inverse=True
        )
        paths[longer] = alike + int(paths.max(initial=0)) + 1
    return paths
