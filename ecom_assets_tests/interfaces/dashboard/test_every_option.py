"""Every field of every question is an option of its command, a field of its form and a key
of its route, or says why.

All are made from the model of the question; what stands in one place otherwise, or not at all, is
listed here.
"""

from typing import Any

from ecom_assets.behaviour.questions.answer import Kind
from ecom_assets.behaviour.questions.model import QuestionField, fields_of
from ecom_assets.cli.app import load_command
from ecom_assets.cli.commands import COMMANDS
from ecom_assets.interfaces.all_questions import all_questions
from ecom_assets.interfaces.dashboard.form_inputs import inputs_of
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.each import each

ALL = all_questions()
KINDS = [contract for contract in ALL if contract.has_route]
PAGES = {"journeys": "paths", "attribution": "credit", "sales": "sales-explorer"}
"""Pages that are not called as the command."""
ONLY_IN_REQUESTS = {"time_range": "the options and the form have the days themselves"}
"""Fields that only bodies have."""
OTHERWISE_IN_THE_FORM = {"funnel": {"step_where": "where_step1"}}
"""What the form has another field for."""


def name_of(kind: Kind[Any, Any]) -> str:
    return kind.name


def options(kind: Kind[Any, Any]) -> set[str]:
    """Return the options that the command takes."""
    command = load_command(COMMANDS[kind.name], kind.name)
    return {option for param in command.params for option in param.opts}


def form(kind: Kind[Any, Any]) -> dict[str, Any]:
    """Return the fields of the form's address."""
    page = next(page for page in all_pages() if page.path == PAGES.get(kind.name, kind.name))
    return dict(page.asks.model_fields)


def keys_of_body(schema: dict[str, Any]) -> set[str]:
    """Return the keys of a body, and those of the objects inside it."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


def option_of(field: QuestionField) -> str:
    """Return the option of a field."""
    return {"start_date": "--from", "end_date": "--to"}.get(field.name, field.option)


@each("kind", ALL)
def test_every_field_is_an_option_of_the_command(kind: Kind[Any, Any]) -> None:
    wanted = {option_of(field) for field in fields_of(kind.question)} - {""}
    assert wanted <= options(kind), "what people give, and the command does not take"


@each("kind", [kind for kind in KINDS if kind.has_route])
def test_every_field_is_a_field_of_the_form(kind: Kind[Any, Any]) -> None:
    fields, otherwise = form(kind), OTHERWISE_IN_THE_FORM.get(kind.name, {})
    wanted = {
        otherwise.get(field.name, input_.name)
        for field in fields_of(kind.question)
        for input_ in inputs_of(field)[:2]
    }
    assert wanted <= fields.keys(), "what people give, and the form does not have"


@each("kind", KINDS)
def test_every_key_of_the_body_can_be_given_as_text_too(kind: Kind[Any, Any]) -> None:
    """Keys of parts are written in the line of their part, such as `a:2:3` for an
    exclusion between two steps.
    """
    asked = {field.path[0] for field in fields_of(kind.question)}
    days = {"start_date", "end_date"} if "from" in kind.question.names() else set()
    assert {*kind.question.names()} - ONLY_IN_REQUESTS.keys() - days <= asked


@each("kind", KINDS)
def test_every_choice_is_in_the_body_the_help_and_the_form(kind: Kind[Any, Any]) -> None:
    schema = kind.question.model_json_schema()
    texts = str(schema)
    help_of = {
        option: param.help
        for param in load_command(COMMANDS[kind.name], kind.name).params
        for option in param.opts
    }
    for field in fields_of(kind.question):
        names = field.choices.labels if field.choices else {}
        assert all(f"'{name}'" in texts for name in names), field.name
        if field.option:
            assert all(name in help_of[field.option] for name in names), field.name
        if names:
            (shown,) = inputs_of(field)
            offered = {value for value, _ in shown.options}
            assert {*names} - {field.default} <= offered, field.name
    assert keys_of_body(schema) >= {*kind.question.names()}
