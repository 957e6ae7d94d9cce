"""The record that a run writes when it ends: results of its checks,
and tables that it wrote or failed to write.

The notes are for those who do not reach Dagster's storage: the API and the dashboard. A failed
check that keeps the marts from being published is among them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ecom_assets.core import errors
from ecom_assets.core.json_text import json_text
from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.rows import Row

OWN_ERRORS: Final = {name for name, value in vars(errors).items() if isinstance(value, type)}
"""Names of the errors whose message is complete; their causes add nothing."""


def error_sentence(error: Any, message: str | None) -> str:  # noqa: ANN401 (Dagster exports the type nowhere)
    """Return the message of the platform's own error among the causes of an error,
    else that of the deepest cause.
    """
    while error is not None and error.cause is not None and error.cls_name not in OWN_ERRORS:
        error = error.cause
    name, _, sentence = message_line(error.message if error is not None else message).partition(
        ": "
    )
    return sentence or name


def message_line(message: str | None) -> str:
    """Return the first line of a message of Dagster's."""
    return errors.first_text_line(message or "", "it failed")


EVALUATED: Final = {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
FAILED: Final = {dg.DagsterEventType.STEP_FAILURE}
NOTE_CHECK: Final = """
INSERT INTO checks VALUES (:table_name, :check_name, :is_passed, :is_warning, :description,
  :sentence, :observed,
    :limit_value, :examples, :evaluated_at, CASE WHEN :is_passed THEN NULL ELSE :evaluated_at END,
      :run_id)
ON CONFLICT (table_name, check_name) DO UPDATE SET is_passed = excluded.is_passed,
  is_warning = excluded.is_warning,
    description = excluded.description, sentence = excluded.sentence, observed = excluded.observed,
    limit_value = excluded.limit_value, examples = excluded.examples, run_id = excluded.run_id,
    failing_since = CASE WHEN excluded.is_passed THEN NULL ELSE coalesce(checks.failing_since,
      excluded.evaluated_at)
    END, evaluated_at = excluded.evaluated_at
WHERE excluded.evaluated_at >= checks.evaluated_at
"""
NOTE_TABLE: Final = """
INSERT INTO tables VALUES (:table_name, :is_written, :ended_at, :run_id, CASE WHEN :is_written
  THEN :ended_at END,
    :sentence)
ON CONFLICT (table_name) DO UPDATE SET is_written = excluded.is_written,
  ended_at = excluded.ended_at,
    run_id = excluded.run_id, sentence = excluded.sentence,
    written_at = coalesce(excluded.written_at, tables.written_at)
WHERE excluded.ended_at >= tables.ended_at
"""


def note_run(instance: dg.DagsterInstance, run_id: str, home: Path) -> None:
    """Write the results of a run's checks and tables to the file of operations; this is idempotent.

    Raises:
        WorkError: The file cannot be written.
    """
    checks, tables = list(_checks(instance, run_id)), list(_tables(instance, run_id))
    if not checks and not tables:
        return
    with OperationsStore(home).writing() as con:
        con.executemany(NOTE_CHECK, checks)
        con.executemany(NOTE_TABLE, tables)


def _checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[Row]:
    for event in instance.all_logs(run_id, of_type=EVALUATED):
        evaluation = event.asset_check_evaluation
        if evaluation is None:
            continue
        metadata = {name: value.value for name, value in evaluation.metadata.items()}
        yield {
            "table_name": ".".join(evaluation.asset_key.path),
            "check_name": evaluation.check_name,
            "is_passed": evaluation.passed,
            "is_warning": evaluation.severity == dg.AssetCheckSeverity.WARN,
            "description": evaluation.description or "",
            "sentence": str(metadata.get("sentence") or ""),
            "observed": _text(metadata.get("observed")),
            "limit_value": _text(metadata.get("limit")),
            "examples": json_text(metadata.get("examples") or [], default=str),
            "evaluated_at": _instant(event.timestamp),
            "run_id": run_id,
        }


def _tables(instance: dg.DagsterInstance, run_id: str) -> Iterator[Row]:
    for record in instance.get_asset_records():
        written = record.asset_entry.last_materialization
        if (
            written is not None and written.run_id == run_id
        ):  # else the run was to write it, and did not
            yield _table(
                ".".join(record.asset_entry.asset_key.path),
                written.timestamp,
                run_id,
                is_written=True,
            )
    for entry in instance.all_logs(run_id, of_type=FAILED):
        event = entry.get_dagster_event()
        name = str(event.step_key).replace("__", ".", 1)
        cause = error_sentence(event.step_failure_data.error, event.message)
        yield _table(name, entry.timestamp, run_id, is_written=False, sentence=cause)


def _table(
    name: str, timestamp: float, run_id: str, *, is_written: bool, sentence: str = ""
) -> Row:
    at = _instant(timestamp)
    return {
        "table_name": name,
        "is_written": is_written,
        "ended_at": at,
        "run_id": run_id,
        "sentence": sentence,
    }


def _instant(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")


def _text(value: Any) -> str | None:  # noqa: ANN401 (any metadata value)
    return None if value is None else str(value)
