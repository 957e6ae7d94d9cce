"""The answer of `ecom retention` over checked Parquet files, by statements that are kept."""

from typing import Any

from ecom_assets.cli.kept_events import KeptEvents
from ecom_assets.cli.question import ends_within
from ecom_assets.cli.retention import Scope
from ecom_assets.retention.answers import Question, answer_activity, missing_warnings
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.tables.days import of_days


def kept_retention(opened: OpenedFiles, scope: Scope, rule: RetentionRule) -> dict[str, Any] | None:
    """Return the retention of the visitors in files of events; None where Ibis has to answer."""
    if scope.who is not None or scope.segment is not None:
        return None
    rule = rule.translated(opened.mapping.translate)
    kept = KeptEvents.open(opened, [rule, scope.range_of], rule.columns)
    if kept is None or kept.ends is None:
        return None
    first, last = kept.ends
    between, warnings = ends_within((first.date(), last.date()), scope.days)
    rows = kept.events
    if scope.range_of == "events":
        rows, between = kept.runner.table(of_days, rows, "event_date", between), (None, None)
    days = (last - first).days + 2
    question = Question(kept.runner, rows, rule, opened.settings.timezone, days, between=between)
    answer = answer_activity(question, scope.whole_until)
    missing = missing_warnings(kept.runner, kept.events, rule, answer, opened.mapping.own_words())
    return answer | {"warnings": [*warnings, *missing], "rows": kept.rows()}
