"""Clean events of files as numbers: who, when, and a code for what; and how many rows did not count, and why.

It comes to what `events/clean.py` and `events/identity.py` say, by their conditions, with each asked only of what it
can concern. Rules of time: only of events that are not surely in time by the days of their file. Who stands for nobody:
once per user. Copies: only of ids whose hash repeats. Whose a session is: only of sessions with events without a user.
"""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt

from ecom_assets.sources.files.compiled import REPEATED, SIGHTINGS, compiled
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.warehouse.sql_text import select

Ints = npt.NDArray[np.int64]
MOST_ROWS: Final = 30_000_000
"""Rows whose numbers are held in memory, of 21 bytes each."""
OF_TIME: Final = ("implausible_date", "unparseable_timestamp", "future_timestamp", "too_late")
"""The rules that an event which is surely in time cannot break."""
UNDECIDED: Final = 255
NOBODY: Final = -1
SURE, EXACT, USERS = "sure_rows", "exact_rows", "file_users"
COLUMNS = (
    "event_id", "user_id", "session_id", "event_type", "product_id", "cart_value", "cart_amount", "event_at",
    "malformed_row", "is_sure",
)  # fmt: skip
"""What it takes to say who did what and when, of an event that is surely in time."""
REPEATED_HASHES = "repeated_hashes"


@dataclass(frozen=True)
class CodedEvents:
    """Events with a code: the number of their visitor, from 0, and microseconds and code packed into one number.

    `read` and `rejected` are about all rows: how many there are, and how many were rejected, by reason.
    """

    units: npt.NDArray[np.int32]
    packed: Ints
    unit_count: int
    read: int
    rejected: dict[str, int]
    surplus: int


@dataclass(frozen=True)
class _Rows:
    """Of every row its visitor (`NOBODY` without a user), packed time and code, the hash of its id, and its verdict.

    A verdict is 0 for a clean row, else the place of the reason, from 1.
    """

    units: npt.NDArray[np.int32]
    packed: Ints
    hashes: npt.NDArray[np.uint64]
    verdicts: npt.NDArray[np.uint8]

    def only(self, chosen: npt.NDArray[np.bool_]) -> "_Rows":
        return _Rows(self.units[chosen], self.packed[chosen], self.hashes[chosen], self.verdicts[chosen])

    def __add__(self, other: "_Rows") -> "_Rows":
        return _Rows(
            np.concatenate((self.units, other.units)),
            np.concatenate((self.packed, other.packed)),
            np.concatenate((self.hashes, other.hashes)),
            np.concatenate((self.verdicts, other.verdicts)),
        )


@dataclass(frozen=True)
class CodedFiles:
    """Files whose events are asked for as numbers, cleaned by the default rule in UTC."""

    con: duckdb.DuckDBPyConnection
    files: RecordFiles
    late_days: int

    def events(self, code: str, scale_bits: int) -> CodedEvents:
        """Read all rows.

        Args:
            code: SQL for the code of an event, from 1; NULL for one that is of no use.
            scale_bits: How many bits the code takes.
        """
        self._find_users()
        rows = self._rows(code, scale_bits)
        clean = rows.verdicts == 0
        surplus = self._surplus(rows.hashes if clean.all() else rows.hashes[clean])
        counts = np.bincount(rows.verdicts, minlength=len(compiled().rules) + 1)
        rejected = dict(zip(compiled().rules, counts[1:].tolist(), strict=True))
        coded = clean & (rows.packed & ((1 << scale_bits) - 1) > 0)
        chosen = coded & (rows.units != NOBODY)
        units, packed = (rows.units, rows.packed) if chosen.all() else (rows.units[chosen], rows.packed[chosen])
        unit_count = self._count(USERS)
        if (coded & ~chosen).any():
            more_units, more_packed = self._anonymous(code, scale_bits, unit_count)
            units, packed = np.concatenate((units, more_units)), np.concatenate((packed, more_packed))
            unit_count = int(units.max()) + 1
        return CodedEvents(units, packed, unit_count, len(clean), rejected, surplus)

    def clean_types(self) -> list[str]:
        """Return every type that a clean event has; to be asked after `events`."""
        self._view_exact()
        sql = f"SELECT DISTINCT event_type FROM {EXACT} AS t0 WHERE {_verdict(compiled().rules)} = 0"  # noqa: S608
        return [kind for (kind,) in self.con.execute(sql).fetchall()]

    def _find_users(self) -> None:
        """Number the users, and say who stands for nobody."""
        rows = self.files.sure_sql(self.late_days, is_dated=False)
        # A text file is dear to read; of a Parquet file only what is asked for is read.
        kind = "VIEW" if self._is_parquet else "TABLE"
        self.con.execute(f"CREATE OR REPLACE TEMP {kind} {SURE} AS {select(COLUMNS, rows)}")
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {USERS} AS
            SELECT user_id, row_number() OVER () - 1 AS number, {compiled().rules["missing_identity"]} AS is_nobody
            FROM (SELECT DISTINCT user_id, NULL::VARCHAR AS session_id FROM {SURE} WHERE user_id IS NOT NULL) AS t0
        """)  # noqa: S608  # names of this module, and compiled conditions

    def _rows(self, code: str, scale_bits: int) -> _Rows:
        passed = (*OF_TIME, *(("malformed_event_type",) if self._has_good_types_only() else ()))
        others = {name: one for name, one in compiled().rules.items() if name not in passed}
        verdict = _verdict(others, known_users=True, before=f"WHEN NOT is_sure THEN {UNDECIDED}")
        rows = self._fetched(f"{SURE} AS t0", verdict, code, scale_bits)
        undecided = rows.verdicts == UNDECIDED
        if not undecided.any():
            return rows
        self._view_exact()
        exact = f"(SELECT * FROM {EXACT} WHERE NOT is_sure) AS t0"  # noqa: S608  # a name of this module
        more = self._fetched(exact, _verdict(compiled().rules, known_users=True), code, scale_bits)
        return rows.only(~undecided) + more

    @property
    def _is_parquet(self) -> bool:
        return all(file.format == "parquet" for file in self.files.files())

    def _has_good_types_only(self) -> bool:
        """Look at the distinct types, where that takes no pass over all columns."""
        if not self._is_parquet:
            return False
        types = f"(SELECT DISTINCT event_type FROM {SURE}) AS t0"  # noqa: S608  # a name of this module
        bad = f"SELECT 1 FROM {types} WHERE {compiled().rules['malformed_event_type']} LIMIT 1"  # noqa: S608  # as above
        return not self.con.execute(bad).fetchall()

    def _fetched(self, rows: str, verdict: str, code: str, scale_bits: int) -> _Rows:
        found = self.con.execute(f"""
            SELECT coalesce(number, {NOBODY})::INTEGER AS unit, ({verdict})::UTINYINT AS verdict,
                CASE WHEN verdict = 0 THEN {_packed(code, scale_bits)} ELSE 0 END AS packed, hash(event_id) AS id_hash
            FROM {rows} LEFT JOIN {USERS} AS known ON t0.user_id = known.user_id
        """).fetchnumpy()  # noqa: S608  # names of this module, and compiled conditions
        return _Rows(
            np.asarray(found["unit"], np.int32),
            np.asarray(found["packed"], np.int64),
            np.asarray(found["id_hash"], np.uint64),
            np.asarray(found["verdict"], np.uint8),
        )

    def _view_exact(self) -> None:
        """Have every column of every row, the day of its arrival as well."""
        rows = self.files.sure_sql(self.late_days, is_dated=True)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {EXACT} AS SELECT *, event_at::DATE AS event_date FROM ({rows})")  # noqa: S608

    def _surplus(self, hashes: npt.NDArray[np.uint64]) -> int:
        """Return how many clean rows are surplus copies; ids whose hash is alone have no copy."""
        in_order = np.sort(hashes)
        repeated = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
        if not len(repeated):
            return 0
        self._view_exact()
        self._keep_hashes(repeated)
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {REPEATED} AS
            SELECT event_id, event_date, received_date FROM (
                SELECT * FROM {EXACT} WHERE hash(event_id) IN (SELECT id_hash FROM {REPEATED_HASHES})
            ) AS t0 WHERE {_verdict(compiled().rules)} = 0
        """)  # noqa: S608  # names of this module, and compiled conditions
        ((surplus,),) = self.con.execute(compiled().surplus).fetchall()
        return int(surplus)

    def _keep_hashes(self, hashes: npt.NDArray[np.uint64]) -> None:
        self.con.register("given_hashes", {"id_hash": hashes})
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {REPEATED_HASHES} AS SELECT id_hash FROM given_hashes")  # noqa: S608
        self.con.unregister("given_hashes")

    def _anonymous(self, code: str, scale_bits: int, known: int) -> tuple[npt.NDArray[np.int32], Ints]:
        """Return visitor, and packed time and code, of the events without a user; new visitors are numbered on."""
        self._view_exact()
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {SIGHTINGS} AS
            SELECT event_type, event_at, event_date, user_id, session_id, received_date FROM (
                SELECT * FROM {EXACT} WHERE session_id IN (
                    SELECT DISTINCT session_id FROM {EXACT} WHERE user_id IS NULL AND session_id IS NOT NULL
                )
            ) AS t0 WHERE {_verdict(compiled().rules)} = 0
        """)  # noqa: S608  # names of this module, and compiled conditions
        found = self.con.execute(f"""
            WITH seen AS (
                SELECT visitor_id, {_packed(code, scale_bits)} AS packed FROM ({compiled().visitors})
                WHERE user_id IS NULL AND ({code}) IS NOT NULL
            ), named AS (SELECT {compiled().visitor} AS visitor_id, number FROM {USERS} AS t0),
            numbered AS (
                SELECT visitor_id,
                    coalesce(number, {known} - 1 + row_number() OVER (PARTITION BY number IS NULL)) AS unit
                FROM (SELECT DISTINCT visitor_id FROM seen) LEFT JOIN named USING (visitor_id)
            )
            SELECT unit::INTEGER AS unit, packed FROM seen JOIN numbered USING (visitor_id)
        """).fetchnumpy()  # noqa: S608  # names of this module, and compiled conditions
        return np.asarray(found["unit"], np.int32), np.asarray(found["packed"], np.int64)

    def _count(self, table: str) -> int:
        ((count,),) = self.con.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608  # a name of this module
        return int(count)


def _packed(code: str, scale_bits: int) -> str:
    return f"epoch_us(event_at) * {1 << scale_bits} + coalesce({code}, 0)"


def _verdict(rules: dict[str, str], *, known_users: bool = False, before: str = "") -> str:
    """Return the SQL of the place of the first reason that applies to a row `t0`, from 1; 0 for a clean row."""
    places = {name: place for place, name in enumerate(compiled().rules, start=1)}
    cases = [before]
    for name, condition in rules.items():
        asked = condition
        if known_users and name == "missing_identity":
            asked = f"CASE WHEN t0.user_id IS NULL THEN {condition} ELSE is_nobody END"
        cases.append(f"WHEN {asked} THEN {places[name]}")
    return f"CASE {' '.join(cases)} ELSE 0 END"
