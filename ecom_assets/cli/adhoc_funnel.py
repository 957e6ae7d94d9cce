"""`ecom funnel`: a funnel over files, by the DuckDB kernel. Not here: what a funnel is (`transforms/funnel.py`)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.numbers import funnel_steps
from ecom_assets.errors import UsageError
from ecom_assets.settings import load_settings
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_matching import Matching
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import session_events
from ecom_assets.warehouse.funnel_kernel import funnel_counts


def definition_of(path: Path | None, steps: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return a funnel's definition, from a file or from the command's options.

    Raises:
        UsageError: The file cannot be read, or holds no YAML or JSON.
    """
    if path is None:
        return {"steps": [step.strip() for step in (steps or "").split(",")], **given}
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML or JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict):
        raise UsageError(f"{path} holds no funnel definition; begin it with `steps:`.")
    return read


def answer_funnel(paths: list[str], mapping: str | None, definition: dict[str, Any]) -> dict[str, Any]:
    """Return INTERFACE's `funnel`."""
    funnel = Funnel.from_mapping(definition)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    translated = tuple(replace(step, event_type=files.mapping.translate(step.event_type)) for step in funnel.steps)
    funnel = replace(funnel, steps=translated)
    names = [step.event_type for step in funnel.steps]
    # Where no event can serve two steps, a surplus copy changes nothing.
    events = files.clean(more_types=names, repeats_matter=not Matching.of(funnel).is_disjoint)
    unit: str | list[str] = "visitor_id"
    if funnel.per == "session":
        events = session_events(events, SessionRule.preset("ga4"), by_day=False)
        unit = ["visitor_id", "piece_started_at"]
    counts = funnel_counts(files.con.con, str(files.con.compile(events)), funnel, unit)
    return {
        "definition": json.loads(json.dumps(funnel.to_mapping())),
        "steps": funnel_steps(names, counts),
        "breakdown": [],
    }
