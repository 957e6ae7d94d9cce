"""`ecom sessions`: sessions from files. Not here: what a session is (`transforms/sessions.py`)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.numbers import session_totals
from ecom_assets.cli.written_files import check_format, write_rows
from ecom_assets.contracts.sessions import Sessions
from ecom_assets.settings import load_settings
from ecom_assets.transforms.funnel_definition import parse_duration
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import whole_sessions


def answer_sessions(
    paths: list[str], mapping: str | None, rule: str, idle: str | None, out: Path | None
) -> dict[str, Any]:
    """Return the totals of INTERFACE's `sessions`; write the sessions themselves where `out` is given."""
    session_rule = SessionRule.preset(rule, idle_timeout_s=parse_duration(idle) if idle else None)
    check_format("--out", out)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    events = files.clean()
    found = whole_sessions(events, session_rule).select(*Sessions.columns)
    if out is not None:
        write_rows(files.con, found.order_by("started_at", "session_id"), out)
        found = files.con.read_parquet(out) if out.suffix == ".parquet" else found
    totals = session_totals(found)
    if session_rule.source_session_alone:  # a session is of one visitor, though several were in it
        totals["visitors"] = int(files.con.to_pyarrow(events.visitor_id.nunique()).as_py())
    return {"definition": {"rule": rule, **asdict(session_rule)}, **totals, "rows": files.rows.as_json()}
