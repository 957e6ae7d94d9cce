"""Erase a person: plan, record the intent, take each step once, and write a receipt.

Each step may be taken again, so a killed erasure continues with the step in which it was killed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.commerce.orders.held_days import held_days
from ecom_assets.core.clock import Clock, now_utc_without_zone, today_in
from ecom_assets.core.errors import WorkError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import ledger_is_there, open_store
from ecom_assets.core.tables.contract import USER
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.sources import erased_people
from ecom_assets.ingestion.sources.compaction import remove_replaced
from ecom_assets.ingestion.sources.erased_people import KeyedHashes, open_key
from ecom_assets.ingestion.sources.landing import changing_landing_files
from ecom_assets.orchestration.privacy import (
    customer_files,
    other_files,
    sample_files,
    warehouse_rows,
)
from ecom_assets.orchestration.privacy.deliveries import (
    Answers,
    LedgerPerson,
    ToolRequests,
    count_records,
    hash_records,
    is_in_ledger,
)
from ecom_assets.orchestration.privacy.landing_files import (
    FileRecords,
    find_records,
    landing_files,
    remove_records,
)
from ecom_assets.orchestration.privacy.other_files import (
    KeptItems,
    NamingFiles,
    find_letters,
    remove_letters,
)
from ecom_assets.orchestration.privacy.pending import (
    Pending,
    remove_pending,
    write_pending,
    write_receipt,
)
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.sample_files import Say
from ecom_assets.orchestration.privacy.warehouse_rows import RawRows
from ecom_assets.orchestration.registry import ALL, MARTS, NOTES, PERSONS
from ecom_assets.orchestration.rules import order_rule
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.ledger.sent_ids import spellings_sent
from ecom_assets.outputs.serving.email_consents import forget_email_consents
from ecom_assets.outputs.serving.places import publication_target, serves_postgres

Recompute = Callable[[Days], str]
"""Computes the tables of some days again, and publishes them; returns the id of the run,
or raises `WorkError`.
"""


@dataclass(frozen=True)
class ErasurePlan:
    """The rows and records of a person, before anything is removed."""

    person: Person
    raw: dict[str, RawRows]
    tables: dict[str, int]
    files: list[FileRecords]
    records: dict[str, date]
    ledger_count: int
    other_files: list[str]
    held_days: list[str]
    joined_from: date | None
    """The first day of the visitors whom the person was with joined users, who are others then."""

    @property
    def first_date(self) -> date | None:
        """Return the first day whose tables must be recomputed."""
        days = [rows.days.first for rows in self.raw.values() if rows.days.dates]
        return min([*days, self.joined_from] if self.joined_from else days, default=None)

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing of the person."""
        return not (self.tables or self.files or self.ledger_count or self.other_files)

    def as_json(self) -> dict[str, Any]:
        """Return counts of rows, records and files, without ids."""
        return {
            "tables": self.tables,
            "files": [asdict(file) for file in self.files],
            "ledger_records": self.ledger_count,
            "other_files": self.other_files,
        }


def plan_of(  # noqa: PLR0913 (where the person can be, who it is, and what reports how far it is)
    settings: Settings,
    engine: Engine,
    requested: Person,
    kept: KeptItems,
    *,
    has_files: bool,
    say: Say,
) -> ErasurePlan:
    """Find all rows and records of a person, in what people keep, too; nothing is changed."""
    with _ledger(settings) as store:  # tools were sent ids of the person in other spellings, too
        sent = spellings_sent(store, requested.users) if store else ()
    person = replace(requested, users=(*requested.users, *sent)).completed(engine)
    raw = {
        contract.qualified_name(): warehouse_rows.raw_rows(engine, contract, person)
        for contract in PERSONS
    }
    records = warehouse_rows.record_ids(engine, person, amounts_of(settings))
    with _ledger(settings) as store:
        ledger_count = count_records(store, LedgerPerson.of_person(person, records)) if store else 0
    return ErasurePlan(
        person,
        raw,
        warehouse_rows.tables_with(engine, person, records),
        _files(settings, person) if has_files else [],
        records,
        ledger_count,
        _files_to_clean(engine, other_files.naming(settings, person, kept, say)),
        days_held(engine),
        warehouse_rows.first_day_of_visitors(engine, person.joined_visitors),
    )


def amounts_of(settings: Settings) -> CleaningRule:
    """Return the rule by which amounts of events are known."""
    return CleaningRule(max_amount=settings.largest_amount)


def intent_of(plan: ErasurePlan) -> Pending:
    """Return what is recorded before anything is removed."""
    return Pending(
        requested_at=now_utc_without_zone().isoformat(sep=" ", timespec="seconds"),
        person=plan.person,
        records={record_id: day.isoformat() for record_id, day in plan.records.items()},
        plan=plan.as_json(),
        first_date=plan.first_date.isoformat() if plan.first_date else None,
        held_days=plan.held_days,
    )


@dataclass
class Erasure:
    """An erasure in progress."""

    settings: Settings
    pending: Pending
    kept: KeptItems
    recompute: Recompute
    say: Say
    has_files: bool = True
    skipped_tools: frozenset[str] = frozenset()
    now: Clock = now_utc_without_zone
    on_step: Callable[[str], None] = lambda _step: None

    def run(self) -> tuple[dict[str, Any], Path]:
        """Take every step that is not done yet, and return the receipt and its path.

        Raises:
            WorkError: A step failed; the same erasure continues with it when it is run again.
        """
        write_pending(self.settings, self.pending)
        # First nobody may bring the rows in again; then what tables are computed from; then what is
        # made from it.
        steps: dict[str, tuple[str, Callable[[], Any]]] = {
            "blocked": (
                "Recording the hashes of the person's ids.",
                lambda: {"new_hashes": erased_people.add(self.settings, self._person.ids)},
            ),
            "files": ("Taking the person's records out of landing files.", self._clean_files),
            "raw_rows": ("Deleting the person's rows from raw tables.", self._delete_rows),
            "ledger": (
                "Hashing the person's records in the ledger of deliveries.",
                self._hash_ledger,
            ),
            "recomputed": ("Computing all tables of the days concerned again.", self._recompute),
            "left_rows": ("Deleting what no run has computed again.", self._delete_left),
            "purged": ("Removing the bytes of deleted rows.", self._purge),
            "tools": (
                "Requesting the deletion of the person from the tools.",
                self._request_deletions,
            ),
            "other_files": (
                "Removing caches and files that name the person.",
                lambda: other_files.clean(self.settings, self._person, self.kept, self.say),
            ),
            "verified": ("Proving that nothing is left.", self._verify),
        }
        for name, (sentence, step) in steps.items():
            if name in self.pending.results:
                continue
            self.say(sentence)
            self.on_step(name)
            self.pending.results[name] = step()
            write_pending(self.settings, self.pending)
        done = self.pending.results
        hashes = {
            kind: sorted(self._hashes.of_all(kind, ids)) for kind, ids in self._person.ids.items()
        }
        receipt = {
            "erasure_id": self._id,
            "requested_at": self.pending.requested_at,
            "finished_at": self.now().isoformat(sep=" ", timespec="seconds"),
            "hashes": hashes,
            "shared_ids_kept": self._person.shared,
            "known_as_kept": sorted(self._hashes.of_all(USER, self._person.known_as)),
            "removed": self.pending.plan,
            "recomputed": done["recomputed"],
            "tools": done["tools"],
            "verified": done["verified"],
            "to_confirm": [
                note
                for note in (*done["purged"], *self._tool_requests.to_confirm(), *self._by_hand())
                if note
            ],
        }
        path = write_receipt(self.settings, receipt, self.now())
        remove_pending(self.settings, self.pending)
        return receipt, path

    @property
    def _person(self) -> Person:
        return self.pending.person

    @property
    def _hashes(self) -> KeyedHashes:
        result = open_key(self.settings, create=True)
        assert result is not None  # noqa: S101 (a missing key is created)
        return result

    def _clean_files(self) -> list[Row]:
        if not self.has_files:
            return []
        with (
            changing_landing_files(self.settings.home),
            closing(plain_connection(limit_of_run(self.settings))) as con,
        ):
            remove_replaced(
                self.settings
            )  # or what compaction still keeps for readers would keep the person
            every = landing_files(con, self.settings)
            removed = (file for files in every for file in remove_records(files, self._person))
            landed = customer_files.remove_customers(self.settings, self._person)
            for file in chain(
                removed, landed, customer_files.remove_customer_records(self.settings, self._person)
            ):
                self.say(f"  {file.path}: {file.record_count:,} records")
            remove_letters(self.settings, self._person)
        return list(self.pending.plan["files"])

    def _delete_rows(self) -> None:
        with closing(_opened(self.settings)) as engine:
            for contract in PERSONS:
                if engine.has(contract):
                    run_id, rule = f"erasure {self._id}", amounts_of(self.settings)
                    warehouse_rows.delete_raw_rows(engine, contract, self._person, run_id, rule)

    def _hash_ledger(self) -> None:
        with _ledger(self.settings) as store:
            if store is not None:
                person = LedgerPerson.of_person(self._person, self.pending.days_of_records)
                hash_records(store, person, self._hashes)

    def _recompute(self) -> dict[str, Any]:
        days = self._days()
        if not days.dates:
            return {"days": None, "run_id": None, "newly_held_days": []}
        forget_email_consents(self.settings)  # until the run has published again
        before = set(self.pending.held_days)
        run_id = self.recompute(days)
        with closing(_opened(self.settings)) as engine:
            newly_held = sorted(set(days_held(engine)) - before)
            warehouse_rows.forget_changed_visitors(engine, days)
            warehouse_rows.forget_withdrawn_order_days(engine, order_rule(self.settings), days)
        span = {"from": days.first.isoformat(), "to": days.dates[-1].isoformat()}
        return {"days": span, "run_id": run_id, "newly_held_days": newly_held}

    def _days(self) -> Days:
        """Return the days from the first of the person's to the newest: windows,
        such as of 30 days, look back.
        """
        if self.pending.first_date is None:
            return Days(())
        with closing(_opened(self.settings)) as engine:
            stored = stored_days(engine)
        own, today = date.fromisoformat(self.pending.first_date), today_in(self.settings.timezone)
        # The day before can have a session that went on, unless the data begin later.
        first = max(
            min(own, max(own - ONE_DAY, min(stored, default=own))),
            self.settings.first_day,
            FIRST_PLAUSIBLE,
        )
        newest = min(max([first, *stored]), today)
        return Days.through(first, max(first, newest))

    def _delete_left(self) -> dict[str, int]:
        with closing(_opened(self.settings)) as engine:
            return warehouse_rows.delete_left_rows(engine, self._person, self.pending.records)

    def _purge(self) -> list[str]:
        with closing(_opened(self.settings)) as engine:
            notes = [
                engine.purge([contract for contract in (*ALL, *NOTES) if engine.has(contract)])
            ]
        if serves_postgres(self.settings):
            with closing(publication_target(self.settings).open()) as target:
                notes.append(target.purge([mart for mart in MARTS if target.has(mart)]))
        with _ledger(self.settings) as store:
            notes += [store.purge()] if store else []
        return list(dict.fromkeys(notes))

    def _request_deletions(self) -> Answers:
        def save(answers: Answers) -> None:
            self.pending.answers = answers
            write_pending(self.settings, self.pending)

        return self._tool_requests.send(self.pending.answers, save)

    @property
    def _tool_requests(self) -> ToolRequests:
        return ToolRequests(self.settings, self._person, self.skipped_tools)

    def _verify(self) -> dict[str, Any]:
        with closing(_opened(self.settings)) as engine:
            records = self.pending.days_of_records
            result = remains_of(
                self.settings,
                engine,
                self._person,
                records,
                self.kept,
                has_files=self.has_files,
                say=self.say,
            )
        if not result.is_absent:
            locations = ", ".join(
                [str(name) for names in result.left.values() for name in names][:5]
            )
            raise WorkError(
                f"The erasure left rows or bytes of the person in {locations}; run the same "
                "command again, and report this if it stays."
            )
        return {"tables_looked_at": len(ALL), **asdict(result)}

    @property
    def _id(self) -> str:
        return self._hashes.hash_of(
            "erasure", "\0".join(sorted([*self._person.users, *self._person.sessions]))
        )[:12]

    def _by_hand(self) -> list[str]:
        results = self.pending.results
        notes = [] if self.has_files else ["Landing files were left as they are (--keep-files)."]
        notes += [
            f"{day} has too few customers without this person and is held: `ecom release orders "
            f"{day}` lets it in."
            for day in results["recomputed"]["newly_held_days"]
        ]
        if self._person.known_as:
            count = len(self._person.known_as)
            notes.append(
                f"{count} {'user stays who was' if count == 1 else 'users stay who were'} seen in "
                "the sessions and devices that were named, or whom aliases joined with the "
                "person; `known_as_kept` has their hashes. Erase those who are the same person, "
                "each with --customer."
            )
        if self._person.joined_visitors:
            notes.append(
                "Tools that received events by visitor have those of users whom aliases joined "
                "under one id; see there that events of the person are gone, and deliver those of "
                "the others again."
            )
        if named := _names_after(other_files.KEPT_PREFIX, results["other_files"]):
            notes.append(
                f"{', '.join(named)} had an id of the person, which is masked in all versions; "
                "see on the dashboard whether each is still of use."
            )
        # What was found counts, too: a killed step does not find again what it has removed.
        removed = sorted({*self.pending.plan["other_files"], *results["other_files"]})
        notes += [
            f"{folder} could not be searched, so it was removed; the rows that were loaded from it "
            "stay, without the person's."
            for folder in _names_after(sample_files.UNREADABLE_PREFIX, removed)
        ]
        return [*notes, "Backups, and copies outside of the platform, are not reached."]


def _names_after(prefix: str, names: Iterable[str]) -> list[str]:
    """Return the names that begin with a prefix, without it."""
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def days_held(engine: Engine) -> list[str]:
    """Return the days of orders that are held back."""
    return [row["held_date"].isoformat() for row in held_days(engine)]


def stored_days(engine: Engine) -> list[date]:
    """Return the first and the last day of arrival in each raw table."""
    day = engine.quoted("received_date")
    return [
        end
        for contract in PERSONS
        if engine.has(contract)
        for row in engine.query(
            f"SELECT min({day}) AS f, max({day}) AS l FROM {engine.name_of(contract)}"  # noqa: S608 (names come from contracts)
        )
        for end in (row["f"], row["l"])
        if end is not None
    ]


@dataclass(frozen=True)
class Remains:
    """What is left of a person, and what is kept on purpose."""

    left: dict[str, Any]
    """Rows, records and files by place; every value is empty after an erasure."""
    kept: dict[str, Any]
    """`rows`: how many rows of others have an id of the person in a text, by column; `files`:
    files that have one.
    """

    @property
    def is_absent(self) -> bool:
        """Return whether nothing is left."""
        return not any(self.left.values())


def remains_of(  # noqa: PLR0913 (each is a place where the person can be, or who the person is)
    settings: Settings,
    engine: Engine,
    person: Person,
    records: Mapping[str, date],
    kept: KeptItems,
    *,
    has_files: bool,
    say: Say = lambda _sentence: None,
) -> Remains:
    """Return what there is of a person;
    `records` are the ids of the person's events in the ledger.
    """
    naming = other_files.naming(settings, person, kept, say)
    # Before any query: what a large one has no memory for lies beside the warehouse until it ends.
    to_clean = _files_to_clean(engine, naming)
    kept_rows = warehouse_rows.mentions(engine, person)
    with _ledger(settings) as store:
        if store and is_in_ledger(store, LedgerPerson.of_person(person, records)):
            to_clean.append(store.address)
    left = {
        "tables": warehouse_rows.tables_with(engine, person, records),
        "files": {file.path: file.record_count for file in _files(settings, person)}
        if has_files
        else {},
        # The bytes of a kept row are in the file of its table, so there they prove nothing.
        "other_files": to_clean if kept_rows else [*to_clean, *naming.tables],
    }
    return Remains(left, {"rows": kept_rows, "files": sorted({*naming.others} - {*to_clean})})


def _files_to_clean(engine: Engine, naming: NamingFiles) -> list[str]:
    return sorted({*naming.cleaned, *map(str, engine.left_over_files())})


def _opened(settings: Settings) -> Engine:
    return new_engine(settings).open()


def _files(settings: Settings, person: Person) -> list[FileRecords]:
    with closing(plain_connection(limit_of_run(settings))) as con:
        records = [
            record
            for files in landing_files(con, settings)
            for record in find_records(files, person)
        ]
    landed = customer_files.find_customers(settings, person)
    exported = customer_files.find_customer_records(settings, person)
    return [*records, *landed, *exported, *find_letters(settings, person)]


@contextmanager
def _ledger(settings: Settings) -> Iterator[Database | None]:
    """Yield the open ledger; None if nothing was ever delivered."""
    if not ledger_is_there(settings):
        yield None
        return
    with closing(open_store(settings)) as store:
        DeliveryLedger(store)  # creates the tables
        yield store
