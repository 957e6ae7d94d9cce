"""`ecom erase`: remove a person everywhere, and write a receipt; or show what there is,
or prove that nothing is.
"""

import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any, Final

import dagster as dg
import typer

from ecom_assets.behaviour.events.assets import raw_events
from ecom_assets.cli.options import Events, Json, Mapping, Orders, OwnData, Permissions
from ecom_assets.cli.platform_run import PlatformRun, ready_definitions, settings_of, stored_days
from ecom_assets.cli.progress import RunProgress
from ecom_assets.cli.terminal import print_answer, print_faults
from ecom_assets.commerce.customers.assets import raw_customers
from ecom_assets.commerce.orders.assets import raw_user_order_log
from ecom_assets.core.errors import UsageError, WorkError, did_you_mean
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.statements import STATEMENTS
from ecom_assets.definitions import without_source
from ecom_assets.ingestion.collector.segments import segments_folder, unsealed_bytes
from ecom_assets.ingestion.sources.day_spans import parts_of
from ecom_assets.ingestion.sources.landing import landing_folder
from ecom_assets.ingestion.sources.presence import with_origin
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.privacy.erasure import (
    Erasure,
    ErasurePlan,
    amounts_of,
    intent_of,
    plan_of,
    remains_of,
)
from ecom_assets.orchestration.privacy.other_files import KeptItems
from ecom_assets.orchestration.privacy.pending import (
    Pending,
    lock_erasures,
    pending_files,
    read_pending,
)
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.warehouse_rows import record_ids
from ecom_assets.orchestration.registry import RAW
from ecom_assets.outputs.delivery.assets import DELIVERY_TABLES
from ecom_assets.outputs.delivery.tools.all import TOOLS

MOST_NAMED: Final = 5
"""Ids in one line."""
Visitors = Annotated[
    list[str] | None,
    typer.Option("--visitor", help="Visitor id, as tables have it; anon-… for a source session."),
]
Customers = Annotated[
    list[str] | None, typer.Option("--customer", help="Customer id, as orders have it.")
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="Also erase a user whom an alias joins with the person, or who used a named session.",
    ),
]


def erase(
    visitor: Visitors = None,
    customer: Customers = None,
    with_user: With = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what there is of the person, and stop.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Show that there is nothing, or what there is.")
    ] = False,
    skip_tool: Annotated[
        list[str] | None, typer.Option("--skip-tool", help="Leave a tool out; the receipt says so.")
    ] = None,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", help="Leave landing files as they are.")
    ] = False,
    events: Events = None,
    events_mapping: Mapping = None,
    orders: Orders = None,
    orders_mapping: Mapping = None,
    as_json: Json = False,
) -> None:
    """Remove a person from every table, landing file, published copy, ledger and tool,
    and write a receipt.
    """
    for name in skip_tool or ():
        if name not in TOOLS:
            raise UsageError(f"--skip-tool {name!r} is not a tool; {did_you_mean(name, TOOLS)}.")
    requested = Person.requested(visitor or [], customer or [])
    settings = _settings(OwnData.read(events, orders, None, (events_mapping, orders_mapping)))
    skipped, also = frozenset(skip_tool or ()), tuple(dict.fromkeys(with_user or ()))
    request = _ErasureRequest(settings, requested, skipped, has_files=not keep_files, also=also)
    if verify:
        with STATEMENTS.in_memory_only():
            request.verify(as_json=as_json)
        return
    with lock_erasures(settings), STATEMENTS.in_memory_only():
        if not (dry_run or keep_files):
            _land_collected(settings)
        request.carry_out(yes=yes, dry_run=dry_run, as_json=as_json)


def _land_collected(settings: Settings) -> None:
    """Land what a collector that no longer runs has left, so that it is erased, too."""
    if not unsealed_bytes(segments_folder(settings.home)):
        return
    from ecom_assets.ingestion.collector.sealing import seal_what_was_left  # noqa: PLC0415 (loads what maps messages)

    with suppress(
        UsageError
    ):  # nothing lands here by these settings: a segment that names the person is listed
        landing = landing_folder(settings, is_sandbox=True)
        seal_what_was_left(settings, landing)


@dataclass(frozen=True)
class _ErasureRequest:
    """The request: the person, and what to do."""

    settings: Settings
    requested: Person
    skipped_tools: frozenset[str]
    has_files: bool
    also: tuple[str, ...] = ()
    """Users known as the person, who are erased, too."""

    @property
    def kept(self) -> KeptItems:
        """What people keep, in which the person can be named."""
        return BoardStore(self.settings)

    def carry_out(self, *, yes: bool, dry_run: bool, as_json: bool) -> None:
        """Erase the person, or only show the rows; an erasure that was killed is continued.

        Raises:
            UsageError: It was not confirmed.
        """
        progress = RunProgress(quiet=as_json)
        pending = _resumed(self.settings, self._all_requested(self.also))
        if pending is None:
            with closing(new_engine(self.settings).open()) as engine:
                also = self._confirmed(engine, asks=not (yes or dry_run) and sys.stdin.isatty())
                requested = self._all_requested(also)
                plan = plan_of(
                    self.settings,
                    engine,
                    requested,
                    self.kept,
                    has_files=self.has_files,
                    say=progress.say,
                )
            if dry_run or plan.is_empty:
                found = {"found": plan.as_json(), "known_as": list(plan.person.known_as)}
                print_answer(found, *_plan_lines(plan), as_json=as_json)
                return
            _require_yes(plan, yes=yes)
            pending = intent_of(plan)
        elif dry_run:
            raise UsageError(
                "An erasure of this person is under way; run it again without --dry-run to finish "
                "it."
            )
        run = partial(_recomputed, self.settings, progress)
        erasure = Erasure(
            self.settings, pending, self.kept, run, progress.say, self.has_files, self.skipped_tools
        )
        receipt, path = erasure.run()
        kept = pending.person.known_as  # named here only: the receipt stays
        document = {**receipt, "receipt": str(path), "known_as": list(kept)}
        lines = [*_receipt_lines(receipt), *_known_as_lines(kept), f"Receipt: {path}"]
        print_answer(document, *lines, as_json=as_json)

    def _all_requested(self, also: Sequence[str]) -> Person:
        """Return the person with some of the users known as them."""
        return replace(self.requested, users=tuple(dict.fromkeys([*self.requested.users, *also])))

    def _confirmed(self, engine: Engine, *, asks: bool) -> tuple[str, ...]:
        """Return the users known as the person who are erased, too: those of `--with`,
        else those confirmed one by one.

        Raises:
            UsageError: One of `--with` is not known as the person.
        """
        known_as = self.requested.completed(engine).known_as
        for user in self.also:
            if user not in known_as:
                nearest = (
                    did_you_mean(user, known_as) if known_as else "nobody is known as the person"
                )
                raise UsageError(
                    f"--with {user!r}: no alias joins this user with the person, and no named "
                    f"session has them; {nearest}. Give another person by --customer."
                )
        if self.also or not asks:
            return self.also
        question = (
            "{} is another user, whom an alias joins with the person or who used a named session. "
            "Erase them, too?"
        )
        return tuple(user for user in known_as if typer.confirm(question.format(user), err=True))

    def verify(self, *, as_json: bool) -> None:
        """Report whether any rows of the person are left.

        Raises:
            Exit: Some are.
        """
        with closing(new_engine(self.settings).open()) as engine:
            person = self._all_requested(self.also).completed(engine)
            records = record_ids(engine, person, amounts_of(self.settings))
            result = remains_of(
                self.settings, engine, person, records, self.kept, has_files=self.has_files
            )
        absent = ["Nothing of the person is left.", *_kept_lines(result.kept)]
        lines = absent if result.is_absent else ["There is still:", *_left_lines(result.left)]
        answer = {"is_absent": result.is_absent, **asdict(result)}
        print_answer(answer, *lines, as_json=as_json)
        if not result.is_absent:
            raise typer.Exit(1)


def _recomputed(settings: Settings, progress: RunProgress, days: Days) -> str:
    """Compute and publish everything that is made of raw tables,
    and return the id of the Dagster run.

    Raises:
        WorkError: A table could not be computed, or a check failed.
    """
    definitions = ready_definitions(settings, progress)
    graph = definitions.resolve_asset_graph()
    made = dg.AssetSelection.assets(
        raw_events.key, raw_user_order_log.key, raw_customers.key
    ).downstream()
    exports = {key for key in graph.materializable_asset_keys if key.path[0] == "export"}
    kept = {asset.key for asset in DELIVERY_TABLES} | {dg.AssetKey(["export", "customers_json"])}
    left_out = {*(asset_key(table) for table in RAW), *(exports - kept), *without_source(settings)}
    chosen = sorted(made.resolve(graph) & graph.materializable_asset_keys - left_out)
    parts = parts_of(days, stored_days(settings))
    run = PlatformRun(
        settings, progress, definitions, chosen, days, parts, Permissions(rewrite=True)
    )
    outcome = run.materialize()
    if outcome.failures:
        raise WorkError(
            f"{outcome.failures[0]} The erasure is not complete: run the same command again."
        )
    return outcome.run_id


def _settings(own: OwnData) -> Settings:
    settings = settings_of(own)
    engine = new_engine(settings)
    if not engine.exists():
        raise UsageError(
            f"There is no warehouse at {engine.address}; set ECOM_HOME or ECOM_WAREHOUSE to yours."
        )
    with closing(engine.open()):
        return with_origin(engine, settings)


def _resumed(settings: Settings, requested: Person) -> Pending | None:
    """Return the interrupted erasure of the same person, and report those of others;
    None if there is none.
    """
    result: Pending | None = None
    for path in pending_files(settings):
        try:
            pending = read_pending(path)
        except WorkError as error:
            print_faults([error])
            continue
        if pending.is_of(requested):
            result = pending
        else:
            sentence = f"An erasure of another person, of {pending.requested_at}, is not finished"
            print_faults([f"{sentence}; finish it with the same command as then ({path})."])
    return result


def _require_yes(plan: ErasurePlan, *, yes: bool) -> None:
    if yes:
        return
    typer.echo("\n".join(_plan_lines(plan)), err=True)
    if not sys.stdin.isatty():
        raise UsageError("Erasing cannot be undone; confirm with --yes.")
    typer.confirm("Erase all of this? It cannot be undone.", abort=True, err=True)


def _known_as_lines(users: Sequence[str]) -> list[str]:
    """Return who stays although they may be the same person."""
    if not users:
        return []
    sentence = "An alias joins them with the person, or they used a named session"
    return [
        (
            f"Not erased: {_some(users)}. {sentence}; if they are the same person, erase each with "
            "--with."
        )
    ]


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _left_lines(left: dict[str, Any]) -> list[str]:
    return [
        *(f"  {name:36} {rows:>8,} rows" for name, rows in left["tables"].items()),
        *(f"  {path}: {count:,} records" for path, count in left["files"].items()),
        *(f"  {path}" for path in left["other_files"]),
    ]


def _kept_lines(kept: dict[str, Any]) -> list[str]:
    texts = [
        f"{count:,} rows of others with an id of the person in {name}"
        for name, count in kept["rows"].items()
    ]
    files = [
        f"{path}, which contains an id of the person; see whose it is" for path in kept["files"]
    ]
    return [f"Kept: {sentence}." for sentence in (*texts, *files)]


def _plan_lines(plan: ErasurePlan) -> list[str]:
    person = plan.person
    ids = [
        f"  {noun}: {_some(its)}"
        for noun, its in (
            ("users and customers", person.users),
            ("sessions", person.sessions),
            ("devices", person.devices),
        )
        if its
    ]
    if plan.is_empty:
        return ["Nothing was found of:", *ids]
    files = {file.path: file.record_count for file in plan.files}
    left = {"tables": plan.tables, "files": files, "other_files": plan.other_files}
    ledger = [f"  ledger of deliveries: {plan.ledger_count:,} records"] if plan.ledger_count else []
    known_as = _known_as_lines(person.known_as)
    return ["The person is known as:", *ids, "and is in:", *_left_lines(left), *ledger, *known_as]


def _receipt_lines(receipt: dict[str, Any]) -> list[str]:
    removed, days = receipt["removed"], receipt["recomputed"]["days"]
    rows, records = (
        sum(removed["tables"].values()),
        sum(file["record_count"] for file in removed["files"]),
    )
    lines = [f"Erased: {rows:,} rows of {len(removed['tables'])} tables, {records:,} records of "]
    lines[0] += (
        f"{len(removed['files'])} landing files, {removed['ledger_records']:,} records of the "
        "ledger."
    )
    if days:
        lines.append(f"Tables of {days['from']} to {days['to']} were computed again and published.")
    for tool, answers in receipt["tools"].items():
        lines += [
            f"{tool}: asked to delete {deletion['id_count']:,} ids; {deletion['answer']}."
            for deletion in answers
        ]
    lines.append("Nothing of the person is left in tables, landing files and the platform's files.")
    return [
        *lines,
        *_kept_lines(receipt["verified"]["kept"]),
        *(f"To confirm: {sentence}" for sentence in receipt["to_confirm"]),
    ]
