"""SQL that the funnel kernel asks DuckDB for: which step an event is, by its type and its conditions.

Not here: who runs it (`funnel_kernel.py`). Nothing heavy is imported, because the `ecom` command starts by it.
"""

from collections.abc import Sequence
from typing import Final

from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_matching import Matching
from ecom_assets.transforms.funnel_step import FunnelStep, Scalar, json_path, kind_of

_JSON_TYPES: Final = {
    "text": ("VARCHAR", "'VARCHAR'"),
    "number": ("DOUBLE", "'UBIGINT', 'BIGINT', 'DOUBLE'"),
    "boolean": ("BOOLEAN", "'BOOLEAN'"),
}


def step_sql(funnel: Funnel, matching: Matching) -> tuple[str, list[frozenset[int]]]:
    """SQL for the step of an event, one row per step where it is for several; and what each code means."""
    steps = len(funnel.steps)
    numbers = range(1, steps + 1) if funnel.order != "strict_increase" else range(steps, 0, -1)
    codes = [frozenset({condition}) for condition in matching.condition_of]
    if matching.is_disjoint:
        return _by_type([(step, f"{number}") for step, number in zip(funnel.steps, numbers, strict=True)]), codes
    cases = [_by_type([(step, f"{number}")]) for step, number in zip(funnel.steps, numbers, strict=True)]
    return f"unnest([{', '.join(cases)}])", codes


def signature_sql(matching: Matching) -> tuple[str, list[frozenset[int]]]:
    """SQL for a number that says which conditions an event matches; and these sets, number 1 first."""
    codes: list[frozenset[int]] = []
    cases = []
    for group in matching.groups:
        conditions = [matching.conditions[n] for n in group]
        bits = [f"CASE WHEN {_where_sql(step)} THEN {1 << bit} ELSE 0 END" for bit, step in enumerate(conditions)]
        cases += [(step, f"{len(codes)} + {' + '.join(bits)}") for step in conditions]
        masks = range(1, 1 << len(group))
        codes += [frozenset(n for bit, n in enumerate(group) if mask >> bit & 1) for mask in masks]
    return _by_type(cases), codes


def _by_type(cases: Sequence[tuple[FunnelStep, str]]) -> str:
    """SQL for the value of the first step that an event matches; a look-up by type is faster than tests."""
    per_type: dict[str, list[str]] = {}
    for step, value in cases:
        per_type.setdefault(step.event_type, []).append(f"WHEN {_where_sql(step)} THEN {value}")
    chosen = (f"WHEN {literal(kind)} THEN CASE {' '.join(tests)} END" for kind, tests in per_type.items())
    return f"CASE event_type {' '.join(chosen)} END"


def _where_sql(step: FunnelStep) -> str:
    tests = []
    for column, value in step.where.items():
        keys = json_path(column)
        tests.append(f"{_json_sql(column, keys, value) if keys else quoted(column)} = {literal(value)}")
    return " AND ".join(tests) or "TRUE"


def _json_sql(column: str, keys: Sequence[str], value: Scalar) -> str:
    """The value in its own type, or NULL where the document holds another one, as Ibis reads it."""
    found = f"CAST({quoted(column.partition('.')[0])} AS JSON)" + "".join(f" -> '$.{key}'" for key in keys)
    target, types = _JSON_TYPES[kind_of(value)]
    read = f"({found}) ->> '$'" if target == "VARCHAR" else f"CAST({found} AS {target})"
    return f"CASE WHEN json_type({found}) IN ({types}) THEN {read} END"


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Scalar) -> str:
    """A value as SQL has it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"CAST({value!r} AS DOUBLE)" if isinstance(value, float) else str(value)
