"""The IO manager: it passes lazy tables to assets, and writes what they return.

Nothing else writes a table.

Assets that are none of the platform's tables, such as a shop's own beside them, get Dagster's own
IO manager.
"""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import dagster as dg
import ibis
import ibis.expr.types as ir

from ecom_assets.core.errors import UsageError, WarehouseError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.asset import (
    DAYS_AROUND,
    PARTITION,
    RANGE_START,
    WHOLE_TABLE,
    column_schema,
    require_days,
)
from ecom_assets.core.tables.computations import ComparedInputs, ComputedOutput
from ecom_assets.core.tables.contract import HIDDEN, Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_of
from ecom_assets.core.tables.received import SliceOutput, SourceGate
from ecom_assets.core.warehouse.day_notes import (
    CODE_VERSION,
    TableComputation,
    note_absent,
    note_computation,
    note_unanswered,
)
from ecom_assets.core.warehouse.engine import Engine, SliceHooks, Written
from ecom_assets.core.warehouse.lineage import LAYERS, column_lineage, stored_columns
from ecom_assets.core.warehouse.local import naming_damaged_parquet
from ecom_assets.core.warehouse.owner import Claim
from ecom_assets.core.warehouse.raw_losses import loss_sentence, lost_rows
from ecom_assets.core.warehouse.raw_slices import (
    ALLOW_WITHDRAWAL,
    NO_WHOLE_DAYS,
    DayByDay,
    ErasedPeopleFilter,
    Replace,
    TakenBack,
    WholeDays,
    WithdrawalGuard,
    is_guarded,
    leaving_out,
    nothing_taken_back,
    replace_day_by_day,
)

CODE = "code_version"
"""In the metadata of a materialization: the version of ecom_assets that wrote,
for engines that do not note it.
"""
PREVIEW_ROWS = 5
DAYS_WITH_COUNTS = 366
"""The most days of a run of which each shows its own row count:
Dagster's work for them grows with their square.
"""


class Progress(Protocol):
    """A listener for the progress of a run."""

    def began(self, table: str) -> None:
        """Called when a table is about to be computed."""

    def ended(self, table: str, row_count: int, took_s: float) -> None:
        """Called when a slice has been written."""

    def warn(self, sentence: str) -> None:
        """Called with a warning that people should see."""


class _NoProgress:
    def began(self, table: str) -> None:
        """Do nothing."""

    def ended(self, table: str, row_count: int, took_s: float) -> None:
        """Do nothing."""

    def warn(self, sentence: str) -> None:
        """Do nothing."""


NO_PROGRESS: Progress = _NoProgress()


class ChangeLog(Protocol):
    """The log of the published numbers that the slices of one run change."""

    @property
    def run_id(self) -> str:
        """The run that writes."""

    def hooks_for(self, contract: Contract, days: Days, own: Days) -> SliceHooks | None:
        """Return the hooks around the replacement of a slice: `days` are replaced,
        `own` are the days of the run.
        """

    def metadata(self, contract: Contract) -> NamedValues:
        """Return the metadata that the log adds to the materialization of a table."""


LateRowHooks = Callable[[Engine, Contract, Days, Days], SliceHooks | None]
"""Returns what is called around the replacement of some days of a raw table, in a run over days."""
Plot = Callable[[Engine, Contract, Days | None], str | None]
"""Returns a picture of a table as Markdown, after some days of it were written;
None if it has none.
"""
EXPLAINS = frozenset(
    ("dagster/column_schema", "dagster/column_lineage", "lineage", "sql", "preview", "plot")
)
"""What is shown again with a table that is left alone: how it was computed, and what it has."""
FREE_TEXT = ("properties",)
"""Columns in which a shop can put anything, including personal data."""


@dataclass(eq=False)
class WarehouseIOManager(dg.IOManager):
    """Load inputs as lazy slices of tables, and replace slices with outputs.

    It has the open engine, the contracts by asset key (`layer/name`), the guards of raw tables, and
    the log. No warning asks for the assets `without_source`. The first write of a raw table claims
    the warehouse for the data of the run.
    """

    engine: Engine
    contracts: Mapping[str, Contract]
    progress: Progress = NO_PROGRESS
    gate: SourceGate = field(default_factory=SourceGate)
    whole_days: WholeDays = lambda _contract: NO_WHOLE_DAYS
    change_log: Callable[[Engine, str], ChangeLog] | None = None
    erased_people: ErasedPeopleFilter | None = None
    plot: Plot = lambda _engine, _contract, _days: None
    without_source: Set[dg.AssetKey] = frozenset()
    claim: Claim = lambda _engine: None
    late_rows: LateRowHooks = lambda _engine, _contract, _days, _run: None
    taken_back: TakenBack = nothing_taken_back
    _is_claimed: bool = field(default=False, init=False)
    _whole: set[Contract] = field(default_factory=set, init=False)
    _log: ChangeLog | None = field(default=None, init=False)

    def require_days(self, run: dg.DagsterRun) -> None:
        """Refuse a run without days over chosen tables that are cut by day.

        Dagster reads the inputs of a step before the step begins, and fails there without days. Raw
        tables have no inputs: their step says it itself.

        Raises:
            UsageError: The run has no days.
        """
        chosen = [self.contracts.get(key.to_user_string()) for key in run.asset_selection or ()]
        cut = [contract for contract in chosen if contract and contract.day_column]
        has_raw = any(contract.layer == "raw" for contract in cut)
        if cut and not has_raw and not {PARTITION, RANGE_START} & run.tags.keys():
            require_days(Days(()))

    def load_input(self, context: dg.InputContext) -> Any:  # noqa: ANN401 (what others stored, too)
        """Return the input's table, lazily: the partitions that the asset reads, or all of it.

        An input that is annotated as a frame of pandas or a table of PyArrow is that. Outside of a
        run, as for `load_asset_value`, the warehouse is closed before the table is used: it then
        has its rows with it.

        Raises:
            UsageError: Outside of a run and of an instance, for an asset that Dagster stores.
            WarehouseError: Nothing is stored of that asset.
        """
        contract = self._contract_of(context)
        if contract is None:
            return _stored_by_dagster(context)
        table = self.engine.table(contract)
        metadata = context.definition_metadata or {}
        if contract.day_column and not metadata.get(WHOLE_TABLE) and context.has_asset_partitions:
            before, after = metadata.get(DAYS_AROUND, (0, 0))
            days = _days_of(context).widened(before=before, after=after)
            table = table.filter(days.contain(table[contract.day_column]))
        convert = CONVERSIONS.get(_type_name(context.dagster_type.typing_type))
        if convert is None and not context.has_input_name:
            return ibis.memtable(CONVERSIONS[ARROW](table))
        return convert(table) if convert else table

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ANN401 (as above)
        """Replace the slice that the asset computed, and report what was written.

        Raises:
            WarehouseError: An asset that is no table of the platform returned an Ibis table.
        """
        contract = self._contract_of(context)
        if contract is None:
            if isinstance(obj, ir.Expr | SliceOutput):
                raise WarehouseError(_no_table(context))
            _dagsters_own(context.step_context.instance).handle_output(context, obj)
            return
        self.progress.began(contract.qualified_name())
        self.engine.run_id = context.run_id
        started = time.monotonic()
        compared = obj.compared if isinstance(obj, ComputedOutput) else None
        obj = obj.output if isinstance(obj, ComputedOutput) else obj
        if compared is not None and compared.are_unchanged:
            self._require_raw_rows(context)
            self._left_alone(context, contract, compared, started)
            return
        rows, days = self._rows_and_days(context, contract, obj)
        self._require_raw_rows(context)
        metadata = dict(obj.metadata) if isinstance(obj, SliceOutput) else {}
        if is_guarded(contract) and days is not None:
            with naming_damaged_parquet():
                written, replaced_days = self._guarded(context, contract, obj, rows, days)
            computation = TableComputation(written.sql, stored_columns(rows))
            note_computation(self.engine, contract, context.run_id, computation)
            metadata["days_held"] = len(days.dates) - len(replaced_days.dates)
            days = replaced_days
        else:
            also = obj.also if isinstance(obj, SliceOutput) else None
            hooks = self._hooks(context, contract, days)
            has_more = isinstance(obj, SliceOutput) and bool(obj.warning or obj.metadata)
            written = self.engine.replace(
                contract,
                rows,
                obj.days if also else days,
                hooks,
                also,
                stored_columns(rows),
                # What a run has to say beside the rows is said again.
                None if has_more else compared,
            )
        took_s = time.monotonic() - started
        self.progress.ended(contract.qualified_name(), written.row_count, took_s)
        if self._log:
            metadata |= self._log.metadata(contract)
        if not self.engine.notes_writes:
            metadata[CODE] = CODE_VERSION
        newest_days = days if days is None or contract.day_column is None else Days(days.dates[-1:])
        row_count, shown = self.engine.counted_and_some_rows(contract, newest_days, PREVIEW_ROWS)
        metadata["dagster/row_count"] = row_count
        context.add_output_metadata({**metadata, "dagster/table_name": contract.qualified_name()})
        self._add_day_counts(context, contract, days, written)
        of_run = _of_run(days, written, took_s)
        context.log.info(f"{contract.qualified_name()}: {_in_words(of_run)}")
        # Of the newest day of the run only: on every day, the explanation was most of a history of
        # gigabytes.
        newest = context.asset_partition_keys[-1] if context.has_asset_partitions else None
        explanation = self._explanation(contract, rows, days, written, shown)
        warning = self._warning(context, contract, obj, written)
        context.step_context.add_asset_metadata(
            {**of_run, **warning, **explanation}, context.asset_key, newest
        )

    def _left_alone(
        self,
        context: dg.OutputContext,
        contract: Contract,
        compared: ComparedInputs,
        started: float,
    ) -> None:
        """Report a table that is as another run has computed it, with what is known of it."""
        instance, key = context.step_context.instance, context.asset_key
        newest = instance.get_latest_materialization_event(key)
        before = newest.asset_materialization if newest else None
        explained = {
            name: value
            for name, value in (before.metadata if before else {}).items()
            if name in EXPLAINS
        }
        nothing = Written(0, "")
        took_s = time.monotonic() - started
        self.progress.ended(contract.qualified_name(), 0, took_s)
        context.add_output_metadata(
            {
                "dagster/row_count": self.engine.row_count(contract),
                "dagster/table_name": contract.qualified_name(),
                "as_computed_by": compared.run_id or "",
            }
        )
        days = _days_of(context) if context.has_asset_partitions else None
        self._add_day_counts(context, contract, None, nothing)
        of_run = _of_run(None, nothing, took_s)
        context.log.info(
            f"{contract.qualified_name()}: left as run {compared.run_id} computed it, as nothing "
            "that it is computed from has changed"
        )
        last = context.asset_partition_keys[-1] if days is not None else None
        context.step_context.add_asset_metadata({**of_run, **explained}, key, last)

    def _contract_of(self, context: dg.InputContext | dg.OutputContext) -> Contract | None:
        """Return the contract of the platform's table that is written or read;
        None if it is something else.
        """
        return (
            self.contracts.get(context.asset_key.to_user_string())
            if context.has_asset_key
            else None
        )

    def _require_raw_rows(self, context: dg.OutputContext) -> None:
        """Refuse to compute a table from raw tables that have lost rows;
        each is looked at once in a run.

        Raises:
            WarehouseError: Rows are gone that nothing took on purpose.
        """
        graph = context.step_context.job_def.asset_layer.asset_graph
        seen, waiting = set[dg.AssetKey](), [*graph.get(context.asset_key).parent_keys]
        while waiting:
            key = waiting.pop()
            if key in seen or not graph.has(key):
                continue
            seen.add(key)
            waiting += graph.get(key).parent_keys
            contract = self.contracts.get(key.to_user_string())
            if contract is None or contract in self._whole or not is_guarded(contract):
                continue
            if lost := lost_rows(self.engine, contract):
                raise WarehouseError(loss_sentence(contract, lost))
            self._whole.add(contract)

    def _guarded(
        self,
        context: dg.OutputContext,
        contract: Contract,
        obj: ir.Table | SliceOutput | DayByDay,
        rows: ir.Table,
        days: Days,
    ) -> tuple[Written, Days]:
        """Replace the rows from a source, except on days whose rows the source has lost;
        see `raw_slices.py`.
        """
        if not self._is_claimed:
            self.claim(self.engine)
            self._is_claimed = True
        is_allowed = context.step_context.get_tag(ALLOW_WITHDRAWAL) == "true"
        slices = obj if isinstance(obj, SliceOutput) else SliceOutput(rows, days)

        def late_rows(engine: Engine, contract: Contract, replaced: Days) -> SliceHooks | None:
            return self.late_rows(
                engine, contract, replaced, _days_of(context) if is_over_days else replaced
            )

        is_over_days = context.has_asset_partitions
        guard = WithdrawalGuard(
            self.engine,
            self.gate,
            self.whole_days,
            context.run_id,
            is_allowed,
            slices.origin,
            slices.supersedes,
            taken_back=self.taken_back,
            also=late_rows,
            only_uploads=slices.only_uploads,
            only_files=slices.only_files,
        )
        replace: Replace = guard.replace
        if self.erased_people is not None:
            replace = leaving_out(self.engine, self.erased_people, guard)
        if isinstance(obj, DayByDay):
            return replace_day_by_day(self.engine, contract, obj, replace)
        written = replace(contract, rows, days)
        note_absent(self.engine, contract, days, slices.absent, context.run_id)
        note_unanswered(self.engine, contract, days, slices.unanswered, context.run_id)
        return written

    def _hooks(
        self, context: dg.OutputContext, contract: Contract, days: Days | None
    ) -> SliceHooks | None:
        """Return the hooks that log changes of published numbers, if the slice has such numbers."""
        if days is None or not context.has_asset_partitions or self.change_log is None:
            return None
        if self._log is None or self._log.run_id != context.run_id:
            self._log = self.change_log(self.engine, context.run_id)
        return self._log.hooks_for(contract, days, _days_of(context))

    @staticmethod
    def _rows_and_days(
        context: dg.OutputContext, contract: Contract, obj: ir.Table | SliceOutput | DayByDay
    ) -> tuple[ir.Table, Days | None]:
        """Return the rows of an output, and the days that they replace; None for the whole table.

        Raises:
            UsageError: The table is cut by day, and neither the output nor the run has days.
        """
        if isinstance(obj, DayByDay):
            return obj.source.rows(obj.days), obj.days
        if isinstance(obj, SliceOutput):
            return obj.rows, obj.written_days
        if contract.day_column is None:
            return obj, None
        days = _days_of(context) if context.has_asset_partitions else Days(())
        return obj, require_days(days)

    def _add_day_counts(
        self,
        context: dg.OutputContext,
        contract: Contract,
        days: Days | None,
        written: Written,
    ) -> None:
        """Show each day's own row count, where counting takes little time."""
        if contract.day_column is None or not context.has_asset_partitions:
            return
        if len(context.asset_partition_keys) > DAYS_WITH_COUNTS:
            return
        if (
            not self.engine.notes_writes
        ):  # as with notes, one more statement for each table is noticed there
            return
        own = _days_of(context)
        # What was written is all that a single day has.
        counts = (
            {own.first: written.row_count}
            if days == own and len(own.dates) == 1
            else self.engine.day_counts(contract, own)
        )
        for key in context.asset_partition_keys:
            of_day = {"dagster/partition_row_count": counts.get(date.fromisoformat(key), 0)}
            context.step_context.add_asset_metadata(of_day, context.asset_key, key)

    def _warning(
        self,
        context: dg.OutputContext,
        contract: Contract,
        obj: ir.Table | SliceOutput | DayByDay,
        written: Written,
    ) -> dict[str, str]:
        """Log and return why a table has no rows, or not those of all days,
        if something must be run first.
        """
        warning = obj.warning if isinstance(obj, SliceOutput) else ""
        writes_nothing = (
            isinstance(obj, SliceOutput) and not obj.days.dates
        )  # such as a log that other tables write
        if not (warning or written.row_count or writes_nothing):
            warning = self._no_rows_because(context)
        if not warning:
            return {}
        warning = f"{contract.qualified_name()}: {warning}"
        context.log.warning(warning)
        self.progress.warn(warning)
        return {"warning": warning}

    def _no_rows_because(self, context: dg.OutputContext) -> str:
        """Return a warning that names the empty upstream tables that neither this run nor an
        earlier one has computed.

        Those without a source are left out: they can only be computed after it is there.
        """
        layer, instance = context.step_context.job_def.asset_layer, context.step_context.instance
        missing = []
        upstream = layer.asset_graph.get(context.asset_key).parent_keys
        for key in sorted(upstream - set(layer.selected_asset_keys) - self.without_source):
            contract = self.contracts.get(key.to_user_string())
            if contract is None or instance.get_latest_materialization_event(key):
                continue
            if not self.engine.has(contract) or self.engine.row_count(contract) == 0:
                missing.append(contract.qualified_name())
        if not missing:
            return ""
        return (
            f"no rows, since nothing has computed {', '.join(missing)} yet; materialize these and "
            "what they are computed from first."
        )

    def _explanation(
        self,
        contract: Contract,
        rows: ir.Table,
        days: Days | None,
        written: Written,
        shown: Sequence[NamedValues],
    ) -> dict[str, Any]:
        """Return the metadata that explain a slice: schema, lineage, SQL and a preview."""
        lineage = {
            name: sorted(source for source in sources if source[0] in LAYERS)
            for name, sources in column_lineage(rows).items()
        }
        deps = {
            name: [
                dg.TableColumnDep(dg.AssetKey([layer, table]), column)
                for layer, table, column in sources
            ]
            for name, sources in lineage.items()
        }
        listed = ["| column | made of |", "| --- | --- |"]
        listed += [
            f"| {name} | {', '.join(map('.'.join, sources))} |" for name, sources in lineage.items()
        ]
        plot = self.plot(self.engine, contract, days)
        return {
            **({"plot": dg.MetadataValue.md(plot)} if plot else {}),
            "dagster/column_schema": column_schema(contract),
            "dagster/column_lineage": dg.TableColumnLineage(deps),
            "lineage": dg.MetadataValue.md(
                "\n".join(listed)
            ),  # open-source Dagster does not show column lineage
            "sql": dg.MetadataValue.md(f"```sql\n{written.sql}\n```"),
            "preview": dg.MetadataValue.md(_preview(contract, shown)),
        }


def _preview(contract: Contract, rows: Sequence[NamedValues]) -> str:
    # Dagster keeps metadata longer than the warehouse keeps the rows, so personal data are hidden.
    shown = {
        name: HIDDEN if column.pii or name in FREE_TEXT else None
        for name, column in contract.columns.items()
    }
    lines = [" | ".join(shown), " | ".join("---" for _ in shown)]
    lines += [
        " | ".join(shown[name] or _cell(name, value) for name, value in row.items()) for row in rows
    ]
    return "\n".join(f"| {line} |" for line in lines)


def _to_pandas(table: ir.Table) -> Any:  # noqa: ANN401 (nothing else here needs pandas)
    # Ibis's own way sets an option that pandas has deprecated.
    return arrow_of(table).to_pandas()


ARROW = "pyarrow.lib.Table"
CONVERSIONS: Mapping[str, Callable[[ir.Table], Any]] = {
    "pandas.DataFrame": _to_pandas,
    ARROW: arrow_of,
}
"""How an input becomes what it is annotated as."""


def _type_name(kind: Any) -> str:  # noqa: ANN401 (a class, or a form of `typing`)
    """Return the module and the name of a class; no name of another kind of annotation."""
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else ""


def _dagsters_own(instance: dg.DagsterInstance) -> dg.IOManager:
    """Return the IO manager that Dagster uses where none is set:
    files in the folder of its instance.
    """
    return dg.FilesystemIOManager(base_dir=instance.storage_directory()).create_io_manager(
        dg.build_init_resource_context()
    )


def _stored_by_dagster(context: dg.InputContext) -> Any:  # noqa: ANN401 (what others stored)
    name = context.asset_key.to_user_string() if context.has_asset_key else "its input"
    try:
        instance = context.instance
    except dg.DagsterInvariantViolationError as error:
        raise UsageError(
            f"Where Dagster stores {name} is not known outside of a run: set DAGSTER_HOME, or pass "
            "the instance."
        ) from error
    try:
        return _dagsters_own(instance).load_input(context)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise WarehouseError(
            f"Nothing is stored of {name} in {instance.storage_directory()}: it returns nothing, "
            "or was not materialized; one with partitions is loaded by a partition_key, no other."
        ) from error


def _no_table(context: dg.OutputContext) -> str:
    """Return what is wrong where an asset of others returns a table of the warehouse."""
    return (
        f"the asset {context.asset_key.to_user_string()} returned an Ibis table, which is stored "
        "for tables with a contract only; return its rows, such as `.to_pyarrow()`, or name an "
        "IO manager of your own by io_manager_key."
    )


def _of_run(days: Days | None, written: Written, took_s: float) -> dict[str, Any]:
    """Return the metadata of all that a run wrote into a table, on other days than its own, too."""
    of_run: dict[str, Any] = {"rows_written": written.row_count, "seconds": round(took_s, 3)}
    if days is not None and days.dates:
        of_run["days_written"] = f"{days.first} to {days.dates[-1]}"
    return of_run


def _in_words(of_run: dict[str, Any]) -> str:
    days = f" of {of_run['days_written']}" if "days_written" in of_run else ""
    return f"{of_run['rows_written']:,} rows{days} in {of_run['seconds']} s"


def _days_of(context: dg.InputContext | dg.OutputContext) -> Days:
    window = context.asset_partitions_time_window
    return Days.between(window.start.date(), window.end.date())


def _cell(name: str, value: object) -> str:
    if name.endswith("_url") and isinstance(value, str):
        value = value.partition("?")[0]  # a query string can hold an e-mail address or a token
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")[:80]
