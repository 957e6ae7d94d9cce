"""`ecom sessions`: sessions from files. Not here: what a session is (`transforms/sessions.py`)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.types as ir

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.numbers import session_totals
from ecom_assets.contracts.sessions import Sessions
from ecom_assets.errors import UsageError, WarehouseError
from ecom_assets.settings import load_settings
from ecom_assets.transforms.funnel_definition import parse_duration
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import whole_sessions

FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


def answer_sessions(
    paths: list[str], mapping: str | None, rule: str, idle: str | None, out: Path | None
) -> dict[str, Any]:
    """Return the totals of INTERFACE's `sessions`; write the sessions themselves where `out` is given."""
    session_rule = SessionRule.preset(rule, idle_timeout_s=parse_duration(idle) if idle else None)
    if out is not None and out.suffix not in FORMATS:
        raise UsageError(f"--out {out} is neither .parquet nor .csv; end it in one of them.")
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    found = whole_sessions(files.clean(), session_rule).select(*Sessions.columns)
    if out is not None:
        found = _write(files, found, out)
    return {"definition": {"rule": rule, **asdict(session_rule)}, **session_totals(found)}


def _write(files: FileEvents, found: ir.Table, out: Path) -> ir.Table:
    beside = out.with_name(f".{out.name}.part")
    ordered = found.order_by("started_at", "session_id")
    try:
        place = str(beside).replace("'", "''")
        files.con.raw_sql(f"COPY ({files.con.compile(ordered)}) TO '{place}' ({FORMATS[out.suffix]})")
        beside.replace(out)
    except (duckdb.Error, OSError) as error:
        beside.unlink(missing_ok=True)
        raise WarehouseError(f"{out} cannot be written: {str(error).splitlines()[0]}; choose another place.") from error
    return files.con.read_parquet(out) if out.suffix == ".parquet" else found
