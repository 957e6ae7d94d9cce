"""The text of a definition file, YAML or JSON."""

import json

import yaml


def definition_from(text: str) -> object:
    """Parse a definition, YAML or JSON.

    JSON is read as JSON: to YAML, which is nearly a superset, the two halves of an escaped emoji are two characters
    that no text may hold.

    Raises:
        YAMLError: It is neither YAML nor JSON.
    """
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)
