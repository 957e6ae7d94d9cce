"""`ecom funnel`: a funnel over files. Not here: how it is answered (`answers/funnel.py`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ecom_assets.answers.funnel import answer_funnel
from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.written_files import check_format, write_rows
from ecom_assets.errors import UsageError
from ecom_assets.settings import load_settings
from ecom_assets.sources.event_mapping import EventMapping
from ecom_assets.transforms.funnel_definition import Exclusion, Funnel, FunnelStep
from ecom_assets.transforms.funnel_matching import Matching
from ecom_assets.transforms.session_rule import SessionRule


def definition_of(path: Path) -> dict[str, Any]:
    """Return a funnel's definition from a file.

    Raises:
        UsageError: The file cannot be read, or holds no YAML or JSON.
    """
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML or JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict):
        raise UsageError(f"{path} holds no funnel definition; begin it with `steps:`.")
    return read


def answer(
    paths: list[str], mapping: str | None, definition: dict[str, Any], who: Path | None, session_rule: SessionRule
) -> dict[str, Any]:
    """Return INTERFACE's `funnel`; write who is at each step where `who` is given."""
    funnel = Funnel.from_mapping(definition)
    check_format("--who", who)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    funnel = in_platform_words(funnel, files.mapping)
    files = files.with_few_columns() if who is None and _is_plain(funnel) else files
    events = files.clean()
    keep = None if who is None else lambda rows: write_rows(files.con, rows, who)
    found = answer_funnel(files.con, events, funnel, rule=session_rule, keep=keep, words=files.mapping.own_words())
    return found | {"rows": files.rows.as_json()}


def _is_plain(funnel: Funnel) -> bool:
    """Whether a few columns will do: no event can serve two steps and only visitors count, so no copy matters."""
    if funnel.order != "ordered" or funnel.per != "user" or not Matching.of(funnel).is_disjoint:
        return False
    conditions = [*funnel.steps, *(one.event for one in funnel.exclude)]
    return not (funnel.by or funnel.hold or any(step.where for step in conditions))


def in_platform_words(funnel: Funnel, mapping: EventMapping) -> Funnel:
    """The funnel with each event type as the mapping translates it."""

    def translated(step: FunnelStep) -> FunnelStep:
        return replace(step, event_type=mapping.translate(step.event_type))

    excluded: tuple[Exclusion, ...] = tuple(replace(one, event=translated(one.event)) for one in funnel.exclude)
    return replace(funnel, steps=tuple(translated(step) for step in funnel.steps), exclude=excluded)
