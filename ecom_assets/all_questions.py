"""The list of ad-hoc questions: a line for each. Commands, routes, forms and tools for assistants are made from it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecom_assets.questions.answer import Kind

PLACES: Final[Mapping[str, str]] = {
    "funnel": "funnels.answer.FUNNEL",
    "trend": "trends.answer.TREND",
    "correlation": "correlation.answer.CORRELATION",
    "sessions": "sessions.answer.SESSIONS",
    "retention": "retention.answer.RETENTION",
    "journeys": "journeys.answer.JOURNEYS",
    "attribution": "sources.site_lists.ATTRIBUTION",
    "experiment": "experiments.answer.EXPERIMENT",
    "segments": "customers.answer.SEGMENTS",
    "value": "customers.answer.VALUE",
}
"""Where each question is declared, by its name; imported when it is asked, because each loads what it needs."""
SUMMARIES: Final[Mapping[str, str]] = {
    "funnel": "Count who got how far through the steps.",
    "trend": "Count events or visitors over time, or add up what they carry.",
    "correlation": "Find which event types and properties go with the conversion of a funnel.",
    "retention": "Count who of each period's new visitors, or customers, came back, and what they were worth.",
    "experiment": "Compare the variants of an experiment: conversion and mean by variant, and whether they differ.",
    "segments": "Sort the customers of orders, or of purchase events, into eleven segments by recency, frequency and "
    "money.",
    "value": "Estimate what to expect of the customers of orders, or of purchase events, by BG/NBD and Gamma-Gamma.",
    "sessions": "Cut the events of files into sessions; print totals, or write the sessions.",
    "journeys": "Show which steps sessions take one after another, and which paths end in a purchase.",
    "attribution": "Credit the purchases in files, and what they brought, to the channels that led to them.",
}
"""What each command says of itself, by the name of the question, in the list of all commands."""


def question_named(name: str) -> Kind[Any, Any]:
    """Return a question by its name."""
    module, declared = PLACES[name].rsplit(".", 1)
    kind: Kind[Any, Any] = getattr(import_module(f"ecom_assets.{module}"), declared)
    return kind


def all_questions() -> list[Kind[Any, Any]]:
    """Return all questions, in order."""
    return [question_named(name) for name in PLACES]
