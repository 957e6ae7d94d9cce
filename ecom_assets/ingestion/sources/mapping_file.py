"""Definitions and mappings as text: from YAML or JSON to a model, with errors in one sentence.

- `definition_from`, `definition_in`: the content of a text or file that somebody wrote, such as a
  funnel. Texts that would take memory without end, and keys that are there twice, are refused.
- `load_mapping_file`: a mapping as its model, by the name of a shipped one or the path of a file;
  `extends` puts a mapping over a shipped one.
- `shipped_…`: files beside this module, in the package.

What a mapping may say is in the models (`files/mapping.py` and the feeds), and not here.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ecom_assets.core.errors import DefinitionError, MappingError, first_line, nearest

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For shipped files, of which commands read dozens: libyaml takes a tenth of the time,
but writes errors differently.
"""


class TooDeepError(yaml.YAMLError):
    """The text has lists in lists, or objects in objects, hundreds of levels deep."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("its lists or objects are nested hundreds of levels deep")


class DoubleKeyError(yaml.YAMLError):
    """An object has a key twice, of which the parsers would silently take the last."""

    def __init__(self, key: str, where: str = "") -> None:
        """Name the key."""
        super().__init__(f"the key {key!r} is given twice{where}; leave one of them out.")


class TooLongError(yaml.YAMLError):
    """Aliases repeat so much that the content is many times as long as its text."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            f"its aliases (*name) make it more than {MOST_EXPANDED:,} characters long; write it "
            "out where it differs"
        )


MOST_EXPANDED: Final = 2_000_000
"""Characters of a definition with what its aliases repeat; without aliases, a text may be longer.
"""


class _DefinitionLoader(yaml.SafeLoader):
    """The loader of people's files."""

    def get_single_node(self) -> yaml.Node | None:
        """Read the document; one whose aliases repeat too much is refused
        before anything is made of it.
        """
        self._repeats = False
        node: yaml.Node | None = super().get_single_node()
        if self._repeats and node is not None and _expanded_size(node, {}) > MOST_EXPANDED:
            raise TooLongError
        return node

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:  # noqa: ANN401 (as the class above it)
        """Read a value, and note whether it is an alias."""
        self._repeats |= self.check_event(yaml.AliasEvent)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 (as the class above it)
        """Read an object; a key that it has twice is refused."""
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in keys:
                raise DoubleKeyError(key.value, _position_of(key.start_mark))
            keys.add((key.tag, key.value))
        return node


def _expanded_size(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Return how many characters and values a node has with what it repeats;
    infinite if it contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1 + len(node.value)
    if id(node) not in sizes:
        sizes[id(node)] = math.inf  # until it is computed; a node inside of it may meet it
        inner = (
            node.value
            if isinstance(node, yaml.SequenceNode)
            else [part for pair in node.value for part in pair]
        )
        sizes[id(node)] = 1 + sum(_expanded_size(part, sizes) for part in inner)
    return sizes[id(node)]


def _position_of(mark: Any) -> str:  # noqa: ANN401 (a mark of PyYAML, which has no public type)
    return f" at line {mark.line + 1}, column {mark.column + 1}"


def _object_with_each_key_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON; a key that it has twice is refused."""
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise DoubleKeyError(key)
        result[key] = value
    return result


def definition_from(text: str) -> object:
    """Parse a definition, YAML or JSON.

    JSON is read as JSON: to YAML, which is nearly a superset, the two halves of an escaped emoji
    are two characters that no text may hold.

    Raises:
        YAMLError: It is neither YAML nor JSON, nested too deeply, repeats too much by aliases, or
            has a key twice.
    """
    try:
        try:
            return json.loads(text, object_pairs_hook=_object_with_each_key_once)
        except ValueError:
            return yaml.load(text, Loader=_DefinitionLoader)  # noqa: S506 (a safe one)
    except RecursionError:
        raise TooDeepError from None


def definition_in(path: Path) -> object:
    """Return the content of a definition file.

    Raises:
        DefinitionError: It cannot be read.
    """
    try:
        return definition_from(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(
            f"{path} cannot be read ({_reason_of(error)}); check the path."
        ) from error
    except DoubleKeyError as error:
        raise DefinitionError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise DefinitionError(
            f"{path} cannot be read as YAML or JSON: {message_of(error)}."
        ) from error


def message_of(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text, and where if it is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem}{_position_of(error.problem_mark)}; correct it there"
    return first_line(error)


def shipped_file(name: str) -> str:
    """Return the text of a file that is shipped beside this module."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def shipped_rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file that is shipped beside this module."""
    with (resources.files(__package__) / name).open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


@cache
def usual_event_types() -> dict[str, str]:
    """Return the platform's event types by the names that senders usually give them,
    in all their spellings.
    """
    listed: dict[str, list[str]] = yaml.safe_load(shipped_file("usual_event_types.yaml"))
    return {
        form: ours
        for ours, names in listed.items()
        for name in names
        for form in _spellings(name)
        if form != ours
    }


def _spellings(name: str) -> tuple[str, ...]:
    """Return a name as written, in snake_case, in small letters, in camelCase and in PascalCase."""
    parts = name.lower().split()
    pascal = "".join(map(str.capitalize, parts))
    return name, "_".join(parts), " ".join(parts), f"{parts[0]}{pascal[len(parts[0]) :]}", pascal


Model = TypeVar("Model", bound=BaseModel)


def shipped_in(folder: str) -> list[str]:
    """Return the names of the shipped mappings in a folder."""
    files = [path.name for path in _shipped_folder(folder).iterdir()]
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def is_path(name_or_path: str) -> bool:
    """Return whether a setting names a mapping by the path of its file,
    not as one that is shipped.
    """
    return Path(name_or_path).suffix in {".yaml", ".yml"} or "/" in name_or_path


def load_mapping_file(model: type[Model], name_or_path: str | Path, folder: str) -> Model:
    """Return a shipped mapping by name, or a custom one by the path of its YAML file.

    Args:
        model: The class of the mapping.
        name_or_path: A name, or a path that ends in `.yaml` or `.yml` or contains a slash.
        folder: The folder of the shipped mappings of this kind, beside this module.

    Raises:
        MappingError: There is no such mapping, or it is invalid.
    """
    name = str(name_or_path)
    if is_path(name):
        try:
            body = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(
                f"the mapping {name} cannot be read ({_reason_of(error)}); check the path"
            ) from error
        return _mapping_from(model, body, name, folder)
    shipped = shipped_in(folder)
    if name not in shipped:
        hint = bracketed_guess(name, shipped)
        raise MappingError(
            f"there is no mapping {name!r}{hint}; shipped are {', '.join(shipped)}, or give the "
            "path of a .yaml file"
        )
    mapping: Model = _shipped_mapping(model, name, folder)
    return mapping


@cache
def _shipped_mapping(model: type[BaseModel], name: str, folder: str) -> Any:  # noqa: ANN401 (one of `model`)
    return _validate(model, shipped_content(folder, name), f"{name}.yaml", folder)


@cache
def shipped_content(folder: str, name: str) -> Mapping[str, Any]:
    """Return what a shipped mapping says."""
    content: dict[str, Any] = yaml.load(shipped_text(folder, name), Loader=Loader)  # noqa: S506 (a safe one)
    return content


def shipped_text(folder: str, name: str) -> str:
    """Return the text of a shipped mapping."""
    return (_shipped_folder(folder) / f"{name}.yaml").read_text(encoding="utf-8")


def bracketed_guess(name: str, names: Sequence[str]) -> str:
    """Return the closest known name in parentheses, for use in a sentence;
    an empty string if none is close.
    """
    close = nearest(name, names)
    return f" (did you mean {close!r}?)" if close else ""


def _shipped_folder(folder: str) -> "resources.abc.Traversable":
    return resources.files("ecom_assets.ingestion.sources") / folder


EXTENDS = "extends"
"""The key with the name of a shipped mapping that a mapping changes."""
ORIGINS = frozenset(
    {"column", "first_of", "join", "constant", "expression", "by_row", "hash_of", "file_name"}
)
"""Keys of a field that say where it comes from;
one of them replaces the field of an extended mapping as a whole.
"""


def _with_extended_content(content: Mapping[str, Any], where: str, folder: str) -> dict[str, Any]:
    """Return the content of a mapping over that of the shipped mapping that it extends,
    if it extends one.
    """
    content = {**content}
    name = content.pop(EXTENDS, None)
    if name is None:
        return content
    shipped = shipped_in(folder)
    if name not in shipped:
        hint = bracketed_guess(str(name), shipped)
        raise MappingError(
            f"{where}: `{EXTENDS}` names {name!r}, which is not shipped{hint}; see docs/mappings.md"
        )
    base = _with_extended_content(shipped_content(folder, name), where, folder)
    for key, value in content.items():
        is_merged = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = _merge_fields(base[key], value) if is_merged else value
    return base


def _merge_fields(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = {**base}
    for name, value in own.items():
        before = {"column": base[name]} if isinstance(base.get(name), str) else base.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and not ORIGINS & value.keys():
            result[name] = {**before, **value}
        else:
            result[name] = value
    return result


def _mapping_from(model: type[Model], body: str, where: str, folder: str) -> Model:
    try:
        content = definition_from(body)
    except DoubleKeyError as error:
        raise MappingError(f"{where}: {error}") from error
    except (TooDeepError, TooLongError) as error:
        raise MappingError(f"{where} is not a mapping: {error}; see docs/mappings.md") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise MappingError(
            f"{where} is not valid YAML{line}; fix the indentation or the quotes there"
        ) from error
    if not isinstance(content, dict):
        raise MappingError(
            f"{where} is not a mapping: it must hold `name:` and `fields:`, see docs/mappings.md"
        )
    return _validate(model, content, where, folder)


def _validate(model: type[Model], content: Mapping[str, Any], where: str, folder: str) -> Model:
    name = content.get("name", Path(where).name.split(".")[0])
    content = {**_with_extended_content(content, where, folder), "name": name}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MappingError(
            f"{where}: {_sentence_of(error, model)}; see docs/mappings.md"
        ) from error


def _sentence_of(error: ValidationError, model: type[BaseModel]) -> str:
    # An unknown key is usually a misspelling of the key that is then missing, so it is reported
    # first.
    first: Any = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "the mapping"
    if first["type"] == "extra_forbidden":
        inside = f" under `{'.'.join(path[:-1])}`" if path[:-1] else ""
        keys = [*_keys_at(model, path[:-1]), *([] if path[:-1] else [EXTENDS])]
        return f"unknown key {path[-1]!r}{inside}{bracketed_guess(path[-1], keys)}"
    if first["type"] == "missing":
        return f"`{key}` is missing"
    return f"`{key}`: {first['msg'].removeprefix('Value error, ')}"


def _keys_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that a mapping may have at a path, to suggest one if a key is misspelled."""
    models = [model]
    for part in path:
        fields = [field for name, field in _fields_of(models) if part in {name, field.alias}]
        of_kind = [each for each in models if part == _only_value_of(each.model_fields.get("kind"))]
        # A part that is neither is a name in a mapping of names, or a position in a list.
        models = (
            [inner for field in fields for inner in _models_in(field.annotation)]
            or of_kind
            or models
        )
    return [field.alias or name for name, field in _fields_of(models)]


def _fields_of(models: Sequence[type[BaseModel]]) -> list[tuple[str, FieldInfo]]:
    return [field for model in models for field in model.model_fields.items()]


def _only_value_of(field: FieldInfo | None) -> object:
    """Return the value of a field that can have a single one; None if there is no such field."""
    return next(iter(get_args(field.annotation)), None) if field else None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _reason_of(error: OSError | UnicodeDecodeError) -> str:
    return (
        (error.strerror or "unreadable") if isinstance(error, OSError) else "it is not UTF-8 text"
    )
