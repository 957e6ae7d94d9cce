"""Funnels over files without Ibis, for the funnels that the kernel counts by itself.

This module imports nothing heavy: a question to a small file takes no longer than the start of the command.
"""

import json
from collections.abc import Sequence
from typing import Any

from ecom_assets.cli.file_rows import DUPLICATE, FileRows
from ecom_assets.events.missing_types import warnings_of
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.kernel.counts import MAX_WORKERS, event_code, times_of_parts
from ecom_assets.funnels.steps import step_answers, step_rows, types_in_doubt
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.coded_events import MOST_ROWS, CodedFiles
from ecom_assets.sources.files.kinds import EventMapping
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.warehouse.duckdb_settings import plain_connection


def quick_answer(
    paths: Sequence[str], settings: Settings, mapping: EventMapping, funnel: Funnel
) -> dict[str, Any] | None:
    """Return the answer to a funnel whose steps no event can share; None if there are no rows, or too many."""
    con = plain_connection(settings.memory_limit)
    files = RecordFiles.open(con, paths, mapping, settings.timezone)
    if not 0 < files.row_count() <= MOST_ROWS:
        return None
    coded = CodedFiles(con, files, settings.late_days)
    code, plan = event_code(funnel)
    events = coded.events(code, plan)
    if events is None:
        return None
    ((threads,),) = con.execute("SELECT current_setting('threads')::INTEGER").fetchall()
    times = times_of_parts(events.in_order(plan), plan.steps, min(threads, MAX_WORKERS))
    numbers = step_rows(times)
    doubted = types_in_doubt(funnel, numbers)
    return {
        "definition": json.loads(json.dumps(funnel.to_mapping())),
        "steps": step_answers(funnel, numbers),
        "breakdown": [],
        "warnings": warnings_of(doubted, coded.clean_types() if doubted else (), mapping.own_words()),
        "rows": FileRows(events.read, events.rejected | {DUPLICATE: events.surplus}).as_json(),
    }
