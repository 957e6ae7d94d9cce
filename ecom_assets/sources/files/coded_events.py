"""Clean events of files as numbers: visitor, time and a code for the type; and the counts of rejected rows.

The result is that of `events/clean.py` and `events/clean.py`, whose conditions are tested on fewer rows: the rules
about time only for events outside the days of their file, the rule about placeholder ids once per user, copies only for
ids whose hash repeats, and the visitors of sessions only for sessions that have events without a user.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, cached_property
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from ecom_assets.events.clean import CleaningRule, as_clean_events, known_id, reject_rules, surplus_copies
from ecom_assets.events.contracts import RawEvents
from ecom_assets.funnels.kernel.passes import FunnelPlan, Part
from ecom_assets.identity.contracts import MergedUsers
from ecom_assets.identity.links import ALIAS
from ecom_assets.identity.rule import IdentityRule
from ecom_assets.identity.visitors import visitor_of_user, with_visitors_of_all
from ecom_assets.sources.files.footers import IN_TIME, PLAIN_USERS
from ecom_assets.sources.files.kept_checks import CheckedRows, KeptCheck
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.tables.days import Days
from ecom_assets.tables.packed import Ints, Keying, sorted_parts
from ecom_assets.tables.portable import schema_of
from ecom_assets.tables.values import FIRST_PLAUSIBLE
from ecom_assets.warehouse.local import PortableDuckDBCompiler
from ecom_assets.warehouse.sql_text import date_literal, select

MOST_ROWS: Final = 30_000_000
"""The most rows to hold in memory as numbers, of 16 to 24 bytes each."""
MOST_ANONYMOUS: Final = 50_000
"""The most rows without a user; for more of them, the full cleaning finds the visitors in less time."""
OF_TIME: Final = ("implausible_date", "unparseable_timestamp", "future_timestamp", "too_late")
"""The rules that an event cannot break if its time is within the days of its file."""
UNDECIDED, ANONYMOUS, UNCODED = -100, -101, -102
"""Keys in place of an event's: its time is not checked yet; it is clean and has a code, but no user; it has no code."""
SURE, EXACT, USERS = "sure_rows", "exact_rows", "file_users"
REPEATED, SIGHTINGS = "repeated_copies", "session_copies"
"""The tables of clean rows whose ids may repeat, and of clean rows of devices with events without a user."""
SIGHTED = {
    "event_id": "string", "event_type": "string", "event_at": "timestamp", "event_date": "date", "user_id": "string",
    "anonymous_id": "string", "session_id": "string", "received_date": "date", "user_agent": "string",
}  # fmt: skip
COLUMNS = (
    "event_id", "user_id", "anonymous_id", "session_id", "event_type", "product_id", "cart_value", "cart_amount",
    "event_at", "malformed_row", "is_sure",
)  # fmt: skip
"""The columns that the other rules and the keys need."""
REPEATED_HASHES = "repeated_hashes"
DIRECT: Final = "direct_events"
BATCH_ROWS = 1_000_000
NO_KEY = "0"
"""The key of every event if only the number of clean events is needed; keys then take one byte."""
HAS_ESCAPED: Final = "coalesce(bool_or(starts_with(user_id, 'anon-') OR starts_with(user_id, 'user-')), false)"
"""Whether the visitors of some users are not called as these."""
NUMBER = "number"
"""The column with the number of a visitor."""


DEFAULT_RULE: Final = CleaningRule()


@cache
def default_rules() -> dict[str, str]:
    """Return the SQL condition of each reason to reject a row `t0` by the default rule in UTC, in order."""
    # In UTC no rule asks for the days.
    rules = reject_rules(_raw(), DEFAULT_RULE, Days.from_dates([FIRST_PLAUSIBLE]))
    return _values_sql({name: condition for condition, name in rules})


def _raw() -> ir.Table:
    return ibis.table(schema_of(RawEvents), name="rows")


def _values_sql(values: dict[str, ir.Value]) -> dict[str, str]:
    """Return the SQL of values of a row `t0`, by name."""
    written = PortableDuckDBCompiler().to_sqlglot(_raw().select(**values)).expressions
    return {value.alias: str(value.this.sql(dialect="duckdb")) for value in written}


@cache
def known_user_sql() -> str:
    """Return the SQL of the user of a row `t0`, null for a placeholder."""
    return _values_sql({"user": known_id(_raw().user_id, DEFAULT_RULE)})["user"]


@cache
def device_sql() -> str:
    """Return the SQL of the device of a row `t0`, or of the source session in its place."""
    device = ibis.coalesce(known_id(_raw().anonymous_id, DEFAULT_RULE), _raw().session_id)
    return _values_sql({"device": device})["device"]


def _rows_sql(rows: ir.Table) -> str:
    return str(PortableDuckDBCompiler().to_sqlglot(rows).sql(dialect="duckdb"))


@dataclass(frozen=True)
class CodedEvents:
    """Events with a code, packed by `Keying`, with the result of checking all rows in the same pass.

    `units` are the numbers of their visitors, where the keys do not hold them.
    """

    keys: Ints
    units: Ints | None
    keying: Keying[FunnelPlan] | None
    unit_count: int
    checked: CheckedRows

    def in_order(self, plan: FunnelPlan) -> Iterator[Part]:
        """Yield the events in order; their keys are overwritten."""
        if self.keying is not None:
            yield self.keying.sorted(self.keys, self.unit_count)
        elif self.units is not None:
            yield from sorted_parts(self.keys, self.units, self.unit_count, plan)


@dataclass(frozen=True)
class _CodedRows:
    """For each row the key of its event; or a negative number, such as that of the reason to reject it.

    `hashes` are those of the event ids. `units` are the numbers of visitors, if the keys do not contain them.
    """

    keys: npt.NDArray[np.signedinteger[Any]]
    hashes: npt.NDArray[np.uint64]
    units: Ints | None

    def only(self, chosen: npt.NDArray[np.bool_]) -> "_CodedRows":
        units = None if self.units is None else self.units[chosen]
        return _CodedRows(self.keys[chosen], self.hashes[chosen], units)

    def __add__(self, other: "_CodedRows") -> "_CodedRows":
        units = None if self.units is None or other.units is None else np.concatenate((self.units, other.units))
        return _CodedRows(np.concatenate((self.keys, other.keys)), np.concatenate((self.hashes, other.hashes)), units)


@dataclass(frozen=True)
class CodedFiles:
    """Parquet files whose events are read as numbers, cleaned by the default rule in UTC."""

    con: duckdb.DuckDBPyConnection
    files: RecordFiles
    late_days: int
    identity: IdentityRule

    @cached_property
    def is_plain(self) -> bool:
        """Whether each event with a user belongs to that user, and few devices say whose the other events are.

        Else aliases join users, or a user may be on so many devices, or a placeholder hides a device.
        """
        if not self.identity.keeps_users or self.identity.consent:
            return False
        self._view_sure()
        unusual = [f"event_type = '{ALIAS}'"] if self.identity.joins_aliases else []
        unusual.append(f"anonymous_id IS NOT NULL AND user_id IS NOT NULL AND {known_user_sql()} IS NULL")
        if any(
            self.con.execute(select("1", f"{SURE} AS t0", f"{condition} LIMIT 1")).fetchall() for condition in unusual
        ):
            return False
        if not (self.identity.has_links and self._count(f"{SURE} WHERE user_id IS NULL")):
            return True
        many = f"user_id HAVING count(DISTINCT anonymous_id) >= {self.identity.user_devices}"
        return not self.con.execute(f"{select('1', SURE, 'user_id IS NOT NULL', group_by=many)} LIMIT 1").fetchall()

    def events(self, code: str, plan: FunnelPlan) -> CodedEvents | None:
        """Read all rows; return None if too many of them have no user, or copies of an event are not alike.

        Args:
            code: SQL for the code of an event, from 1; NULL for an event that is not needed.
            plan: How codes are packed, and the window.
        """
        if self._known and not self._known.has_special:
            return self._events_of_checked(self._known, code, plan)
        if not self.is_plain:
            return None
        self._view_sure()
        users, keying = self._find_users(plan, SURE)
        without_user = self._count(f"{SURE} WHERE user_id IS NULL")
        if without_user > MOST_ANONYMOUS:
            return None
        key = _key_sql(keying, code, plan)
        rows = self._rows(key, code)
        is_coded = rows.keys >= 0
        coded = rows if is_coded.all() else rows.only(is_coded)
        uncoded_counts = np.bincount(-rows.keys[~is_coded], minlength=-UNCODED + 1)
        rejected = dict(zip(default_rules(), uncoded_counts[1:].tolist(), strict=False))
        is_clean = is_coded | (rows.keys <= ANONYMOUS)
        surplus, has_repeated = self._surplus(rows.hashes if is_clean.all() else rows.hashes[is_clean])
        # It matters which copy of an event stays if they differ in what a funnel reads.
        unlike = "event_id HAVING count(DISTINCT (event_at, event_type, user_id, anonymous_id, session_id)) > 1"
        if surplus and self.con.execute(f"{select('1', REPEATED, group_by=unlike)} LIMIT 1").fetchall():
            return None
        unit_count = users
        if uncoded_counts[-ANONYMOUS]:
            coded += self._anonymous(key, code, users)
            unit_count += int(uncoded_counts[-ANONYMOUS])  # as many as there can be
        ((has_escaped,),) = self.con.execute(select(HAS_ESCAPED, USERS)).fetchall()
        checked = CheckedRows(len(is_coded), rejected, surplus, without_user > 0, has_repeated, bool(has_escaped))
        self._kept.keep(checked)
        return CodedEvents(_ints(coded.keys), coded.units, keying, unit_count, checked)

    def _events_of_checked(self, checked: CheckedRows, code: str, plan: FunnelPlan) -> CodedEvents:
        """Read only events that are needed, of rows that have a user and a unique id."""
        view_direct(self.con, self.files, self.late_days, checked, is_dated=False)
        needed = select("*", f"{DIRECT} AS t0", f"({code}) IS NOT NULL")
        users, keying = self._find_users(plan, f"({needed})")
        key = _key_sql(keying, code, plan)
        columns = [f"{key} AS key", *([] if keying else [f"{NUMBER} AS unit"])]
        events = self.con.execute(select(columns, f"({needed}) AS t0 JOIN {USERS} USING (user_id)")).fetchnumpy()
        units = None if keying else _ints(events["unit"])
        return CodedEvents(_ints(events["key"]), units, keying, users, checked)

    @cached_property
    def checked(self) -> CheckedRows | None:
        """What the check of all rows says, kept until a file changes; None if too many of them have no user."""
        checked = self._known or self._check()
        if checked is not self._known:
            self._kept.keep(checked)
        return checked

    @cached_property
    def _known(self) -> CheckedRows | None:
        """What an earlier check said."""
        return self._kept.read()

    @cached_property
    def _kept(self) -> KeptCheck:
        rows = self.files.sure_sql(self.late_days, is_dated=False)
        return KeptCheck.of_files(self.files.files(), rows, self.late_days, self.identity)

    def _check(self) -> CheckedRows | None:
        if not self.is_plain:
            return None
        self._view_sure()
        # Where no user can be odd, none is looked at.
        users = f"{SURE} WHERE false" if PLAIN_USERS in self._passed_by_footers else SURE
        self._number_users(
            "user_id, NULL::VARCHAR AS anonymous_id, NULL::VARCHAR AS session_id, count(*) AS row_count", users
        )
        sums = f"coalesce(sum(row_count) FILTER (WHERE user_id IS NULL), 0), {HAS_ESCAPED}"
        ((anonymous, has_escaped),) = self.con.execute(select(sums, USERS)).fetchall()
        if anonymous > MOST_ANONYMOUS:
            return None
        rows = self._rows(NO_KEY, "1")
        is_ordinary = rows.keys == 0
        counts = np.bincount(-rows.keys[~is_ordinary], minlength=-ANONYMOUS + 1)
        rejected = dict(zip(default_rules(), counts[1:].tolist(), strict=False))
        hashes = rows.hashes if is_ordinary.all() else rows.hashes[is_ordinary | (rows.keys == ANONYMOUS)]
        surplus, has_repeated = self._surplus(hashes)
        return CheckedRows(len(rows.keys), rejected, surplus, bool(counts[-ANONYMOUS]), has_repeated, bool(has_escaped))

    def _find_users(self, plan: FunnelPlan, rows: str) -> tuple[int, Keying[FunnelPlan] | None]:
        """Number the users of rows, mark placeholder ids, and find how events can be packed."""
        # No clean event is of before 1990, nor of more than a day after its file came.
        end = max(file.placed_at for file in self.files.files()).date() + timedelta(days=3)
        plausible = f"event_at BETWEEN TIMESTAMP '1989-12-01' AND {date_literal(end)}::TIMESTAMP"
        counted = """user_id, NULL::VARCHAR AS anonymous_id, NULL::VARCHAR AS session_id, count(*) AS row_count,
            min(us) AS first_us, max(us) AS last_us, bool_and(us % 1000 = 0) AS in_ms"""
        times = f"CASE WHEN {plausible} THEN epoch_us(event_at) END AS us"
        self._number_users(counted, f"({select(['user_id', times], rows)})")
        ((users, anonymous, first, last, in_ms),) = self.con.execute(f"""
            SELECT count(*), coalesce(sum(row_count) FILTER (WHERE user_id IS NULL), 0), coalesce(min(first_us), 0),
                coalesce(max(last_us), 0), coalesce(bool_and(in_ms), true) FROM {USERS}
        """).fetchall()  # noqa: S608  # a name of this module
        return users, Keying.for_span(int(first), int(last), 1_000 if in_ms else 1, users + int(anonymous), plan)

    def _view_sure(self) -> None:
        rows = self.files.sure_sql(self.late_days, is_dated=False)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {SURE} AS {select(COLUMNS, rows)}")

    def _number_users(self, counted: str, rows: str) -> None:
        """Number the users of rows, with the counts of each, and mark placeholder ids."""
        users = select(counted, rows, group_by="ALL")
        numbered = f"*, row_number() OVER () - 1 AS number, {default_rules()['missing_identity']} AS is_nobody"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {USERS} AS {select(numbered, f'({users}) AS t0')}")

    def _rows(self, key: str, code: str) -> _CodedRows:
        by_footers = self._passed_by_footers
        passed = {*OF_TIME, *by_footers, *self._passed_by_all()}
        remaining_rules = {name: rule for name, rule in default_rules().items() if name not in passed}
        undecided = "" if IN_TIME in by_footers else f"WHEN NOT is_sure THEN {UNDECIDED} "
        rows = self._fetched(f"{SURE} AS t0", undecided + _cases(remaining_rules), key, code)
        is_undecided = rows.keys == UNDECIDED
        if not is_undecided.any():
            return rows
        self._view_exact()
        exact = f"(SELECT * FROM {EXACT} WHERE NOT is_sure) AS t0"  # noqa: S608  # a name of this module
        return rows.only(~is_undecided) + self._fetched(exact, _cases(default_rules()), key, code)

    @cached_property
    def _passed_by_footers(self) -> set[str]:
        return self.files.rules_passed(self.late_days, DEFAULT_RULE.max_amount)

    def _count(self, rows: str) -> int:
        ((count,),) = self.con.execute(select("count(*)", rows)).fetchall()
        return int(count)

    def _passed_by_all(self) -> Iterator[str]:
        """Yield the rules about users and types that no row breaks, as the distinct values show."""
        if not self.con.execute(select("1", USERS, "is_nobody LIMIT 1")).fetchall():
            yield from ("without_consent", "missing_identity")
        types = f"(SELECT DISTINCT event_type FROM {SURE}) AS t0"  # noqa: S608  # a name of this module
        bad = select("1", types, f"{default_rules()['malformed_event_type']} LIMIT 1")
        if not self.con.execute(bad).fetchall():
            yield "malformed_event_type"

    def _fetched(self, rows: str, cases: str, key: str, code: str) -> _CodedRows:
        further_cases = "" if key == NO_KEY else f" WHEN ({code}) IS NULL THEN {UNCODED}"
        if self._count(f"{USERS} WHERE user_id IS NULL"):
            further_cases += f" WHEN t0.user_id IS NULL THEN {ANONYMOUS}"
        units = "" if NUMBER in key or key == NO_KEY else f", coalesce({NUMBER}, 0) AS unit"
        is_joined = NUMBER in key or units or "is_nobody" in cases
        kind = "TINYINT" if key == NO_KEY else "BIGINT"
        chosen = f"(CASE {cases} {further_cases} ELSE {key} END)" if (cases + further_cases).strip() else f"({key})"
        user_join = f"LEFT JOIN {USERS} AS known ON t0.user_id = known.user_id" if is_joined else ""
        if chosen == f"({NO_KEY})":  # the same of every row
            hashes = self._hashes(rows)
            return _CodedRows(np.zeros(len(hashes), np.int8), hashes, None)
        result = self.con.execute(f"""
            SELECT {chosen}::{kind} AS key, hash(event_id) AS id_hash {units}
            FROM {rows} {user_join}
        """).fetchnumpy()  # noqa: S608  # names of this module, and compiled conditions
        hashes = np.asarray(result["id_hash"], np.uint64)
        keys = np.asarray(result["key"]) if key == NO_KEY else _ints(result["key"])
        return _CodedRows(keys, hashes, _ints(result["unit"]) if units else None)

    def _hashes(self, rows: str) -> npt.NDArray[np.uint64]:
        """Return the hashes of all ids; in batches of Arrow, which take a quarter less time than a whole result."""
        batches = self.con.sql(select("hash(event_id) AS id_hash", rows)).to_arrow_reader(BATCH_ROWS)
        hashes, count = np.empty(self.files.row_count(), np.uint64), 0
        for batch in batches:
            # By its buffer: pyarrow's own way to NumPy loads pandas first, which takes as long as hashing.
            column = batch.column(0)
            part = np.frombuffer(column.buffers()[1], np.uint64, len(column), column.offset * 8)
            hashes[count : count + len(part)] = part
            count += len(part)
        return hashes[:count]

    def _view_exact(self) -> None:
        """Create a view with every column of every row, including the arrival day."""
        rows = self.files.sure_sql(self.late_days, is_dated=True)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {EXACT} AS SELECT *, event_at::DATE AS event_date FROM ({rows})")  # noqa: S608

    def _surplus(self, hashes: npt.NDArray[np.uint64]) -> tuple[int, bool]:
        """Return the number of clean rows that are surplus copies, and whether any hashes repeat."""
        hashes.sort()
        repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(repeated):
            return 0, False
        self._view_exact()
        self.con.register("given_hashes", {"id_hash": repeated})
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {REPEATED_HASHES} AS SELECT id_hash FROM given_hashes")  # noqa: S608
        self.con.unregister("given_hashes")
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {REPEATED} AS
            SELECT event_id, event_date, received_date, event_at, event_type, user_id, anonymous_id, session_id FROM (
                SELECT * FROM {EXACT} WHERE hash(event_id) IN (SELECT id_hash FROM {REPEATED_HASHES})
            ) AS t0 WHERE {_is_clean()}
        """)  # noqa: S608  # names of this module, and compiled conditions
        copies = ibis.table({"event_id": "string", "event_date": "date", "received_date": "date"}, name=REPEATED)
        surplus = surplus_copies(copies, DEFAULT_RULE)
        count = _rows_sql(surplus.agg(n=surplus.surplus_count.sum().fill_null(0)))
        ((surplus_count,),) = self.con.execute(count).fetchall()
        return int(surplus_count), True

    def _anonymous(self, key: str, code: str, users: int) -> _CodedRows:
        """Return the events that have a code but no user; visitors who are not users are numbered from `users` on."""
        self._view_exact()
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {SIGHTINGS} AS SELECT {", ".join(SIGHTED)} FROM (
                SELECT * FROM {EXACT} AS t0 WHERE {device_sql()} IN (
                    SELECT DISTINCT {device_sql()} FROM {EXACT} AS t0 WHERE user_id IS NULL
                )
            ) AS t0 WHERE {_is_clean()}
        """)  # noqa: S608  # names of this module, and compiled conditions
        events = as_clean_events(ibis.table(SIGHTED, name=SIGHTINGS), DEFAULT_RULE)
        merged = ibis.table(schema_of(MergedUsers), name="no_merged_users")  # not read: `is_plain`
        rule = replace(self.identity, joins_aliases=False)
        resolved = _rows_sql(with_visitors_of_all(events, merged, rule, names_step=False))
        visitor = _values_sql({"visitor": visitor_of_user(_raw().user_id)})["visitor"]
        result = self.con.execute(f"""
            WITH seen AS (
                SELECT visitor_id, event_at, event_type FROM ({resolved})
                WHERE user_id IS NULL AND ({code}) IS NOT NULL
            ), named AS (SELECT {visitor} AS visitor_id, number AS known FROM {USERS} AS t0),
            numbered AS (
                SELECT visitor_id,
                    coalesce(known, {users} - 1 + row_number() OVER (PARTITION BY known IS NULL)) AS number
                FROM (SELECT DISTINCT visitor_id FROM seen) LEFT JOIN named USING (visitor_id)
            )
            SELECT {key} AS key, {NUMBER} AS unit FROM seen JOIN numbered USING (visitor_id)
        """).fetchnumpy()  # noqa: S608  # names of this module, and compiled conditions
        units = None if NUMBER in key else _ints(result["unit"])
        return _CodedRows(_ints(result["key"]), np.zeros(0, np.uint64), units)


def _ints(result: object) -> Ints:
    return np.asarray(result, np.int64)


def _key_sql(keying: Keying[FunnelPlan] | None, code: str, plan: FunnelPlan) -> str:
    """Return the SQL of the key of a clean event; the visitor is left out if one number cannot hold all parts."""
    if keying is None:
        return f"epoch_us(event_at) * {1 << plan.scale_bits} + ({code})"
    time = f"(epoch_us(event_at) - {keying.origin}) // {keying.resolution}"
    scale = 1 << plan.scale_bits
    return f"{NUMBER} * {scale << keying.time_bits} + ({time}) * {scale} + ({code})"


def _cases(rules: dict[str, str]) -> str:
    """Return WHEN … THEN … for rules about a row `t0` and its user; values are minus the reason's number."""
    numbers = {name: number for number, name in enumerate(default_rules(), start=1)}
    nobody, refused = default_rules()["missing_identity"], default_rules()["without_consent"]
    by_user = "CASE WHEN t0.user_id IS NOT NULL THEN is_nobody END"
    once = {
        "missing_identity": f"coalesce({by_user}, {nobody})",
        "without_consent": f"(coalesce({by_user}, true) AND {refused})",
    }
    ordered = {name: once.get(name, condition) for name, condition in rules.items()}
    return " ".join(f"WHEN {condition} THEN {-numbers[name]}" for name, condition in ordered.items())


def _is_clean() -> str:
    """Return the SQL that tests if no rule applies to a row `t0`."""
    return f"CASE {' '.join(f'WHEN {condition} THEN false' for condition in default_rules().values())} ELSE true END"


def view_direct(
    con: duckdb.DuckDBPyConnection, files: RecordFiles, late_days: int, checked: CheckedRows, *, is_dated: bool
) -> bool:
    """Make the view `DIRECT` of the clean rows with a user and a unique id; it has only the rules that some row breaks.

    Args:
        con: The engine.
        files: The files.
        late_days: The setting.
        checked: What the check of all rows says.
        is_dated: Whether to have the days of arrival.

    Returns:
        Whether the view has the days of arrival, which some rules need, too.
    """
    broken = [name for name, count in checked.rejected.items() if count]
    is_dated = is_dated or not {*OF_TIME}.isdisjoint(broken)
    conditions = ["t0.user_id IS NOT NULL"] if checked.has_anonymous else []
    conditions += [f"hash(t0.event_id) NOT IN {repeated()}"] if checked.has_repeated else []
    if broken:
        cases = " ".join(f"WHEN {default_rules()[name]} THEN false" for name in broken)
        conditions.append(f"CASE {cases} ELSE true END")
    rows = select("*, event_at::DATE AS event_date", f"({files.sure_sql(late_days, is_dated=is_dated)})")
    rows = select("*", f"({rows}) AS t0", " AND ".join(conditions))
    con.execute(f"CREATE OR REPLACE TEMP VIEW {DIRECT} AS {rows}")
    return is_dated


def repeated() -> str:
    """Return the hashes of ids that may repeat, as a subquery."""
    return f"({select('id_hash', REPEATED_HASHES)})"
