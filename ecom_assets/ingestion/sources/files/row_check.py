"""The check of all rows of Parquet files: how many are refused and why,
and what some of the others need.

The result is that of `events/clean.py`, whose conditions are tested on fewer rows: the rules about
time only for events outside the days of their file, those about ids only for rows without a user,
copies only for ids whose hash repeats. It is kept until a file changes, so that rows are checked
once.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlglot.expressions as sge

from ecom_assets.behaviour.events import clean, contracts, same_order
from ecom_assets.behaviour.events.clean import (
    ID_MARK,
    CleaningRule,
    has_unread_amount,
    is_marked,
    known_amount,
    reject_rules,
    repeated_ids,
    with_known_amounts,
)
from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.behaviour.events.same_order import ids_of_repeated_orders
from ecom_assets.behaviour.identity.links import ALIAS
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.core.clock import now_utc
from ecom_assets.core.json_text import json_text
from ecom_assets.core.tables import days, placeholders, values
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import NO_PRODUCTS, NOBODY
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE
from ecom_assets.core.warehouse.local import PortableDuckDBCompiler
from ecom_assets.core.warehouse.sql_text import day_in_zone, select, text
from ecom_assets.core.warehouse.statements import key_of
from ecom_assets.ingestion.sources.files import footers, sql
from ecom_assets.ingestion.sources.files.footers import (
    ESCAPED,
    IN_TIME,
    KNOWN_AMOUNTS,
    PLAIN_USERS,
    WHOLE_USERS,
)
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.kept_checks import KeptChecks
from ecom_assets.ingestion.sources.files.records import RecordFiles

MOST_ROWS: Final = 30_000_000
"""The most rows whose hashes are held in memory, of 8 bytes each."""
MOST_SPECIAL, SPECIAL_SHARE = 50_000, 0.05
"""The most rows that are cleaned beside the others, or their share, if that is more;
for more of them, the full cleaning of all rows takes less time.
"""
MOST_SPELLINGS: Final = 1_000
"""The most ids of users that stand for nobody: they are listed in statements."""
MOST_KEPT: Final = 500_000
"""The most hashes of ids that are kept with a check."""
OF_TIME: Final = ("implausible_date", "unparseable_timestamp", "future_timestamp", "too_late")
"""The rules that an event cannot break if its time is within the days of its file."""
OF_IDS: Final = ("without_consent", "missing_identity")
"""The rules that an event cannot break if it has a user who is somebody."""
OF_TYPES: Final = ("malformed_event_type", "unknown_event_type")
"""The rules about the type of an event alone."""
MARKED: Final = -100
"""The key, in place of a reason's, of a clean row whose id looks like that of another event."""
LONG_LIST: Final = 12
"""Texts of a list that is long; see `_as_pattern`."""
SURE, EXACT, TYPES = "sure_rows", "exact_rows", "file_types"
COLUMNS = (
    "event_id",
    "user_id",
    "anonymous_id",
    "session_id",
    "event_type",
    "product_id",
    "cart_value",
    "cart_amount",
    "unrated_currency",
    "event_at",
    "malformed_row",
    "is_sure",
    "properties",
)
"""The columns that the other rules need, and that say which order a purchase names."""
REPEATED_HASHES, REPEATED = "repeated_hashes", "repeated_copies"
"""The tables of hashes that several rows have, and of the clean rows with such a hash."""
JOINED_HASHES: Final = "joined_hashes"
"""The table of hashes of the sessions and devices that events without a user share with others."""
OF_NOBODY, IDS_OF_NOBODY = "of_nobody", "ids_of_nobody"
"""The tables of the different ids of events without a user, and of their sessions and devices."""
WHOLE: Final = tuple(word for word in NOBODY if re.fullmatch("-?[0-9]|-?[1-9][0-9]+", word))
"""The placeholders of users that whole numbers can be."""
SPECIAL_IDS, SPECIAL_HASHES = "special_ids", "special_hashes"
"""The tables of hashes of what events that are cleaned beside the others have: their sessions and
devices, and their own ids.
"""
DIRECT: Final = "direct_events"
BATCH_ROWS = 1_000_000
WHOSE: Final = ("anonymous_id", "session_id")
"""The columns that say whose an event without a user is."""
TICK: Final = timedelta(seconds=1)
"""Longer than the clock of any usual file system stands still."""


@lru_cache(maxsize=8)
def rules_sql(rule: CleaningRule, days: Days) -> dict[str, str]:
    """Return the SQL condition of each reason to reject a row `t0`, in order;
    takes what `reject_rules` takes.
    """
    return _values_sql({name: condition for condition, name in reject_rules(_raw(), rule, days)})


def _raw() -> ir.Table:
    return ibis.table(schema_of(RawEvents), name="rows")


def _values_sql(values: dict[str, ir.Value]) -> dict[str, str]:
    """Return the SQL of values of a row `t0`, by name."""
    written = PortableDuckDBCompiler().to_sqlglot(_raw().select(**values)).expressions
    return {
        value.alias: str(value.this.transform(_as_pattern).sql(dialect="duckdb"))
        for value in written
    }


def _as_pattern(node: sge.Expression) -> sge.Expression:
    """Return the test for a long list of texts as one for a pattern.

    The engine makes a join of a list with IN, which it keeps, with all that it reads, also where
    nobody names the column, and which looks at each row, whatever stands before it.
    """
    if not isinstance(node, sge.In) or len(node.expressions) < LONG_LIST:
        return node
    if not all(isinstance(word, sge.Literal) and word.is_string for word in node.expressions):
        return node
    pattern = sge.Literal.string(_pattern(word.this for word in node.expressions))
    return sge.Anonymous(this="regexp_full_match", expressions=[node.this, pattern])


@lru_cache(maxsize=8)
def amounts_sql(rule: CleaningRule) -> dict[str, str]:
    """Return the SQL of whether the amount of a row `t0` is another than what was read,
    and whether it is not known.
    """
    known, read = known_amount(_raw(), rule), _raw().cart_amount
    return _values_sql(
        {"changed": ~known.identical_to(read), "unread": has_unread_amount(_raw(), rule)}
    )


@cache
def marked_sql() -> str:
    """Return the SQL that tests if the id of a row `t0` looks like the id of another event."""
    marked = _values_sql({"marked": is_marked(_raw().event_id)})["marked"]
    # Few ids have the mark anywhere, and looking for one sign takes a third of the time.
    return f"CASE WHEN contains(t0.event_id, {text(ID_MARK)}) THEN {marked} ELSE false END"


@cache
def _repeated_orders_sql() -> str:
    """Return the SELECT of the ids of purchases whose order another one of somebody names."""
    schema = {name: kind for name, kind in schema_of(RawEvents).items() if name in COLUMNS}
    return _rows_sql(ids_of_repeated_orders(ibis.table(schema, name=SURE)))


def _rows_sql(rows: ir.Table) -> str:
    return str(PortableDuckDBCompiler().to_sqlglot(rows).sql(dialect="duckdb"))


def is_placeholder_sql(column: str, words: Collection[str] = NOBODY) -> str:
    """Return the SQL of what `is_placeholder` says of an id; see `_as_pattern`."""
    return f"regexp_full_match(lower({column}), {text(_pattern(words))})"


def known_sql(column: str, words: Collection[str]) -> str:
    """Return the SQL of an id; NULL for a placeholder."""
    return f"CASE WHEN {is_placeholder_sql(column, words)} THEN NULL ELSE {column} END"


def _pattern(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


def in_hashes(column: str, table: str) -> str:
    """Return the SQL that tests if the hash of a column is in a table of hashes."""
    return f"hash({column}) IN ({select('id_hash', table)})"


Hashes = npt.NDArray[np.uint64]
Number = TypeVar("Number", np.uint64, np.int8)


@dataclass(frozen=True)
class CheckedRows:
    """The result of checking all rows: their number, the rejected ones by reason,
    and what some of the others need.

    `nobody`: the ids of users that stand for nobody, as the files spell them. `has_anonymous`: some
    rows have no user, or one of these. `has_escaped`: the visitors of some users are not called as
    these. `repeated`, `joined`: the hashes that `REPEATED_HASHES` and `JOINED_HASHES` have, as
    text. `changed_amounts`: rows whose amount is another than what was read; `unread_amounts`:
    those that came with an amount that is not known. `needs_all`: all rows need the full
    definitions of cleaning, and nothing else is known.
    """

    read: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    surplus: int = 0
    has_anonymous: bool = False
    has_escaped: bool = False
    nobody: list[str] = field(default_factory=list)
    repeated: str = ""
    joined: str = ""
    changed_amounts: int = 0
    unread_amounts: int = 0
    needs_all: bool = False

    @property
    def has_special(self) -> bool:
        """Whether there are events that share a session or device with a user's,
        or with an id that may repeat.
        """
        return bool(self.joined or self.repeated)

    @property
    def nobody_sql(self) -> str:
        """The SQL that tests if a row `t0` has no user who is somebody; empty if all have one."""
        return _nobody_sql(self.nobody) if self.has_anonymous else ""


NEEDS_ALL: Final = CheckedRows(needs_all=True)


def _nobody_sql(nobody: Iterable[str]) -> str:
    listed = ", ".join(map(text, nobody))
    return "(t0.user_id IS NULL" + (f" OR t0.user_id IN ({listed}))" if listed else ")")


def _as_text(hashes: Hashes) -> str:
    return b64encode(hashes.tobytes()).decode()


def _from_text(hashes: str) -> Hashes:
    return np.frombuffer(b64decode(hashes), np.uint64)


@dataclass(frozen=True)
class KeptCheck:
    """The check of files that is kept: under a key of the files,
    and of all that decides what it says of them.
    """

    checks: KeptChecks
    key: bytes
    placed_at: datetime

    @classmethod
    def of_files(cls, checks: KeptChecks, files: list[InputFile], *read_by: object) -> "KeptCheck":
        """Return that of files as they are now;
        `repr` of `read_by` says how they are read and checked.
        """
        found = [(file.path, file.size, file.modified_at, file.placed_at) for file in files]
        placed_at = max(file.placed_at for file in files)
        # Another version may hash otherwise.
        key = key_of(_source_digest(), duckdb.__version__, found, *read_by)
        return cls(checks, key, placed_at)

    def read(self) -> CheckedRows | None:
        """Return what an earlier check said; None if there was none,
        or a file has changed since.
        """
        kept = self.checks.read(self.key)
        return CheckedRows(**json.loads(kept)) if kept else None

    def keep_check(self, checked: CheckedRows) -> None:
        """Keep what a check said, if it is not too large."""
        size = max(len(checked.repeated), len(checked.joined)) * 3 // 4
        # A file may be written twice within a tick.
        if size <= MOST_KEPT * 8 and self.placed_at < now_utc() - TICK:
            self.checks.keep_counts(self.key, json_text(asdict(checked)))


@cache
def _source_digest() -> str:
    """Return what any edit of the rules of cleaning and their bounds changes,
    so that no check by others is taken.
    """
    modules = (clean, same_order, contracts, days, footers, placeholders, sql, values)
    files = (__file__, *(str(module.__file__) for module in modules))
    sources = (Path(file).read_bytes() for file in files)
    return blake2b(b"".join(sources), digest_size=8).hexdigest()


@dataclass(frozen=True)
class _RowKeys:
    """For each row 0, or a negative number, such as that of the reason to reject it;
    and the hash of its event id.
    """

    keys: npt.NDArray[np.int8]
    hashes: Hashes


@dataclass(frozen=True)
class RowCheck:
    """The check of all rows of Parquet files, whose events are cleaned by a rule.

    An event without a user who is somebody has its own session or device as its visitor, unless an
    event with a user shares one of them: such events, with all of the same sessions and devices,
    are cleaned by the full definitions, as are those whose id may repeat.
    """

    con: duckdb.DuckDBPyConnection
    files: RecordFiles
    rule: CleaningRule
    identity: IdentityRule
    days: Callable[[], Days]
    """The days of arrival, with those around them, which rules in a time zone need."""
    kept: KeptChecks | None = None
    """Where what it says is kept; nowhere if None."""

    @cached_property
    def _rules(self) -> dict[str, str]:
        in_utc = self.rule.timezone == "UTC"  # where no rule asks for the days
        return rules_sql(self.rule, Days.from_dates([FIRST_PLAUSIBLE]) if in_utc else self.days())

    @cached_property
    def checked(self) -> CheckedRows | None:
        """What the check of all rows says, kept until a file changes;
        None if all rows need the full cleaning.
        """
        rows = self.files.sure_sql(self.rule.late_days, is_dated=False)
        read_by = (rows, self.rule, self.identity)
        kept = self.kept and KeptCheck.of_files(self.kept, self.files.files(), *read_by)
        checked = kept.read() if kept else None
        if checked is None:
            self._view_sure(rows)
            checked = self._check()
            if kept:
                kept.keep_check(checked)
        elif checked.has_special:
            self._view_sure(rows)
            self._hold(REPEATED_HASHES, _from_text(checked.repeated))
            self._hold(JOINED_HASHES, _from_text(checked.joined))
        return None if checked.needs_all else checked

    def _view_sure(self, rows: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {SURE} AS {select(COLUMNS, rows)}")

    def _hold(self, table: str, hashes: Hashes) -> None:
        """Store hashes in a table."""
        self.con.register("given_hashes", {"id_hash": hashes})
        rows = select("id_hash", "given_hashes")
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {rows}")
        self.con.unregister("given_hashes")

    @property
    def _most(self) -> int:
        return max(MOST_SPECIAL, int(self.files.row_count() * SPECIAL_SHARE))

    def _check(self) -> CheckedRows:
        types = select("DISTINCT event_type", SURE)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TYPES} AS {types}")
        has_aliases = self.identity.joins_aliases and self._has(TYPES, f"event_type = '{ALIAS}'")
        if not self.identity.keeps_users or self.identity.consent or has_aliases:
            return NEEDS_ALL
        users = self._users()
        joined = np.empty(0, np.uint64)
        if users.has_anonymous and not users.needs_all:
            joined = self._joined(users.nobody_sql)
        self._hold(JOINED_HASHES, joined)
        if users.needs_all or (len(joined) and not self._are_few(users.nobody_sql)):
            return NEEDS_ALL
        rows = self._rows(users.nobody_sql)
        is_odd = rows.keys != 0
        has_odd = is_odd.any()
        odd = rows.keys[is_odd] if has_odd else rows.keys[:0]
        counts = np.bincount(-odd.astype(np.int64), minlength=len(self._rules) + 1)
        rejected = dict(zip(self._rules, counts[1:].tolist(), strict=False))
        hashes = rows.hashes[~is_odd] if has_odd else rows.hashes
        marked = rows.hashes[rows.keys == MARKED] if counts[-MARKED:].any() else rows.hashes[:0]
        surplus, repeated = self._surplus(hashes, marked)
        changed, unread = self._odd_amounts()
        return replace(
            users,
            read=len(rows.keys),
            rejected=rejected,
            surplus=surplus,
            repeated=_as_text(repeated),
            joined=_as_text(joined),
            changed_amounts=changed,
            unread_amounts=unread,
        )

    def _users(self) -> CheckedRows:
        """Return what is known of the users of all rows; store the ids of those who are nobody."""
        if PLAIN_USERS in self._passed_by_footers:
            return CheckedRows()
        spellings, has_escaped = WHOLE, False
        if WHOLE_USERS not in self._passed_by_footers:
            spellings, has_escaped = self._spellings()
        if len(spellings) > MOST_SPELLINGS:
            return NEEDS_ALL
        columns = ", ".join(("user_id", *WHOSE))
        of_nobody = select(f"DISTINCT {columns}", f"{SURE} AS t0", _nobody_sql(spellings))
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {OF_NOBODY} AS {of_nobody}")
        found = self.con.execute(select("DISTINCT user_id", OF_NOBODY)).fetchall()
        nobody = sorted(user for (user,) in found if user is not None)
        return CheckedRows(has_anonymous=bool(found), has_escaped=has_escaped, nobody=nobody)

    def _spellings(self) -> tuple[tuple[str, ...], bool]:
        """Return the users that stand for nobody,
        and whether the visitors of some are not called as these.
        """
        users = select("user_id", SURE, group_by="user_id")
        is_escaped = " OR ".join(f"starts_with(user_id, {text(start)})" for start in ESCAPED)
        sums = [
            f"list(user_id) FILTER ({is_placeholder_sql('user_id')})",
            f"coalesce(bool_or({is_escaped}), false)",
        ]
        ((nobody, has_escaped),) = self.con.execute(select(sums, users)).fetchall()
        return tuple(nobody or ()), has_escaped

    def _joined(self, nobody: str) -> Hashes:
        """Return the hashes of sessions and devices that events without a user share with others.

        Rows that are refused are among them, which costs time only.
        """
        if not self.identity.has_links and self.identity.owner != "source_session":
            return np.empty(0, np.uint64)  # whose an event is depends on no other one
        ids = " UNION ".join(
            select(f"{name} AS id", f"{OF_NOBODY} AS t0", f"NOT {is_placeholder_sql(name)}")
            for name in WHOSE
        )
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {IDS_OF_NOBODY} AS {ids}")
        among = select("id", IDS_OF_NOBODY)
        of_users = " UNION ".join(
            select(
                f"hash({name}) AS id_hash", f"{SURE} AS t0", f"NOT {nobody} AND {name} IN ({among})"
            )
            for name in WHOSE
        )
        result = self.con.execute(of_users).fetchnumpy()
        return np.sort(np.asarray(result["id_hash"], np.uint64))

    def _are_few(self, nobody: str) -> bool:
        """Return whether the rows that share a session or device with some events without a user
        are few, and so are the devices of each of their users.
        """
        self.store_special_ids(nobody)
        special = select("*", f"{SURE} AS t0", self.is_special())
        if self._count(f"({special})") > self._most:
            return False
        if not self.identity.has_links:
            return True
        users = f"user_id IN ({select('user_id', special)})"
        many = f"user_id HAVING count(DISTINCT anonymous_id) >= {self.identity.user_devices}"
        return not self.con.execute(f"{select('1', SURE, users, group_by=many)} LIMIT 1").fetchall()

    def store_special_ids(self, nobody: str) -> None:
        """Store the sessions and devices of the events without a user that others may decide."""
        where = f"{nobody} AND ({_has_id_in(JOINED_HASHES)})"
        ids = " UNION ".join(
            select(f"hash({known_sql(f't0.{name}', NOBODY)}) AS id_hash", f"{SURE} AS t0", where)
            for name in WHOSE
        )
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {SPECIAL_IDS} AS {ids}")

    @staticmethod
    def is_special() -> str:
        """Return the SQL that tests if a row `t0` has one of these sessions or devices."""
        return f"({_has_id_in(SPECIAL_IDS)})"

    def special_rows(self, checked: CheckedRows, received: str) -> str:
        """Return the SELECT of the rows of a view that need the full cleaning,
        and of few others.
        """
        wanted = REPEATED_HASHES
        if checked.joined:  # found by few columns first, as reading all of each row takes longest
            self.store_special_ids(checked.nobody_sql)
            wanted = SPECIAL_HASHES
            is_wanted = f"event_id IS NOT NULL AND {self.is_special()}"
            rows = select("hash(event_id) AS id_hash", f"{SURE} AS t0", is_wanted)
            rows = f"{rows} UNION {select('id_hash', REPEATED_HASHES)}"
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE {wanted} AS {rows}")
        is_repeated = f"{in_hashes('event_id', REPEATED_HASHES)} AS is_repeated"
        rows = select("*", received, in_hashes("event_id", wanted))
        return select(f"*, {is_repeated}", rows)

    def _odd_amounts(self) -> tuple[int, int]:
        """Return `changed_amounts` and `unread_amounts`."""
        if KNOWN_AMOUNTS in self._passed_by_footers:
            return 0, 0
        changed, unread = (amounts_sql(self.rule)[name] for name in ("changed", "unread"))
        if not self._count(f"{SURE} AS t0 WHERE {changed} OR {unread}"):
            return 0, 0
        self._view_exact()
        is_clean = f"{EXACT} AS t0 WHERE {self._is_clean()}"
        return self._count(f"{is_clean} AND ({changed})"), self._count(f"{is_clean} AND ({unread})")

    def _rows(self, nobody: str) -> _RowKeys:
        by_footers = self._passed_by_footers
        passed = {*OF_TIME, *by_footers, *self._passed_by_all(has_anonymous=bool(nobody))}
        remaining = {name: rule for name, rule in self._rules.items() if name not in passed}
        for name in remaining.keys() & OF_IDS:
            remaining[name] = f"CASE WHEN {nobody} THEN {remaining[name]} ELSE false END"
        if IN_TIME in by_footers:
            return self._fetched({f"{SURE} AS t0": self._cases(remaining)})
        self._view_exact()
        unsure = f"({select('*', EXACT, 'NOT is_sure')}) AS t0"
        return self._fetched(
            {
                f"({select('*', SURE, 'is_sure')}) AS t0": self._cases(remaining),
                unsure: self._cases(self._rules),
            }
        )

    @cached_property
    def _passed_by_footers(self) -> set[str]:
        return self.files.rules_passed(self.rule.late_days, self.rule.max_amount)

    def _count(self, rows: str) -> int:
        ((count,),) = self.con.execute(select("count(*)", rows)).fetchall()
        return int(count)

    def _has(self, rows: str, where: str) -> bool:
        return bool(self.con.execute(select("1", rows, f"{where} LIMIT 1")).fetchall())

    def _passed_by_all(self, *, has_anonymous: bool) -> Iterator[str]:
        """Yield the rules about types and ids that no row breaks, as the different ones show."""
        looked_at = {**dict.fromkeys(OF_TYPES, TYPES), **dict.fromkeys(OF_IDS, OF_NOBODY)}
        for name, table in looked_at.items():
            is_passed = name not in self._rules or (table == OF_NOBODY and not has_anonymous)
            if is_passed or not self._has(f"{table} AS t0", self._rules[name]):
                yield name

    def _fetched(self, parts: dict[str, str]) -> _RowKeys:
        """Return a key and the hash of the id of each row of several parts, with their cases;
        in batches of Arrow, which take a quarter less time than a whole result.
        """
        hashes = np.empty(self.files.row_count(), np.uint64)
        keys, count = np.empty(len(hashes), np.int8), 0
        for rows, cases in parts.items():
            key = f"CASE {cases} WHEN {marked_sql()} THEN {MARKED} ELSE 0 END"
            columns = ["hash(event_id) AS id_hash", f"({key})::TINYINT AS key"]
            for batch in self.con.sql(select(columns, rows)).to_arrow_reader(BATCH_ROWS):
                end = count + len(batch)
                hashes[count:end] = _values_of(batch.column(0), np.uint64)
                keys[count:end] = _values_of(batch.column(1), np.int8)
                count = end
        return _RowKeys(keys[:count], hashes[:count])

    def _view_exact(self) -> None:
        """Create a view with every column of every row, including the arrival day."""
        rows = self.files.sure_sql(self.rule.late_days, is_dated=True)
        dated = select(f"*, {self._event_date}", f"({rows})")
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {EXACT} AS {dated}")

    @property
    def _event_date(self) -> str:
        return f"{day_in_zone('event_at', self.rule.timezone)} AS event_date"

    def _surplus(self, hashes: Hashes, marked: Hashes) -> tuple[int, Hashes]:
        """Return the number of clean rows that are surplus copies,
        and the hashes of ids that may repeat; `marked` are those that do in any case.
        """
        hashes.sort()
        of_orders = self.con.execute(
            select("hash(event_id) AS id_hash", f"({_repeated_orders_sql()})")
        ).fetchnumpy()
        repeated = np.unique(
            np.concatenate((hashes[1:][hashes[1:] == hashes[:-1]], marked, of_orders["id_hash"]))
        )
        self._hold(REPEATED_HASHES, repeated)
        if not len(repeated):
            return 0, repeated
        self._view_exact()
        rows = select("*", EXACT, in_hashes("event_id", REPEATED_HASHES))
        clean_rows = select("*", f"({rows}) AS t0", self._is_clean())
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {REPEATED} AS {clean_rows}")
        # Whether two rows agree is decided by what is known of their amounts.
        copies = with_known_amounts(ibis.table(schema_of(RawEvents), name=REPEATED), self.rule)
        surplus = repeated_ids(copies, self.rule)
        count = _rows_sql(surplus.agg(n=surplus.surplus_count.sum().fill_null(0)))
        ((surplus_count,),) = self.con.execute(count).fetchall()
        return int(surplus_count), repeated

    def _cases(self, rules: dict[str, str]) -> str:
        """Return WHEN … THEN … for rules about a row `t0`; values are minus the reason's number."""
        numbers = {name: number for number, name in enumerate(self._rules, start=1)}
        return " ".join(f"WHEN {rule} THEN {-numbers[name]}" for name, rule in rules.items())

    def _is_clean(self) -> str:
        """Return the SQL that tests if no rule applies to a row `t0`."""
        return _none_of(self._rules.values())

    def view_direct(self, checked: CheckedRows, *, is_dated: bool) -> bool:
        """Make the view `DIRECT` of the clean rows that no other row decides about, without
        placeholders; it has only the rules that some row breaks.

        Args:
            checked: What the check of all rows says.
            is_dated: Whether to have the days of arrival.

        Returns:
            Whether the view has the days of arrival, which some rules need, too.
        """
        broken = [name for name, count in checked.rejected.items() if count]
        is_dated = is_dated or not {*OF_TIME}.isdisjoint(broken)
        conditions = [f"NOT {in_hashes('t0.event_id', REPEATED_HASHES)}"] * bool(checked.repeated)
        conditions += [_none_of(self._rules[name] for name in broken)] * bool(broken)
        rows = self.files.sure_sql(self.rule.late_days, is_dated=is_dated)
        rows = select(f"*, {self._event_date}", f"({rows})")
        ids = {name: known_sql(name, NOBODY) for name in WHOSE}
        ids["product_id"] = known_sql("product_id", NO_PRODUCTS)
        if checked.nobody:
            ids["user_id"] = f"CASE WHEN {checked.nobody_sql} THEN NULL ELSE t0.user_id END"
        known = ", ".join(f"{value} AS {name}" for name, value in ids.items())
        rows = select(f"* REPLACE ({known})", f"({rows}) AS t0", " AND ".join(conditions))
        if checked.joined:
            is_own = f"t0.user_id IS NOT NULL OR NOT ({_has_id_in(JOINED_HASHES)})"
            rows = select("*", f"({rows}) AS t0", is_own)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {DIRECT} AS {rows}")
        return is_dated


def _values_of(column: pa.Array, kind: type[Number]) -> npt.NDArray[Number]:
    """Return the values of a column without nulls, of this kind, in place."""
    # pyarrow's own way to NumPy loads pandas first, which takes as long as hashing.
    offset = column.offset * np.dtype(kind).itemsize
    return np.frombuffer(column.buffers()[1], kind, len(column), offset)


def _has_id_in(table: str) -> str:
    """Return the SQL that tests if a row `t0` has a session or a device in a table of hashes."""
    tests = (f"(t0.{name} IS NOT NULL AND {in_hashes(f't0.{name}', table)})" for name in WHOSE)
    return " OR ".join(tests)


def _none_of(rules: Iterable[str]) -> str:
    """Return the SQL that tests if none of some rules applies to a row `t0`."""
    return f"CASE {' '.join(f'WHEN {rule} THEN false' for rule in rules)} ELSE true END"
