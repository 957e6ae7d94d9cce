"""Visitor segments that a file declares: a name to each definition."""

from pathlib import Path
from typing import Any

from ecom_assets.behaviour.visitor_segments.segment import PARTS, VisitorSegment
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.ingestion.sources.mapping_file import definition_in

MOST_SEGMENTS = 200
FILE_ENDINGS = (".yaml", ".yml", ".json")


def read_visitor_segments(path: Path) -> dict[str, VisitorSegment]:
    """Return the visitor segments that a file declares, by name, in its order.

    Raises:
        DefinitionError: The file cannot be read, declares none or too many, or a definition is
            wrong.
    """
    read = definition_in(path)
    if not isinstance(read, dict) or not 1 <= len(read) <= MOST_SEGMENTS:
        raise DefinitionError(
            f"{path} declares no visitor segments; give 1 to {MOST_SEGMENTS} names, each with its "
            "definition."
        )
    return {name: _segment(path, name, raw) for name, raw in read.items()}


def _segment(path: Path, name: object, raw: object) -> VisitorSegment:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise DefinitionError(f"{path} names a visitor segment {name!r}; a name is a text.")
    try:
        return VisitorSegment.from_definition(name, raw)
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from error


def visitor_segment(segment: Any, declared: Path | None) -> VisitorSegment:  # noqa: ANN401 (text, or a definition of any form)
    """Return the visitor segment that a question names or defines.

    Args:
        segment: A name, or a definition.
        declared: The file that declares the names; None if there is none.

    Raises:
        DefinitionError: The name is not declared, or the definition is wrong.
    """
    if not isinstance(segment, str):
        return VisitorSegment.from_definition("of the question", segment)
    if declared is None:
        raise DefinitionError(
            f"No visitor segment {segment!r} is declared; set ECOM_VISITOR_SEGMENTS to a file "
            "that declares it."
        )
    return _declared(segment, read_visitor_segments(declared))


def visitor_segment_of_text(segment: str, declared: Path | None) -> VisitorSegment:
    """Return the visitor segment that an option names: a declared name, a file with one,
    or `FILE#NAME`.

    A file with one may say its definition alone; the segment is then called as the file is.

    Raises:
        DefinitionError: There is none, or the file declares several.
    """
    file, _, name = segment.partition("#")
    if not file.endswith(FILE_ENDINGS):
        return visitor_segment(segment, declared)
    read = None if name else definition_in(Path(file))
    if isinstance(read, list) or (isinstance(read, dict) and set(PARTS) & set(read)):
        return _segment(Path(file), Path(file).stem, read)
    result = read_visitor_segments(Path(file))
    if name:
        return _declared(name, result)
    if len(result) > 1:
        raise DefinitionError(
            f"{file} declares {', '.join(result)}; write {file}#NAME for one of them."
        )
    return next(iter(result.values()))


def _declared(name: str, declared: dict[str, VisitorSegment]) -> VisitorSegment:
    if name not in declared:
        raise DefinitionError(
            f"No visitor segment {name!r} is declared; {did_you_mean(name, declared)}."
        )
    return declared[name]
