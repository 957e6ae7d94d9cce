"""A question as text: the values of a command's options, or of a form's fields, become a definition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ecom_assets.questions.fields import AS_TEXT, Choices, Input, choices_of, default_of, input_of
from ecom_assets.questions.model import SCOPE, Definition, Part, Question


@dataclass(frozen=True)
class Field:
    """A field of a question as the command and the form give it: as text.

    Attributes:
        name: Its name in the form, and its option.
        path: Its names in the definition, from the outside in.
        info: What the model says of it.
        input: How people give it.
    """

    name: str
    path: tuple[str, ...]
    info: FieldInfo
    input: Input

    @property
    def option(self) -> str:
        """The option of the command; empty for none."""
        return f"--{self.name.replace('_', '-')}" if self.input.option is None else self.input.option

    @property
    def address(self) -> str:
        """Its name in the address of the form."""
        return self.input.address or self.name

    @property
    def rows(self) -> int:
        """How many lines the form has for it; 0 for a field that does not grow line by line."""
        most = (getattr(one, "max_length", None) for one in self.info.metadata)
        return next((one for one in most if one), 0) if self.input.row else 0

    @property
    def choices(self) -> Choices | None:
        """Its choices; None if it is free."""
        return choices_of(self.info)

    @property
    def default(self) -> object:
        """Its default."""
        return default_of(self.info)

    @property
    def help(self) -> str:
        """What it says."""
        return self.info.description or ""

    @property
    def kind(self) -> type:
        """The type of its value: `bool`, `int`, `float`, `list` or `str`."""
        if self.input.line is not str or self.input.parts is not None:
            return list
        return str if AS_TEXT in self.info.metadata else _kind_of(self.info)

    def read(self, given: Any) -> Any:  # noqa: ANN401 (text, or what an option's type made of it)
        """Return the value of the definition from what is given; texts of several values are parted."""
        if self.kind is not list:
            return given
        texts = given if not isinstance(given, str) else self.input.parts(given) if self.input.parts else [given]
        return [self.input.line(text) for text in texts]


def _kind_of(info: FieldInfo) -> type:
    """Return the type of a field that may be null; `str` for one of several types."""
    is_union = get_origin(info.annotation) in {Union, UnionType}
    types = {*get_args(info.annotation)} - {NoneType} if is_union else {info.annotation}
    kind: Any = types.pop() if len(types) == 1 else str
    if get_origin(kind) in {list, tuple}:
        return list
    return next((plain for plain in (int, float, bool) if kind is plain), str)


def fields_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[Field]:
    """Return the fields of a question that people give; those of a part of it among them.

    A definition inside it keeps the names of its fields. Of another part, such as `goal`, the first one is called as
    the part, and the others have its name in front, such as `goal_where`.
    """
    result = []
    for name, info in model.model_fields.items():
        shown, alias = input_of(info), info.alias or name
        if shown is None or (issubclass(model, Definition) and alias in model.WITHOUT):
            continue
        inner = info.annotation
        if shown.only and isinstance(inner, type) and issubclass(inner, Part):
            inside = [one for one in fields_of(inner, (*path, alias)) if one.name in shown.only]
            if not issubclass(inner, Definition):
                names = [alias, *(f"{alias}_{one.name}" for one in inside[1:])]
                inside = [replace(one, name=own) for one, own in zip(inside, names, strict=True)]
            result += inside
        else:
            result.append(Field(alias, (*path, alias), info, shown))
    extras = model.EXTRAS if issubclass(model, Definition) and not path else {}
    return result + [Field(name, (name,), info, shown) for name, info in extras.items() if (shown := input_of(info))]


def in_order(question: type[Question]) -> list[Field]:
    """Return the fields as people are asked for them: those of a definition file first, the days and visitors last."""
    return sorted(fields_of(question), key=lambda one: (one.path[0] in SCOPE, one.path[0] in question.BESIDE))


def definition_of(question: type[Question], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition that texts give, by the name of a field; a field that is not among them has its default."""
    definition: dict[str, Any] = {}
    for field in fields_of(question):
        if field.name in given:
            place(definition, field.path, field.read(given[field.name]))
    return definition


def place(definition: dict[str, Any], path: Sequence[str], value: Any) -> None:  # noqa: ANN401 (any value of a definition)
    """Put a value into a definition, under its names from the outside in."""
    for outer in path[:-1]:
        definition = definition.setdefault(outer, {})
    definition[path[-1]] = value
