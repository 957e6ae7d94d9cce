"""The check of all rows of Parquet files: how many are refused and why,
and what some of the others need.

The result is that of `events/clean.py`, whose conditions are tested on fewer rows: the rules about
time only for events outside the days of their file, the rule about placeholder ids once per user,
copies only for ids whose hash repeats. It is kept until a file changes, so that rows are checked
once.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Final

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from ecom_assets.behaviour.events import clean, contracts, same_order
from ecom_assets.behaviour.events.clean import (
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
from ecom_assets.core.tables.placeholders import NOBODY, known
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE
from ecom_assets.core.warehouse.local import PortableDuckDBCompiler
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.core.warehouse.statements import key_of
from ecom_assets.ingestion.sources.files import footers
from ecom_assets.ingestion.sources.files.footers import IN_TIME, KNOWN_AMOUNTS, PLAIN_USERS
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.kept_checks import KeptChecks
from ecom_assets.ingestion.sources.files.records import RecordFiles

MOST_ROWS: Final = 30_000_000
"""The most rows whose hashes are held in memory, of 8 bytes each."""
MOST_ANONYMOUS: Final = 50_000
"""The most rows without a user; for more of them,
the full cleaning finds the visitors in less time.
"""
OF_TIME: Final = ("implausible_date", "unparseable_timestamp", "future_timestamp", "too_late")
"""The rules that an event cannot break if its time is within the days of its file."""
UNDECIDED, ANONYMOUS = -100, -101
"""Keys in place of a reason's: the time is not checked yet; the event is clean, but has no user."""
SURE, EXACT, USERS = "sure_rows", "exact_rows", "file_users"
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
DIRECT: Final = "direct_events"
BATCH_ROWS = 1_000_000
HAS_ESCAPED: Final = (
    "coalesce(bool_or(starts_with(user_id, 'anon-') OR starts_with(user_id, 'user-')), false)"
)
"""Whether the visitors of some users are not called as these."""
TICK: Final = timedelta(seconds=1)
"""Longer than the clock of any usual file system stands still."""
DEFAULT_RULE: Final = CleaningRule()


@cache
def default_rules() -> dict[str, str]:
    """Return the SQL condition of each reason to reject a row `t0` by the
    default rule in UTC, in order.
    """
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
def amounts_sql() -> dict[str, str]:
    """Return the SQL of whether the amount of a row `t0` is another than what was read,
    and whether it is not known.
    """
    known, read = known_amount(_raw(), DEFAULT_RULE), _raw().cart_amount
    return _values_sql(
        {"changed": ~known.identical_to(read), "unread": has_unread_amount(_raw(), DEFAULT_RULE)}
    )


@cache
def marked_sql() -> str:
    """Return the SQL that tests if the id of a row `t0` looks like the id of another event."""
    return _values_sql({"marked": is_marked(_raw().event_id)})["marked"]


@cache
def device_sql() -> str:
    """Return the SQL of the device of a row `t0`, or of the source session in its place."""
    device = ibis.coalesce(known(_raw().anonymous_id, NOBODY), known(_raw().session_id, NOBODY))
    return _values_sql({"device": device})["device"]


@cache
def _repeated_orders_sql() -> str:
    """Return the SELECT of the ids of purchases whose order another one of somebody names."""
    schema = {name: kind for name, kind in schema_of(RawEvents).items() if name in COLUMNS}
    return _rows_sql(ids_of_repeated_orders(ibis.table(schema, name=SURE)))


def _rows_sql(rows: ir.Table) -> str:
    return str(PortableDuckDBCompiler().to_sqlglot(rows).sql(dialect="duckdb"))


@dataclass(frozen=True)
class CheckedRows:
    """The result of checking all rows: their number, the rejected ones by reason,
    and what some of the others need.

    `has_anonymous`: some clean rows have no user. `has_repeated`: the hashes of some ids of clean
    rows repeat, which the table `REPEATED_HASHES` has. `has_escaped`: the visitors of some users
    are not called as these.
    `changed_amounts`: rows whose amount is another than what was read; `unread_amounts`: those that
    came with an amount that is not known.
    """

    read: int
    rejected: dict[str, int]
    surplus: int
    has_anonymous: bool
    has_repeated: bool
    has_escaped: bool
    changed_amounts: int = 0
    unread_amounts: int = 0

    @property
    def has_special(self) -> bool:
        """Whether there are events without a user, or with an id that may repeat."""
        return self.has_anonymous or self.has_repeated


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
        return cls(checks, key_of(_source_digest(), found, *read_by), placed_at)

    def read(self) -> CheckedRows | None:
        """Return what an earlier check said; None if there was none,
        or a file has changed since.
        """
        kept = self.checks.read(self.key)
        return CheckedRows(**json.loads(kept)) if kept else None

    def keep(self, checked: CheckedRows | None) -> None:
        """Keep what a check said, if another one can do without it."""
        # The table of repeated hashes must be made again; and a file may be written twice within a
        # tick.
        if checked and not checked.has_repeated and self.placed_at < now_utc() - TICK:
            self.checks.keep(self.key, json_text(asdict(checked)))


@cache
def _source_digest() -> str:
    """Return what any edit of the rules of cleaning and their bounds changes,
    so that no check by others is taken.
    """
    modules = (clean, same_order, contracts, days, footers, placeholders, values)
    files = (__file__, *(str(module.__file__) for module in modules))
    sources = (Path(file).read_bytes() for file in files)
    return blake2b(b"".join(sources), digest_size=8).hexdigest()


@dataclass(frozen=True)
class _RowKeys:
    """For each row 0, or a negative number, such as that of the reason to reject it;
    and the hash of its event id.
    """

    keys: npt.NDArray[np.int8]
    hashes: npt.NDArray[np.uint64]

    def only(self, chosen: npt.NDArray[np.bool_]) -> "_RowKeys":
        return _RowKeys(self.keys[chosen], self.hashes[chosen])

    def __add__(self, other: "_RowKeys") -> "_RowKeys":
        return _RowKeys(
            np.concatenate((self.keys, other.keys)), np.concatenate((self.hashes, other.hashes))
        )


@dataclass(frozen=True)
class RowCheck:
    """The check of all rows of Parquet files,
    whose events are cleaned by the default rule in UTC.
    """

    con: duckdb.DuckDBPyConnection
    files: RecordFiles
    late_days: int
    identity: IdentityRule
    kept: KeptChecks | None = None
    """Where what it says is kept; nowhere if None."""

    def _is_plain(self) -> bool:
        """Return whether each event with a user belongs to that user,
        and few devices say whose the other events are.

        Else aliases join users, or a user may be on so many devices.
        """
        if not self.identity.keeps_users or self.identity.consent:
            return False
        unusual = [f"event_type = '{ALIAS}'"] if self.identity.joins_aliases else []
        if any(
            self.con.execute(select("1", f"{SURE} AS t0", f"{condition} LIMIT 1")).fetchall()
            for condition in unusual
        ):
            return False
        if not (self.identity.has_links and self._count(f"{SURE} WHERE user_id IS NULL")):
            return True
        many = f"user_id HAVING count(DISTINCT anonymous_id) >= {self.identity.user_devices}"
        return not self.con.execute(
            f"{select('1', SURE, 'user_id IS NOT NULL', group_by=many)} LIMIT 1"
        ).fetchall()

    @cached_property
    def checked(self) -> CheckedRows | None:
        """What the check of all rows says, kept until a file changes;
        None if too many of them have no user.
        """
        rows = self.files.sure_sql(self.late_days, is_dated=False)
        read_by = (rows, self.late_days, self.identity)
        kept = self.kept and KeptCheck.of_files(self.kept, self.files.files(), *read_by)
        if kept and (earlier := kept.read()):
            return earlier
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {SURE} AS {select(COLUMNS, rows)}")
        checked = self._check()
        if kept:
            kept.keep(checked)
        return checked

    def _check(self) -> CheckedRows | None:
        if not self._is_plain():
            return None
        # Where no user can be odd, none is looked at.
        users = f"{SURE} WHERE false" if PLAIN_USERS in self._passed_by_footers else SURE
        self._find_users(users)
        if self._hides_ids():
            return None
        sums = f"coalesce(sum(row_count) FILTER (WHERE user_id IS NULL), 0), {HAS_ESCAPED}"
        ((anonymous, has_escaped),) = self.con.execute(select(sums, USERS)).fetchall()
        if anonymous > MOST_ANONYMOUS:
            return None
        rows = self._rows()
        is_ordinary = rows.keys == 0
        counts = np.bincount(-rows.keys[~is_ordinary], minlength=-ANONYMOUS + 1)
        rejected = dict(zip(default_rules(), counts[1:].tolist(), strict=False))
        hashes = (
            rows.hashes
            if is_ordinary.all()
            else rows.hashes[is_ordinary | (rows.keys == ANONYMOUS)]
        )
        surplus, has_repeated = self._surplus(hashes)
        has_anonymous = bool(counts[-ANONYMOUS])
        amounts = self._odd_amounts()
        return CheckedRows(
            len(rows.keys),
            rejected,
            surplus,
            has_anonymous,
            has_repeated,
            bool(has_escaped),
            *amounts,
        )

    def _odd_amounts(self) -> tuple[int, int]:
        """Return `changed_amounts` and `unread_amounts`."""
        if KNOWN_AMOUNTS in self._passed_by_footers:
            return 0, 0
        changed, unread = amounts_sql()["changed"], amounts_sql()["unread"]
        if not self._count(f"{SURE} AS t0 WHERE {changed} OR {unread}"):
            return 0, 0
        self._view_exact()
        is_clean = f"{EXACT} AS t0 WHERE {_is_clean()}"
        return self._count(f"{is_clean} AND ({changed})"), self._count(f"{is_clean} AND ({unread})")

    def _find_users(self, rows: str) -> None:
        """Store the users of rows, with the number of rows of each, and mark placeholder ids."""
        counted = (
            "user_id, NULL::VARCHAR AS anonymous_id, NULL::VARCHAR AS session_id, count(*) AS "
            "row_count"
        )
        users = select(counted, rows, group_by="ALL")
        marked = select(
            f"*, {default_rules()['missing_identity']} AS is_nobody", f"({users}) AS t0"
        )
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {USERS} AS {marked}")

    def _hides_ids(self) -> bool:
        """Return whether a placeholder of a user stands beside a session or a device,
        whose visitor it then is.
        """
        named = (
            "user_id IN (SELECT user_id FROM file_users WHERE is_nobody AND user_id IS NOT NULL)"
        )
        rows = (
            f"{SURE} WHERE (session_id IS NOT NULL OR anonymous_id IS NOT NULL) AND {named} LIMIT 1"
        )
        return bool(self._count(f"{USERS} WHERE is_nobody AND user_id IS NOT NULL")) and bool(
            self.con.execute(select("1", rows)).fetchall()
        )

    def _rows(self) -> _RowKeys:
        by_footers = self._passed_by_footers
        passed = {*OF_TIME, *by_footers, *self._passed_by_all()}
        remaining_rules = {
            name: rule for name, rule in default_rules().items() if name not in passed
        }
        undecided = "" if IN_TIME in by_footers else f"WHEN NOT is_sure THEN {UNDECIDED} "
        rows = self._fetched(f"{SURE} AS t0", undecided + _cases(remaining_rules))
        is_undecided = rows.keys == UNDECIDED
        if not is_undecided.any():
            return rows
        self._view_exact()
        exact = f"(SELECT * FROM {EXACT} WHERE NOT is_sure) AS t0"  # noqa: S608  # a name of this module
        return rows.only(~is_undecided) + self._fetched(exact, _cases(default_rules()))

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

    def _fetched(self, rows: str, cases: str) -> _RowKeys:
        if self._count(f"{USERS} WHERE user_id IS NULL"):
            cases += f" WHEN t0.user_id IS NULL THEN {ANONYMOUS}"
        if not cases.strip():
            hashes = self._hashes(rows)
            return _RowKeys(np.zeros(len(hashes), np.int8), hashes)
        joined = (
            f"{rows} LEFT JOIN {USERS} AS known ON t0.user_id = known.user_id"
            if "is_nobody" in cases
            else rows
        )
        columns = [f"(CASE {cases} ELSE 0 END)::TINYINT AS key", "hash(event_id) AS id_hash"]
        result = self.con.execute(select(columns, joined)).fetchnumpy()
        return _RowKeys(
            np.asarray(result["key"], np.int8), np.asarray(result["id_hash"], np.uint64)
        )

    def _hashes(self, rows: str) -> npt.NDArray[np.uint64]:
        """Return the hashes of all ids; in batches of Arrow,
        which take a quarter less time than a whole result.
        """
        batches = self.con.sql(select("hash(event_id) AS id_hash", rows)).to_arrow_reader(
            BATCH_ROWS
        )
        hashes, count = np.empty(self.files.row_count(), np.uint64), 0
        for batch in batches:
            # By its buffer: pyarrow's own way to NumPy loads pandas first, which takes as long as
            # hashing.
            column = batch.column(0)
            part = np.frombuffer(column.buffers()[1], np.uint64, len(column), column.offset * 8)
            hashes[count : count + len(part)] = part
            count += len(part)
        return hashes[:count]

    def _view_exact(self) -> None:
        """Create a view with every column of every row, including the arrival day."""
        rows = self.files.sure_sql(self.late_days, is_dated=True)
        self.con.execute(
            f"CREATE OR REPLACE TEMP VIEW {EXACT} AS SELECT *, event_at::DATE AS event_date FROM "  # noqa: S608
            f"({rows})"
        )

    def _surplus(self, hashes: npt.NDArray[np.uint64]) -> tuple[int, bool]:
        """Return the number of clean rows that are surplus copies,
        and whether any hashes repeat.
        """
        hashes.sort()
        marked = self.con.execute(
            select("hash(event_id) AS id_hash", f"{SURE} AS t0", marked_sql())
        ).fetchnumpy()
        of_orders = self.con.execute(
            select("hash(event_id) AS id_hash", f"({_repeated_orders_sql()})")
        ).fetchnumpy()
        repeated = np.unique(
            np.concatenate(
                (hashes[1:][hashes[1:] == hashes[:-1]], marked["id_hash"], of_orders["id_hash"])
            )
        )
        if not len(repeated):
            return 0, False
        self._view_exact()
        self.con.register("given_hashes", {"id_hash": repeated})
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {REPEATED_HASHES} AS SELECT id_hash FROM given_hashes"  # noqa: S608
        )
        self.con.unregister("given_hashes")
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {REPEATED} AS
            SELECT * FROM (
                SELECT * FROM {EXACT} WHERE hash(event_id) IN (SELECT id_hash
                  FROM {REPEATED_HASHES})
            ) AS t0 WHERE {_is_clean()}
        """)  # noqa: S608  # names of this module, and compiled conditions
        # Whether two rows agree is decided by what is known of their amounts.
        copies = with_known_amounts(ibis.table(schema_of(RawEvents), name=REPEATED), DEFAULT_RULE)
        surplus = repeated_ids(copies, DEFAULT_RULE)
        count = _rows_sql(surplus.agg(n=surplus.surplus_count.sum().fill_null(0)))
        ((surplus_count,),) = self.con.execute(count).fetchall()
        return int(surplus_count), True


def _cases(rules: dict[str, str]) -> str:
    """Return WHEN … THEN … for rules about a row `t0` and its user;
    values are minus the reason's number.
    """
    numbers = {name: number for number, name in enumerate(default_rules(), start=1)}
    nobody, refused = default_rules()["missing_identity"], default_rules()["without_consent"]
    # Where a user is a placeholder, the row has neither a session nor a device; see `_hides_ids`.
    by_user = "CASE WHEN t0.user_id IS NOT NULL THEN is_nobody END"
    once = {
        "missing_identity": f"coalesce({by_user}, {nobody})",
        "without_consent": f"(coalesce({by_user}, true) AND {refused})",
    }
    ordered = {name: once.get(name, condition) for name, condition in rules.items()}
    return " ".join(
        f"WHEN {condition} THEN {-numbers[name]}" for name, condition in ordered.items()
    )


def _is_clean() -> str:
    """Return the SQL that tests if no rule applies to a row `t0`."""
    return (
        "CASE "
        f"{' '.join(f'WHEN {condition} THEN false' for condition in default_rules().values())} "
        "ELSE true END"
    )


def view_direct(
    con: duckdb.DuckDBPyConnection,
    files: RecordFiles,
    late_days: int,
    checked: CheckedRows,
    *,
    is_dated: bool,
) -> bool:
    """Make the view `DIRECT` of the clean rows with a user and a unique id;
    it has only the rules that some row breaks.

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
    rows = select(
        "*, event_at::DATE AS event_date", f"({files.sure_sql(late_days, is_dated=is_dated)})"
    )
    rows = select("*", f"({rows}) AS t0", " AND ".join(conditions))
    con.execute(f"CREATE OR REPLACE TEMP VIEW {DIRECT} AS {rows}")
    return is_dated


def repeated() -> str:
    """Return the hashes of ids that may repeat, as a subquery."""
    return f"({select('id_hash', REPEATED_HASHES)})"
