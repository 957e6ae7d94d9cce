"""The fast kernel on DuckDB: sessions cut from packed events, which are sorted once, as numbers.

DuckDB numbers the visitors on their devices and packs each event into one integer; NumPy sorts
these and cuts where they pause. The portable expressions (`sessions/sessions.py`) are the
definition, and tests require that both give equal results.

Terms: docs/glossary.md#kernel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import UNIT
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.days import Ends
from ecom_assets.core.tables.packed import Ints, Keying, Packing, Sorted, unit_parts

UNITS: Final = "numbered_units"
UNIT_SQL: Final = ", ".join(UNIT)
MOST_EVENTS: Final = 30_000_000
"""The most events to hold in memory, at 8 to 24 bytes each; DuckDB counts more than these."""
SECOND_US: Final = 1_000_000
NEVER_US: Final = 1 << 62
VIEW, KEY = 1, 2
"""The bits of an event that is a view, and of one that is a key event."""
Flags = npt.NDArray[np.bool_]
Part = Sorted[Packing]


@dataclass(frozen=True)
class Span:
    """The size of events before they are packed: units, events, time span and resolution.

    A session counts if it starts from `starts_at` to `starts_until`; all times are in microseconds.
    """

    unit_count: int
    event_count: int
    first_us: int
    last_us: int
    resolution: int
    starts_at: int
    starts_until: int


def can_count(rule: SessionRule) -> bool:
    """Whether only pauses end sessions; the expression knows every rule."""
    return not (
        rule.midnight_split
        or rule.campaign_split
        or rule.max_length_s
        or rule.trust_source_session_id
    )


def gathered(
    con: Backend, events: ir.Table, code_bits: int, idle_s: int, ends: Ends
) -> Iterator[Part] | None:
    """Return the packed events of the sessions that started on some days; None if too many.

    Args:
        con: The DuckDB connection of `events`.
        events: The columns of `UNIT`, `event_at`, `event_date`, and `code`, a number of so many
            bits.
        code_bits: How many.
        idle_s: The silence that ends a session.
        ends: The first and the last day on which sessions started; None for no limit.
    """
    rows = con.compile(events)
    span = _span(con, rows, ends)
    plan = Packing(window=idle_s * SECOND_US, scale_bits=code_bits)
    length = (span.last_us - span.first_us) // span.resolution
    if span.event_count > MOST_EVENTS or length.bit_length() + code_bits > 62:  # noqa: PLR2004 (of 64, for a sum)
        return None
    return (_started(part, span) for part in _parts(con, rows, span, plan))


def _span(con: Backend, rows: str, ends: Ends) -> Span:
    """Number the units, and measure the events to pack."""
    first, last = ends
    earliest = f"min(us) FILTER (event_date >= DATE '{first}')" if first else "min(us)"
    latest = f"max(us) FILTER (event_date <= DATE '{last}')" if last else "max(us)"
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {UNITS} AS
        SELECT *, row_number() OVER () - 1 AS number FROM (
            SELECT {UNIT_SQL}, count(*) AS n, min(us) AS first_us, max(us) AS last_us,
                bool_and(us % 1000 = 0) AS in_ms, {earliest} AS starts_at, {latest} AS starts_until
            FROM (SELECT *, epoch_us(event_at) AS us FROM ({rows})) GROUP BY ALL
        )
    """)  # noqa: S608 (compiled by Ibis)
    ((units, events, first_us, last_us, in_ms, *starts),) = con.con.execute(f"""
        SELECT count(*), coalesce(sum(n), 0), coalesce(min(first_us), 0), coalesce(max(last_us), 0),
            coalesce(bool_and(in_ms), true), coalesce(min(starts_at), {NEVER_US}),
              coalesce(max(starts_until), -1)
        FROM {UNITS}
    """).fetchall()  # noqa: S608 (a name of this module)
    return Span(
        int(units),
        int(events),
        int(first_us),
        int(last_us),
        1_000 if in_ms else 1,
        *map(int, starts),
    )


def _parts(con: Backend, rows: str, span: Span, plan: Packing) -> Iterator[Part]:
    """Yield the events in order, in parts where unit, time and code do not fit in one number."""
    keying = Keying.for_span(span.first_us, span.last_us, span.resolution, span.unit_count, plan)
    time, scale = (
        f"(epoch_us(event_at) - {span.first_us}) // {span.resolution}",
        1 << plan.scale_bits,
    )
    packed = f"{time} * {scale} + code"
    columns = (
        f"number * {scale << keying.time_bits} + {packed} AS key"
        if keying
        else f"{packed} AS key, number"
    )
    result = con.con.execute(
        f"SELECT {columns} FROM ({rows}) JOIN {UNITS} USING ({UNIT_SQL})"  # noqa: S608 (compiled by Ibis)
    ).fetchnumpy()
    keys = np.asarray(result.pop("key"), np.int64)
    if keying:
        yield keying.sorted(keys, span.unit_count)
        return
    plan = replace(plan, window=plan.window // span.resolution)
    whole = Sorted(keys, 0, span.unit_count, plan, span.resolution, span.first_us)
    yield from unit_parts(keys, np.asarray(result.pop("number"), np.int64), whole)


def _started(part: Part, span: Span) -> Part:
    if span.starts_at <= span.first_us and span.last_us <= span.starts_until:
        return part
    firsts = np.flatnonzero(begins_of(part))
    started_at = part.times_us(part.keys[firsts] >> part.plan.scale_bits)
    is_chosen = (started_at >= span.starts_at) & (started_at <= span.starts_until)
    return replace(
        part, keys=part.keys[np.repeat(is_chosen, np.diff(firsts, append=len(part.keys)))]
    )


def begins_of(part: Part) -> Flags:
    """Return whether each event begins a session; between units lies more than the idle timeout."""
    times = part.keys >> part.plan.scale_bits
    begins = np.ones(len(times), bool)
    begins[1:] = times[1:] - times[:-1] > part.plan.window
    return begins


def session_sums(con: Backend, events: ir.Table, rule: SessionRule, ends: Ends) -> Answer | None:
    """Return what `sessions.queries.totals_of` takes; None if there are too many events.

    The events are rows of `CleanEvents` of all days; the sessions that count started between the
    ends.
    """
    is_view, is_key = (
        events.event_type.isin(types) for types in (rule.view_types, rule.key_event_types)
    )
    code = is_view.ifelse(VIEW, 0).cast("int64") + is_key.ifelse(KEY, 0).cast("int64")
    parts = gathered(
        con, events.select(*UNIT, "event_at", "event_date", code=code), 2, rule.idle_timeout_s, ends
    )
    if parts is None:
        return None
    sums: Answer = dict.fromkeys(("events", "sessions", "engaged_sessions", "views"), 0)
    took, units = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in parts:
        counted, lengths_us = _sums(part, rule)
        sums |= {name: sums[name] + value for name, value in counted.items()}
        took.append(lengths_us)
        units.append(
            np.unique(part.keys >> part.plan.scale_bits >> part.time_bits) + part.first_unit
        )
    sums["visitors"] = _visitor_count(con, np.concatenate(units))
    return sums | {"median_duration_s": _median_s(np.concatenate(took))}


def _visitor_count(con: Backend, units: Ints) -> int:
    """Return the number of visitors that units are of, each on one device."""
    con.con.register("given_units", {"number": units})
    sql = f"SELECT count(DISTINCT visitor_id) FROM {UNITS} SEMI JOIN given_units USING (number)"  # noqa: S608 (names of this module)
    ((count,),) = con.con.execute(sql).fetchall()
    con.con.unregister("given_units")
    return int(count)


def _sums(part: Part, rule: SessionRule) -> tuple[dict[str, int], Ints]:
    """Return the sums of a part, and how long its sessions took, in microseconds."""
    firsts = np.flatnonzero(begins_of(part))
    if not len(firsts):
        return {}, firsts
    times = part.keys >> part.plan.scale_bits
    took = (times[np.append(firsts[1:], len(times)) - 1] - times[firsts]) * part.resolution
    views = np.add.reduceat(part.keys & VIEW, firsts)
    is_engaged = (took > rule.engaged_after_s * SECOND_US) | (views > 1)
    is_engaged |= np.add.reduceat(part.keys & KEY, firsts) > 0
    engaged = int(np.count_nonzero(is_engaged))
    counts = {"events": len(times), "sessions": len(firsts), "engaged_sessions": engaged}
    return counts | {"views": int(views.sum())}, took


def _median_s(took: Ints) -> float | None:
    """Return the median in seconds, as the engine computes it; None without sessions."""
    if not len(took):
        return None
    middle = np.partition(took, [(len(took) - 1) // 2, len(took) // 2])
    low, high = (int(middle[position]) / 1e6 for position in ((len(took) - 1) // 2, len(took) // 2))
    return low * 0.5 + high * 0.5
