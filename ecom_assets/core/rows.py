"""Values by name: what rows of tables and answers to questions are in Python."""

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]
"""A row of a table, or of a list in an answer: its values by column."""
Answer = dict[str, Any]
"""What a question or a route answers: numbers by name, lists of rows, and the days they are of."""
NamedValues = Mapping[str, Any]
"""Values by name that are only read."""
