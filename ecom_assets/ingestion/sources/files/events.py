"""Clean events straight from files, by the same definitions as the platform's tables,
without set-up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from hashlib import blake2b
from operator import or_

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.behaviour.events.robots import is_robot
from ecom_assets.behaviour.events.same_order import ids_of_repeated_orders
from ecom_assets.behaviour.identity import links
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import with_own_visitors, with_visitors_of_all
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import dialect_of, fetched, union_all
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import day_in_zone, select
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.engine import engine_of_files
from ecom_assets.ingestion.sources.files.kept_checks import KeptChecks
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load_mapping
from ecom_assets.ingestion.sources.files.records import DUPLICATE, FileRowCounts, RecordFiles
from ecom_assets.ingestion.sources.files.row_check import (
    DIRECT,
    JOINED_HASHES,
    MOST_ROWS,
    CheckedRows,
    RowCheck,
)
from ecom_assets.ingestion.sources.files.row_notes import notes_of


def may_hold_erased(settings: Settings) -> bool:
    """Return whether people were erased, whose rows must be left out of whatever file is asked."""
    urls = (
        settings.ledger_url.get_secret_value(),
        settings.warehouse_url,
        settings.postgres_url.get_secret_value(),
    )
    if not (settings.home / "ledger.sqlite").exists() and not any(
        "://" in url and "duckdb:" not in url for url in urls
    ):
        # without the imports below: there is no ledger, which has the list of erased people
        return False
    from ecom_assets.ingestion.sources.erased_people import ErasedIds  # noqa: PLC0415 (reads the list of erased people)

    return not ErasedIds(settings).is_empty


def without_erased(settings: Settings, contract: Contract, rows: ir.Table) -> ir.Table:
    """Return rows of a raw table without those of erased people."""
    if not may_hold_erased(settings):
        return rows
    from ecom_assets.ingestion.sources.erased_people import ErasedPeople  # noqa: PLC0415 (reads the list of erased people)

    return ErasedPeople(settings).left_out(contract, rows)[0]


MOST_ROBOTS = 1_000
"""The most user agents in one list."""
SPECIAL = "special_events"
MERGED = "file_merged_users"
UNLINKED = "file_unlinked_ids"
RECEIVED = "received_events"
ROWS = "file_rows"
COPIES = "file_copies"
DUPLICATES = "file_duplicates"
FEW_COLUMNS = (
    "event_id",
    "event_type",
    "event_at",
    "event_date",
    "user_id",
    "anonymous_id",
    "session_id",
    "cart_amount",
    "received_date",
)
"""What it takes to say who did what and when."""
ALL_COLUMNS = tuple(dict.fromkeys((*FEW_COLUMNS, *clean.COPY_COLUMNS)))
"""What the clean events, and the order of their copies, are made of."""
MADE_OF = {
    "visitor_id": "user_id",
    "joined_by": "user_id",
    "device_id": "anonymous_id",
    "source_session_id": "session_id",
    "cart_value": "cart_amount",
    "is_bot": "user_agent",
}
"""The columns that a question may name by another name, or that are made of another."""
REPEATED_ROWS = "file_repeated"
EVENTS = "file_events"
OF_VISITORS = "events_of_visitors"
NAME_BYTES = 8
FEW_ROWS = 100_000
"""As many rows are stored after each step: to plan a statement that has the steps before in it
takes the engine longer than to read them again.
"""


def _classified_rows(
    received: ir.Table, rule: CleaningRule, days: Days, columns: Sequence[str]
) -> ir.Table:
    """Return columns of received rows, with the reason if one is rejected, and whether its amount
    could not be read.
    """
    rows = clean.classify(received, rule, days)
    rows = rows.mutate(has_unread_amount=clean.has_unread_amount(rows, rule))
    return rows.select(*columns, "reject_reason", "has_unread_amount")


def _accepted_copies(classified: ir.Table, rule: CleaningRule) -> ir.Table:
    return clean.accepted(classified.drop("has_unread_amount"), rule)


def _one_that_may_repeat(copies: ir.Table) -> ir.Table:
    return clean.ids_that_may_repeat(copies).limit(1).select("event_id")


def _robots_among(copies: ir.Table) -> ir.Table:
    agents = copies.select("user_agent").distinct()
    return agents.filter(is_robot(agents.user_agent)).limit(MOST_ROBOTS + 1)


def _as_clean_events(copies: ir.Table) -> ir.Table:
    """Return unique copies, none of them of a robot."""
    return clean.as_clean_events(copies, [])


def _events_of_visitors(
    events: ir.Table,
    merged: ir.Table,
    rule: IdentityRule,
    columns: Sequence[str],
    *,
    names_step: bool,
) -> ir.Table:
    return _columns_of(with_visitors_of_all(events, merged, rule, names_step=names_step), columns)


def _columns_of(rows: ir.Table, columns: Sequence[str]) -> ir.Table:
    rows = rows.rename(sent_by="stated_sender") if "stated_sender" in rows.columns else rows
    return rows.select(*columns)


@dataclass(frozen=True)
class FileEvents:
    """The clean events of files, with the columns that are needed of them.

    Those of Parquet files are read straight from them by each query of a question, instead of from
    a stored copy: one check of all rows says which rules of cleaning any row breaks, and only these
    are in the query. The few events without a user that share a session or device with a user's, or
    with an id that may repeat, are cleaned by the full definitions and stored.
    """

    con: Backend
    files: RecordFiles
    mapping: EventMapping
    settings: Settings
    row_check: RowCheck | None = None
    """The check of all rows; None where they need the full definitions of cleaning."""
    columns: tuple[str, ...] = ALL_COLUMNS
    named: frozenset[str] | None = None
    names_step: bool = True
    """Whether the step of the identity rule is read,
    which takes several times as long to find as the visitor.
    """
    identity: IdentityRule = field(default_factory=IdentityRule)

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "FileEvents":
        """Find the files and check them.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError(
                "No events were given; name a file, folder or glob with --events PATH."
            )
        con = engine_of_files(settings)
        mapping = load_mapping(settings.events_mapping)
        files = RecordFiles.open(con.con, paths, mapping, settings.timezone)
        files = Currencies.from_settings(settings).convert_events(files)
        opened = cls(con, files, mapping, settings)
        rule = identity_rule(settings)
        return replace(opened, identity=rule, row_check=opened._row_check_by(rule))

    def by(self, identity: IdentityRule) -> "FileEvents":
        """Return the same files, whose visitors are found by a rule;
        nothing is kept of what another one found.
        """
        if identity == self.identity:
            return self
        return replace(
            self,
            identity=identity,
            row_check=self._row_check_by(identity),
            columns=ALL_COLUMNS,
            named=None,
            names_step=True,
        )

    def _row_check_by(self, identity: IdentityRule) -> RowCheck | None:
        if not self.files.is_parquet:
            return None
        if self._may_hold_erased or not 0 < self.files.row_count() <= MOST_ROWS:
            return None
        kept = KeptChecks.from_settings(self.settings)
        days = lambda: self._days  # noqa: E731 (found only if a rule asks for them)
        return RowCheck(self.con.con, self.files, self.rule, identity, days, kept)

    @property
    def currency(self) -> str:
        """Return the currency that amounts state; empty where they state none."""
        return self.files.currency

    @property
    def rule(self) -> CleaningRule:
        """Return the cleaning rule of `ecom run`."""
        settings = self.settings
        accepted = self.mapping.accepted_types(settings.event_types)
        return CleaningRule(
            accepted,
            settings.late_days,
            max_amount=settings.largest_amount,
            timezone=settings.timezone,
        )

    @property
    def checked(self) -> CheckedRows | None:
        """Return what the check of all rows says; None where clean events must be stored first."""
        return self.row_check.checked if self.row_check else None

    @property
    def _least(self) -> tuple[str, ...]:
        """What it takes to say who did what and when: robots,
        which the user agent shows, link nobody.

        Nor do public keys in the sessions of others. Where amounts are converted, notes say which
        of them have no rate.
        """
        of_links = ("user_agent", "sent_by") if self.identity.has_links else ()
        of_amounts = ("cart_value", "unrated_currency") if self.files.convert else ()
        return (*FEW_COLUMNS, *of_links, *of_amounts)

    def naming(self, columns: Iterable[str]) -> "FileEvents":
        """Return the same files with these columns in addition to visitor, event type and time.

        Of Parquet files the other columns are not read. Of text files, and where a column is
        unknown, all are.
        """
        wanted = {name.partition(".")[0] for name in columns}
        names_step = "joined_by" in wanted
        wanted = {MADE_OF.get(name, name) for name in wanted}
        if not self.files.is_parquet or wanted - {*ALL_COLUMNS} or self.identity.consent:
            return replace(self, names_step=names_step)
        columns = tuple(name for name in ALL_COLUMNS if name in {*self._least, *wanted})
        return replace(self, columns=columns, named=frozenset(wanted), names_step=names_step)

    def clean(self) -> ir.Table:
        """Return the rows of `CleanEvents`, with the columns that are named."""
        if self.row_check and self.checked:
            ordinary = self._ordinary(self.row_check, self.checked)
            if not self.checked.has_special:
                return ordinary
            special = self._special(self.row_check, self.checked)
            return union_all(ordinary, special.select(*ordinary.columns))
        events = self._with_robots(self._unique())
        columns = [
            name for name in CleanEvents.columns if name in (*events.columns, *clean.OF_IDENTITY)
        ]
        if self.named is not None and "user_agent" not in self.named:
            columns = [name for name in columns if MADE_OF.get(name, name) != "user_agent"]
        if self.named is not None and "sent_by" not in self.named:
            columns = [name for name in columns if name != "sent_by"]
        return self._with_visitors(events, columns)

    def _with_robots(self, unique: ir.Table) -> ir.Table:
        """Return unique copies as clean events, which say whether they are of a robot."""
        if self._has_few_rows and self._robots == []:
            events = computed(_as_clean_events, {"copies": unique})
        else:
            events = clean.as_clean_events(unique, self._robots)
        return self._as_temporary(EVENTS, events) if self._has_few_rows else events

    @cached_property
    def _robots(self) -> list[str] | None:
        """The user agents of robots; None if user agents are not read,
        or these are too many for a list.
        """
        if "user_agent" not in self.columns:
            return None
        robots = computed(_robots_among, {"copies": self._copies.select("user_agent")})
        listed = sorted(row[0] for row in fetched(self.con, robots))
        return listed if len(listed) <= MOST_ROBOTS else None

    def _unique(self) -> ir.Table:
        """Return the clean rows without surplus copies."""
        copies, repeated, duplicates = self._copies, self._repeated, self._duplicates
        if repeated is None or duplicates is None:
            return copies
        if not fetched(self.con, duplicates.select("event_id").limit(1)):
            return copies
        return clean.unique_copies(copies, duplicates, repeated)

    def _with_visitors(self, events: ir.Table, columns: Sequence[str]) -> ir.Table:
        """Return columns of clean events with their visitors; without links if each has a user."""
        nobody = events.filter(events.user_id.isnull()).limit(1)
        rule = self.identity
        # Sessions of the source are cut on no device, by no other owner.
        may_be_simpler = rule.keeps_users and rule.owner != "source_session"
        if may_be_simpler and not fetched(self.con, nobody.select("user_id")):
            rule = replace(rule, owner="user_or_device")
        has_senders = "sent_by" in events.columns
        if has_senders and not fetched(
            self.con, events.filter(clean.is_public(events)).limit(1).select("user_id")
        ):
            events = events.rename(
                stated_sender="sent_by"
            )  # all may join: no public key sent any of them
        merged = self._merged(events) if rule.joins_aliases else events
        unlinked = self._unlinked(events) if rule.has_links and self._may_hold_erased else None
        if unlinked is None and self._has_few_rows:
            asked = {
                "events": events,
                "merged": merged,
                "rule": rule,
                "columns": columns,
                "names_step": self.names_step,
            }
            rows = computed(_events_of_visitors, asked)
        else:
            rows = _columns_of(
                with_visitors_of_all(
                    events, merged, rule, names_step=self.names_step, unlinked=unlinked
                ),
                columns,
            )
        # Questions read events several times, and finding their visitors by links takes longer than
        # most questions.
        if not (rule.has_links or self._has_few_rows):
            return rows
        # Of the same name in each process, so that statements that read it are kept, and of another
        # one for other visitors or columns.
        said = repr((rule, columns, self.names_step)).encode()
        digest = blake2b(said, digest_size=NAME_BYTES).hexdigest()
        return self._as_temporary(f"{OF_VISITORS}_{digest}", rows)

    @cached_property
    def _may_hold_erased(self) -> bool:
        return may_hold_erased(self.settings)

    def _unlinked(self, events: ir.Table) -> ir.Table:
        """Return the rows of `SharedIds` of devices that an erased person used, too."""
        from ecom_assets.ingestion.sources.erased_people import unlinked_ids  # noqa: PLC0415 (reads the list of erased people)

        users = partial(
            fetched, self.con, links.users_of_devices(links.sign_ins(events, self.identity))
        )
        rows = links.erased_devices(users, partial(unlinked_ids, self.settings))
        kinds = "id_kind VARCHAR, id_value VARCHAR, reason VARCHAR, reached_count BIGINT"
        return self._filled(UNLINKED, kinds, list(rows))

    def _erased_users(self, users: Iterable[str]) -> set[str]:
        """Return which users were erased."""
        from ecom_assets.ingestion.sources.erased_people import erased_users  # noqa: PLC0415 (as above)

        return erased_users(self.settings, users)

    def _shared_users(self, events: ir.Table, aliases: Iterable[tuple[str, str]]) -> set[str]:
        """Return those of the users in aliases who join nobody."""
        users = sorted({user for alias in aliases for user in alias})
        seen = links.sign_ins(events, self.identity)
        seen = seen.filter(seen.user_id.isin(users)).mutate(first_seen_at=seen.event_at)
        return {
            row[0]
            for row in fetched(
                self.con, links.shared_users(seen, seen, self.identity).select("id_value")
            )
        }

    def _filled(self, name: str, columns: str, rows: Sequence[tuple[object, ...]]) -> ir.Table:
        """Return a table of a few rows: as lists in one statement,
        because Arrow and Ibis would load pandas.
        """
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
        if rows:
            lists = [list(values) for values in zip(*rows, strict=True)]
            unnested = ", ".join(["unnest(?)"] * len(lists))
            self.con.con.execute(f"INSERT INTO {name} SELECT {unnested}", lists)
        return self.con.table(name, database=("temp", "main"))

    def _merged(self, events: ir.Table) -> ir.Table:
        """Return the rows of `MergedUsers`; the few aliases are read again,
        with their properties.
        """
        pairs: list[tuple[str, str]] = []
        if fetched(
            self.con, events.filter(events.event_type == links.ALIAS).limit(1).select("event_id")
        ):
            received = self.received()
            rows = clean.classify(
                received.filter(received.event_type == links.ALIAS), self.rule, self._days
            )
            rows = clean.as_clean_events(clean.accepted(rows, self.rule))
            rows_of_aliases = fetched(self.con, links.alias_events(rows, self.identity))
            aliases = links.identity_aliases(rows_of_aliases, self.mapping.user_key)
            if self._may_hold_erased:
                aliases = links.without_erased(aliases, self._erased_users)
            pairs = [(user, previous) for *_, user, previous in aliases]
            pairs = links.aliases_of_users(pairs, self._shared_users(events, pairs))
        groups, _ = links.merged_users(pairs, self.identity.group_users)
        columns = "user_id VARCHAR, visitor_user_id VARCHAR, user_count BIGINT"
        return self._filled(MERGED, columns, list(links.merged_rows(groups)))

    def _ordinary(self, check: RowCheck, checked: CheckedRows) -> ir.Table:
        """Return the clean events that no other event decides about;
        with `received_date` only if it is needed.
        """
        is_dated = self.named is None or "received_date" in self.named
        is_dated = check.view_direct(checked, is_dated=is_dated)
        direct = self.con.table(DIRECT, database=("temp", "main"))
        if checked.changed_amounts:
            direct = clean.with_known_amounts(direct, self.rule)
        result = direct.rename(source_session_id="session_id", device_id="anonymous_id")
        result = with_own_visitors(
            result.mutate(is_bot=is_robot(result.user_agent)),
            self.identity,
            has_anonymous=checked.has_anonymous,
            has_escaped=checked.has_escaped,
        )
        result = result.select(*CleanEvents.columns)
        return result if is_dated else result.drop("received_date")

    def _special(self, check: RowCheck, checked: CheckedRows) -> ir.Table:
        """Return the clean events without a user that share a session or device with a user's,
        and those with an id that may repeat.
        """
        received = self._received_view.get_name()
        copies = self._clean_rows(SPECIAL, check.special_rows(checked, received))
        duplicates = clean.repeated_ids(copies, self.rule)
        unique = clean.unique_copies(copies, duplicates)
        events = self._with_visitors(clean.as_clean_events(unique), [*CleanEvents.columns])
        text_hash = dialect_of(self.con).text_hash
        joined = self.con.table(JOINED_HASHES, database=("temp", "main")).id_hash
        is_joined = reduce(
            or_,
            (
                events[name].notnull() & text_hash(events[name]).isin(joined)
                for name in ("device_id", "source_session_id")
            ),
        )
        repeated = copies.filter(copies.is_repeated).select("event_id")
        ids = union_all(repeated, duplicates.select("event_id"))
        is_special = (events.user_id.isnull() & is_joined) | events.event_id.isin(ids.event_id)
        return events.filter(is_special)

    def _clean_rows(self, name: str, rows: str) -> ir.Table:
        received = temporary(self.con, f"{name}_received", rows, "VIEW")
        classified = clean.classify(received, self.rule, self._days)
        clean_rows = clean.accepted(classified, self.rule).drop("accounted_date")
        return temporary(self.con, name, self.con.compile(clean_rows))

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of rows in the files,
        and of those that are not in `clean`, by reason.
        """
        if self.checked is not None:
            rejected = self.checked.rejected | {DUPLICATE: self.checked.surplus}
            return FileRowCounts(
                self.checked.read,
                rejected,
                {"cart_value": self.checked.unread_amounts},
                notes=notes_of(self.files, f"({self.files.received_sql()})"),
            )
        rows = self._classified
        by_reason = rows.group_by("reject_reason").agg(
            row_count=rows.count(), unread_count=rows.has_unread_amount.ifelse(1, 0).sum()
        )
        counts = {reason: (count, unread) for reason, count, unread in fetched(self.con, by_reason)}
        rejected = {reason: count for reason, (count, _) in counts.items() if reason}
        _, unread_amounts = counts.get(None, (0, 0))  # of clean rows, which have no reason
        return FileRowCounts(
            sum(count for count, _ in counts.values()),
            rejected | {DUPLICATE: self._surplus},
            {"cart_value": int(unread_amounts or 0)},
            self.files.malformed_bytes,
            notes_of(self.files, ROWS),
        )

    @property
    def _surplus(self) -> int:
        """The number of surplus copies."""
        if self._duplicates is None:
            return 0
        surplus = self._duplicates.agg(count=lambda t: t.surplus_count.sum().fill_null(0))
        ((count,),) = fetched(self.con, surplus)
        return int(count)

    @cached_property
    def _classified(self) -> ir.Table:
        """Return every row, with the reason if it is rejected,
        and whether its amount could not be read.
        """
        # Kept, because parsing texts is expensive: they are read once for the answer, for its
        # copies and for `rows`.
        TABLE_STATEMENTS.keep_statements(is_on=self.settings.cache == "on")
        asked = {
            "received": self.received(),
            "rule": self.rule,
            "days": self._days,
            "columns": self.columns,
        }
        return self._as_temporary(ROWS, computed(_classified_rows, asked))

    @cached_property
    def _has_few_rows(self) -> bool:
        """Whether there are so few rows that each step of their cleaning is stored."""
        if self.checked is not None:  # they are read from the files by each query
            return False
        ((row_count,),) = fetched(self.con, self._classified.agg(row_count=lambda t: t.count()))
        return bool(row_count <= FEW_ROWS)

    @cached_property
    def _copies(self) -> ir.Table:
        """Return the clean rows, including surplus copies."""
        rows = self._classified
        copies = computed(_accepted_copies, {"classified": rows, "rule": self.rule})
        # Of many rows a view, because the engine would store what a query names twice, with all its
        # columns.
        kind = "TABLE" if self._has_few_rows else "VIEW"
        return temporary(self.con, COPIES, self.con.compile(copies), kind)

    @property
    def _with_orders(self) -> ir.Table:
        """The clean rows, without their properties if no purchase has any: to plan what orders they
        name takes the engine ten times as long as to see that.
        """
        copies = self._copies
        said = copies.filter((copies.event_type == "purchase") & copies.properties.notnull())
        has_said = fetched(self.con, said.limit(1).select("event_id"))
        return copies if has_said else copies.drop("properties")

    @cached_property
    def _repeated(self) -> ir.Table | None:
        """Return the clean rows whose id may repeat, with all columns,
        which decide which copy of an event stays; None where none may.
        """
        if self.columns == ALL_COLUMNS:
            may_repeat = computed(_one_that_may_repeat, {"copies": self._with_orders})
            return self._copies if fetched(self.con, may_repeat) else None
        received = self.received()
        ids = clean.ids_that_may_repeat(self._copies).select("event_id")
        sold = received.filter(received.event_type == "purchase")
        of_orders = ids_of_repeated_orders(self._accepted(sold))
        ids = union_all(ids, of_orders).distinct()
        if not fetched(self.con, ids.limit(1)):
            return None
        rows = self._accepted(received.semi_join(ids, "event_id"))
        return self._as_temporary(REPEATED_ROWS, rows.select(*ALL_COLUMNS))

    def _accepted(self, received: ir.Table) -> ir.Table:
        return clean.accepted(clean.classify(received, self.rule, self._days), self.rule)

    @cached_property
    def _duplicates(self) -> ir.Table | None:
        """Return the rows of `DuplicateEvents`; None where no id may repeat."""
        if self._repeated is None:
            return None
        return self._as_temporary(DUPLICATES, clean.repeated_ids(self._repeated, self.rule))

    def _as_temporary(self, name: str, rows: ir.Table) -> ir.Table:
        return temporary(self.con, name, self.con.compile_streaming(rows))

    def classified(self) -> ir.Table:
        """Return every row of `received`, with the reason if it is rejected."""
        return clean.classify(self.received(), self.rule, self._days)

    def received(self) -> ir.Table:
        """Return the rows of `RawEvents` without those of erased people."""
        return without_erased(self.settings, RawEvents, self._received_view)

    @cached_property
    def _received_view(self) -> ir.Table:
        own_day = day_in_zone("event_at", self.settings.timezone)
        sql = select(f"*, {own_day} AS event_date, '' AS source", f"({self.files.received_sql()})")
        return temporary(self.con, RECEIVED, sql, "VIEW")

    @cached_property
    def _days(self) -> Days:
        covered = self.files.received_days()
        if covered is None:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        return Days.between(covered[0], covered[1] + ONE_DAY).widened(
            before=self.settings.late_days, after=1
        )
