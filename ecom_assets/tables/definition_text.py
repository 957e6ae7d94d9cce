"""The text of a definition, YAML or JSON, and files that hold one."""

import json
from pathlib import Path

import yaml

from ecom_assets.errors import DefinitionError


class TooDeepError(yaml.YAMLError):
    """The text has lists in lists, or objects in objects, hundreds of levels deep."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("its lists or objects are nested hundreds of levels deep")


def definition_from(text: str) -> object:
    """Parse a definition, YAML or JSON.

    JSON is read as JSON: to YAML, which is nearly a superset, the two halves of an escaped emoji are two characters
    that no text may hold.

    Raises:
        YAMLError: It is neither YAML nor JSON, or nested too deeply.
    """
    try:
        try:
            return json.loads(text)
        except ValueError:
            return yaml.safe_load(text)
    except RecursionError:
        raise TooDeepError from None


def definition_in(path: Path) -> object:
    """Return the content of a definition file.

    Raises:
        DefinitionError: It cannot be read.
    """
    try:
        return definition_from(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(f"{path} cannot be read as YAML or JSON: {str(error).splitlines()[0]}.") from error
