"""The answer of `ecom experiment`, by Ibis, which is imported with this module only."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.cli.question_events import QuestionEvents
from ecom_assets.experiments.experiment import Experiment
from ecom_assets.experiments.queries import experiment_answer
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import DayRange


def answer_experiment(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return how the variants of an experiment compare, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    experiment = Experiment.from_mapping(definition)
    question = QuestionEvents.open(opened, days, segment, without="nobody saw a variant", columns=experiment.columns)
    translate = question.files.mapping.translate
    goal, exposure = (one.translated(translate) for one in (experiment.goal, experiment.exposure))
    own = replace(experiment, goal=goal, exposure=exposure, where=with_event_types(experiment.where, translate))
    return question.complete(experiment_answer(question.files.con, question.events, own, question.known, question.days))
