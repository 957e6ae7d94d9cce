"""The tools, derived from the API's OpenAPI document: a tool per question,
with the question's own parameters.

A new route is a new tool. What is not a question is left out: the index, health and metrics, and
whatever writes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from ecom_assets.core.errors import did_you_mean
from ecom_assets.core.http_server.callers import VERSION_PREFIX
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

    def request(self, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return the path, the query and the body that ask it.

        Raises:
            ValueError: An argument is missing or unknown.
        """
        properties = self.input_schema["properties"]
        if unknown := next((name for name in arguments if name not in properties), None):
            raise ValueError(
                f"{self.name} has no argument {unknown!r}; {did_you_mean(unknown, properties)}."
            )
        if missing := next(
            (name for name in self.input_schema["required"] if name not in arguments), None
        ):
            raise ValueError(f"{self.name} needs the argument {missing!r}; add it.")
        path = IN_PATH.sub(lambda name: quote(str(arguments[name[1]]), safe=""), self.path)
        query = {
            name: _text(arguments[argument])
            for argument, name in self.in_query.items()
            if arguments.get(argument) is not None
        }
        elsewhere = {*self.in_query, *IN_PATH.findall(self.path)}
        return (
            path,
            query,
            {name: value for name, value in arguments.items() if name not in elsewhere},
        )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def questions_of(document: Mapping[str, Any]) -> dict[str, ApiQuestion]:
    """Return the questions of an OpenAPI document by tool name.

    Raises:
        ValueError: Two questions have one name.
    """
    values: dict[str, ApiQuestion] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not _is_question(path, method, operation):
                continue
            question = _question(document, path, method, operation)
            if question.name in values:
                raise ValueError(
                    f"{path} and {values[question.name].path} would both be the tool "
                    f"{question.name!r}"
                )
            values[question.name] = question
    return values


def _is_question(path: str, method: str, operation: Mapping[str, Any]) -> bool:
    if "application/json" not in operation["responses"].get("200", {}).get("content", {}):
        return False
    if method == "post":
        return AD_HOC in operation.get("tags", ())
    is_about_numbers = (
        path not in NO_QUESTIONS and not path.startswith(HEALTH) and not KEPT.match(path)
    )
    return method == "get" and is_about_numbers


def _question(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> ApiQuestion:
    parameters = [field for field in operation.get("parameters", ()) if _is_for_tools(field)]
    body = (
        operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
    )
    body = document["components"]["schemas"].get(
        body.get("$ref", "").removeprefix(IN_DOCUMENT), body
    )
    of_body = {
        name: field
        for name, field in body.get("properties", {}).items()
        if name not in NOT_FOR_TOOLS
    }
    names = {
        field["name"]: OF_ANSWER * (field["name"] in of_body) + field["name"]
        for field in parameters
    }
    schema = {
        "type": "object",
        "properties": {
            **{names[field["name"]]: _described(field) for field in parameters},
            **of_body,
        },
        "required": [
            *(names[field["name"]] for field in parameters if field.get("required")),
            *body.get("required", ()),
        ],
    }
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return ApiQuestion(
        name=_name(operation["operationId"], path, method),
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        input_schema={**_self_contained(document, schema), "additionalProperties": False},
        answer_schema=_self_contained(document, answer),
        in_query={
            names[field["name"]]: field["name"] for field in parameters if field["in"] == "query"
        },
    )


def _is_for_tools(parameter: Mapping[str, Any]) -> bool:
    changes_nothing = parameter.get("description", "").startswith(CHANGES_NOTHING)
    return parameter["name"] not in NOT_FOR_TOOLS and not changes_nothing


def _name(operation_id: str, path: str, method: str) -> str:
    """Return the name of the route's function, which is the start of FastAPI's operation id."""
    return operation_id.removesuffix(re.sub(r"\W", "_", path) + f"_{method}")


def _described(parameter: Mapping[str, Any]) -> Schema:
    described = {"description": parameter["description"]} if parameter.get("description") else {}
    return {**parameter["schema"], **described}


def _self_contained(document: Mapping[str, Any], schema: Schema) -> Schema:
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
    result: Schema = {
        name: _short(inner)
        for name, inner in value.items()
        if not (name in NEEDLESS and not isinstance(inner, dict))
        and not (name == "default" and not inner)
    }
    if result.get("propertyNames") == {}:
        del result["propertyNames"]
    choices: list[Schema] = [
        choice for choice in result.pop("anyOf", ()) if choice != {"type": "null"}
    ]
    if len(choices) == 1:
        return {**choices[0], **result}
    if choices and all(
        choice.keys() <= {"type", "items"} for choice in choices
    ):  # in half of the characters
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
        for name, meaning in sorted(_numbers(question.answer_schema).items())
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


def _numbers(schema: Schema) -> dict[str, str]:
    models = [schema, *schema.get("$defs", {}).values()]
    return {
        name: field["description"]
        for model in models
        for name, field in model.get("properties", {}).items()
        if name.endswith(ENDINGS) and field.get("description")
    }
