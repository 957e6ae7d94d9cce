"""What the files of `deploy/` say: how the image is built, what the services are started with,
what asks after them.

Tests run these commands, not copies of them.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^${}]*))?\}")
"""`${NAME}`, `${NAME:-default}` or `${NAME:?message}`, with nothing of the kind inside."""


@dataclass(frozen=True)
class Instruction:
    """A line of the Dockerfile: its word, and what follows."""

    word: str
    rest: str


@dataclass(frozen=True)
class Service:
    """A service of the compose file, with its variables put in."""

    command: list[str]
    environment: dict[str, str]
    health_check: list[str]


def build_stage() -> list[Instruction]:
    """Return the instructions that install the platform."""
    return list(_stages()[0])


def final_stage() -> list[Instruction]:
    """Return the instructions that make the image that runs."""
    return list(_stages()[1])


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets, the path of programs apart."""
    assignments = [
        word for line in final_stage() if line.word == "ENV" for word in shlex.split(line.rest)
    ]
    pairs = dict(word.split("=", 1) for word in assignments)
    return {name: value for name, value in pairs.items() if name != "PATH"}


def image_command() -> list[str]:
    """Return what the image starts when nothing else is asked of it."""
    (line,) = [line for line in final_stage() if line.word == "CMD"]
    command: list[str] = json.loads(line.rest)
    return command


def compose() -> dict[str, Any]:
    """Return the compose file as it is."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def service(name: str, variables: Mapping[str, str]) -> Service:
    """Return a service as it is started with these variables."""
    content = compose()["services"][name]
    environment = {
        key: put_in(str(value), variables) for key, value in content.get("environment", {}).items()
    }
    command = [put_in(word, variables) for word in content.get("command", [])]
    kind, *check = content.get("healthcheck", {"test": ["NONE"]})["test"]
    assert kind in {"CMD", "NONE"}
    return Service(command, environment, [put_in(word, variables) for word in check])


def put_in(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text as Compose does, the inmost first.

    Raises:
        KeyError: One that must be set is not.
    """
    while actual := VARIABLE.search(text):
        name, kind, rest = actual.groups()
        value = variables.get(name) or (rest if kind == "-" else "")
        if kind == "?" and not value:
            raise KeyError(f"{name}: {rest}")
        text = text[: actual.start()] + value + text[actual.end() :]
    return text


def _stages() -> list[list[Instruction]]:
    stages: list[list[Instruction]] = []
    for line in _lines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        elif stages:
            stages[-1].append(Instruction(word, rest.strip()))
    return stages


def _lines() -> Iterator[str]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return (line for line in text.splitlines() if line and not line.startswith("#"))
