"""The tools, derived from the API's OpenAPI document: a tool per question,
with the question's own parameters.

A new route is a new tool. What is not a question is left out: the index, health and metrics, and
whatever writes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from ecom_assets.commerce.custom_sales.measures import MEASURES
from ecom_assets.core.errors import did_you_mean
from ecom_assets.core.http_server.callers import VERSION_PREFIX
from ecom_assets.core.rows import NamedValues
from ecom_assets.interfaces.api.parameters import CHANGES_NOTHING

AD_HOC: Final = "ad hoc"
"""The tag of the questions that a body defines; no other POST is a question."""
NO_QUESTIONS: Final = frozenset({f"{VERSION_PREFIX}/", f"{VERSION_PREFIX}/metrics"})
KEPT: Final = re.compile(rf"{VERSION_PREFIX}/saved\b")
"""What people keep, which pages and files are for: the list of tools has no room for it."""
HEALTH: Final = f"{VERSION_PREFIX}/health"
NOT_FOR_TOOLS: Final = frozenset({"format", "fields", "compare", "compare_identity", "last"})
"""What the HTTP API takes and a tool does not: tools answer JSON, say what numbers mean, can be
asked twice, and take days by `time_range` or two dates.
"""
OF_ANSWER: Final = "answer_"
"""Leads the name of a parameter of the query where the body has one of that name:
`limit` is `answer_limit` then.
"""
SAID_ONCE: Final = frozenset(
    {
        "Add the SQL, runs and versions",
        "Days whose events are looked at, up to the newest one; default all",
        "Days to the newest: 1, 7, 30 (month, default), 90, 365, or start_date to end_date",
        "First day",
        "First day, YYYY-MM-DD; default the first of the data",
        "First day whose events are looked at; default all",
        "Identity rule: who a visitor is; default ECOM_IDENTITY",
        "Last day, included",
        "Last day, YYYY-MM-DD, included; default the newest of the data",
        "Most rows to return",
        "Most rows to return; default all",
        "Rows to leave out at the start",
        "Time zone that days begin in, such as Europe/Berlin; default ECOM_TIMEZONE",
    }
)
"""What parameters mean in most of forty tools: the instructions of the server say it once."""
WHO: Final = "who"
"""The end of the path of whom a question counts, and the argument of its tool that asks for them:
a tool of its own would say the whole question again.
"""
IN_PATH: Final = re.compile(r"{(\w+)}")
IN_DOCUMENT, IN_TOOL = "#/components/schemas/", "#/$defs/"
Schema = dict[str, Any]


@dataclass(frozen=True)
class ApiQuestion:
    """A question of the API, as a tool asks it."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    input_schema: Schema
    answer_schema: Schema = field(repr=False)
    in_query: Mapping[str, str] = field(default_factory=dict)
    """The name of each parameter of the query by the argument's name."""
    who: "ApiQuestion | None" = None
    """The question of whom it counts, which its argument `who` asks instead."""

    def request(self, arguments: NamedValues) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return the path, the query and the body that ask it.

        Raises:
            ValueError: An argument is missing or unknown.
        """
        self._check_names(arguments)
        if self.who is not None and (asked := arguments.get(WHO)) is not None:
            others = {name: value for name, value in arguments.items() if name != WHO}
            _, query, body = self.request(others)
            return self.who.path, {**query, **_texts_of_who(self, asked)}, body
        in_path = IN_PATH.findall(self.path)
        path = self.path
        for name in in_path:
            path = path.replace(f"{{{name}}}", quote(str(arguments[name]), safe=""))
        query = {
            name: _text(arguments[argument])
            for argument, name in self.in_query.items()
            if arguments.get(argument) is not None
        }
        elsewhere = {*self.in_query, *in_path, *([WHO] if self.who else [])}
        body = {name: value for name, value in arguments.items() if name not in elsewhere}
        return path, query, body

    def _check_names(self, arguments: NamedValues) -> None:
        properties = self.input_schema["properties"]
        for name in arguments:
            if name not in properties:
                raise ValueError(
                    f"{self.name} has no argument {name!r}; {did_you_mean(name, properties)}."
                )
        for name in self.input_schema.get("required", ()):
            if name not in arguments:
                raise ValueError(f"{self.name} needs the argument {name!r}; add it.")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts_of_who(question: ApiQuestion, asked: Any) -> dict[str, str]:  # noqa: ANN401 (any JSON)
    """Return the query that an argument `who` is.

    Raises:
        ValueError: It is no object, or one with a name that is missing or unknown.
    """
    schema: Schema = question.input_schema["properties"][WHO]
    names = schema["properties"]
    if not isinstance(asked, Mapping):
        sentence = f"{WHO!r} of {question.name} is an object; it has {', '.join(names)}."
        raise ValueError(sentence)  # noqa: TRY004 (as all refusals of arguments)
    for name in asked:
        if name not in names:
            raise ValueError(
                f"{WHO!r} of {question.name} has no {name!r}; {did_you_mean(name, names)}."
            )
    for name in schema.get("required", ()):
        if name not in asked:
            raise ValueError(f"{WHO!r} of {question.name} needs {name!r}; add it.")
    return {name: _text(value) for name, value in asked.items() if value is not None}


def questions_of(document: NamedValues) -> dict[str, ApiQuestion]:
    """Return the questions of an OpenAPI document by tool name.

    Raises:
        ValueError: Two questions have one name.
    """
    questions: dict[str, ApiQuestion] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not _is_question(path, method, operation):
                continue
            question = _question(document, path, method, operation)
            if question.name in questions:
                raise ValueError(
                    f"{path} and {questions[question.name].path} would both be the tool "
                    f"{question.name!r}"
                )
            questions[question.name] = question
    # Questions in which that of whom one counts is an argument of it.
    by_path = {(question.method, question.path): question for question in questions.values()}
    lists = {(method, f"{path}/{WHO}") for method, path in by_path}
    return {
        name: _asking_who(question, by_path.get((question.method, f"{question.path}/{WHO}")))
        for name, question in questions.items()
        if (question.method, question.path) not in lists
    }


def _asking_who(question: ApiQuestion, who: ApiQuestion | None) -> ApiQuestion:
    """Return a question with the parameters of whom it counts, if it has these, in `who`."""
    if who is None:
        return question
    own = question.in_query.values()
    parameters = {name: argument for argument, name in who.in_query.items() if name not in own}
    properties = who.input_schema["properties"]
    required = set(who.input_schema.get("required", ()))
    nested: Schema = {
        "type": "object",
        "description": f"{who.summary}, in place of numbers; needs the scope personal",
        "properties": {name: properties[argument] for name, argument in parameters.items()},
    }
    if needed := [name for name, argument in parameters.items() if argument in required]:
        nested["required"] = needed
    schema = question.input_schema
    schema = {**schema, "properties": {**schema["properties"], WHO: nested}}
    return replace(question, input_schema=schema, who=who)


def _is_question(path: str, method: str, operation: NamedValues) -> bool:
    if "application/json" not in operation["responses"].get("200", {}).get("content", {}):
        return False
    if method == "post":
        return AD_HOC in operation.get("tags", ())
    is_about_numbers = (
        path not in NO_QUESTIONS and not path.startswith(HEALTH) and not KEPT.match(path)
    )
    return method == "get" and is_about_numbers


def _question(document: NamedValues, path: str, method: str, operation: NamedValues) -> ApiQuestion:
    body = _body_schema(document, operation)
    body_fields = {
        name: schema
        for name, schema in body.get("properties", {}).items()
        if name not in NOT_FOR_TOOLS
    }
    properties: Schema = {}
    required: list[str] = []
    in_query: dict[str, str] = {}
    for parameter in filter(_is_for_tools, operation.get("parameters", ())):
        name = parameter["name"]
        argument = f"{OF_ANSWER}{name}" if name in body_fields else name
        properties[argument] = _described(parameter)
        if parameter.get("required"):
            required.append(argument)
        if parameter["in"] == "query":
            in_query[argument] = name
    schema: Schema = {"type": "object", "properties": {**properties, **body_fields}}
    required += body.get("required", ())
    if required:
        schema["required"] = required
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return ApiQuestion(
        name=_name(operation["operationId"], path, method),
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        input_schema=_self_contained(document, schema),
        answer_schema=_self_contained(document, answer),
        in_query=in_query,
    )


def _body_schema(document: NamedValues, operation: NamedValues) -> Schema:
    """Return the schema of the body of an operation; empty without a body."""
    content = operation.get("requestBody", {}).get("content", {})
    schema: Schema = content.get("application/json", {}).get("schema", {})
    reference = schema.get("$ref", "").removeprefix(IN_DOCUMENT)
    definition: Schema = document["components"]["schemas"].get(reference, schema)
    return definition


def _is_for_tools(parameter: NamedValues) -> bool:
    changes_nothing = parameter.get("description", "").startswith(CHANGES_NOTHING)
    return parameter["name"] not in NOT_FOR_TOOLS and not changes_nothing


def _name(operation_id: str, path: str, method: str) -> str:
    """Return the name of the route's function, which is the start of FastAPI's operation id."""
    return operation_id.removesuffix(re.sub(r"\W", "_", path) + f"_{method}")


def _described(parameter: NamedValues) -> Schema:
    described = {"description": parameter["description"]} if parameter.get("description") else {}
    return {**parameter["schema"], **described}


def _self_contained(document: NamedValues, schema: Schema) -> Schema:
    """Return a schema with the definitions that it refers to."""
    wanted = _references(schema)
    definitions: dict[str, Schema] = {}
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = document["components"]["schemas"][name]
            wanted += _references(definitions[name])
    whole = {**schema, **({"$defs": definitions} if definitions else {})}
    result: Schema = _short(json.loads(json.dumps(whole).replace(IN_DOCUMENT, IN_TOOL)))
    return result


def _references(schema: Schema) -> list[str]:
    return re.findall(rf'"\$ref": "{IN_DOCUMENT}([^"]+)"', json.dumps(schema))


NEEDLESS: Final = {
    "title",
    "pattern",
    "additionalProperties",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "maxProperties",
}
"""What repeats a name, or what the API refuses in a sentence."""


def _short(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Return a schema without the parts that an assistant does not need.

    An empty default is the same as leaving a parameter out, and so is null.
    """
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    result: Schema = {}
    for name, inner in value.items():
        # A field may be called as a key of schemas, such as `title`; then it has a schema.
        is_needless = name in NEEDLESS and not isinstance(inner, dict)
        is_empty_default = name == "default" and not inner
        is_said_once = name == "description" and isinstance(inner, str) and inner in SAID_ONCE
        if not (is_needless or is_empty_default or is_said_once):
            result[name] = _short(inner)
    if result.get("propertyNames") == {}:
        del result["propertyNames"]
    choices: list[Schema] = [
        choice for choice in result.pop("anyOf", ()) if choice != {"type": "null"}
    ]
    if len(choices) == 1:
        return {**choices[0], **result}
    if choices and all(choice.keys() <= {"type", "items"} for choice in choices):
        # A list of types says the same in half of the characters.
        items = next((choice for choice in choices if "items" in choice), {})
        return {**items, **result, "type": [choice["type"] for choice in choices]}
    return {**result, "anyOf": choices} if choices else result


def metrics_of(questions: Mapping[str, ApiQuestion], named: str = "") -> list[dict[str, str]]:
    """Return the metrics that can be asked for, each with its definition and its tool.

    With `named`, only those in whose name, meaning or tool this text occurs.
    """
    result = [
        {"metric": name, "meaning": meaning, "tool": question.name}
        for question in questions.values()
        for numbers in (
            _numbers(question.answer_schema) | _measures(question),
            _numbers(question.who.answer_schema) if question.who else {},
        )
        for name, meaning in sorted(numbers.items())
    ]
    return [metric for metric in result if named.lower() in " ".join(metric.values()).lower()]


ENDINGS: Final = (
    "_count",
    "_amount",
    "_rate",
    "_s",
    "_value",
    "_share",
    "_change",
    "_visitors",
    "_score",
    "_index",
)
"""Of the names of numbers, see CONTRIBUTING."""


def _measures(question: ApiQuestion) -> dict[str, str]:
    """Return the meaning of each measure that a question can be asked for, by its name."""
    asked: Schema = question.input_schema["properties"].get("measures", {})
    names = asked.get("items", {}).get("enum", ())
    return {name: MEASURES[name].description for name in names if name in MEASURES}


def _numbers(schema: Schema) -> dict[str, str]:
    """Return the meaning of each number of an answer, by its name."""
    meanings: dict[str, str] = {}
    for model in [schema, *schema.get("$defs", {}).values()]:
        for name, number in model.get("properties", {}).items():
            if name.endswith(ENDINGS) and number.get("description"):
                meanings[name] = number["description"]
    return meanings
