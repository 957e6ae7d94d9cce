"""The list of ad-hoc questions: a line for each.

Commands, routes, forms and tools for assistants are made from it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecom_assets.behaviour.questions.answer import Kind


class QuestionEntry(NamedTuple):
    """A line of the list.

    Attributes:
        declaration: Where the question is declared; imported when it is asked, because each loads
            what it needs.
        summary: What `ecom --help` says of it.
    """

    declaration: str
    summary: str


QUESTIONS: Final[Mapping[str, QuestionEntry]] = {
    "funnel": QuestionEntry(
        "ecom_assets.behaviour.funnels.answer.FUNNEL",
        "Count who got how far through the steps.",
    ),
    "trend": QuestionEntry(
        "ecom_assets.behaviour.trends.answer.TREND",
        "Count events or visitors over time, or add up what they carry.",
    ),
    "retention": QuestionEntry(
        "ecom_assets.behaviour.retention.answer.RETENTION",
        (
            "Count who of each period's new visitors, or customers, came back, and what they were "
            "worth."
        ),
    ),
    "journeys": QuestionEntry(
        "ecom_assets.behaviour.journeys.answer.JOURNEYS",
        "Show which steps sessions take one after another, and which paths end in a purchase.",
    ),
    "sessions": QuestionEntry(
        "ecom_assets.behaviour.sessions.answer.SESSIONS",
        "Cut the events of files into sessions; print totals, or write the sessions.",
    ),
    "correlation": QuestionEntry(
        "ecom_assets.behaviour.correlation.answer.CORRELATION",
        "Find which event types and properties go with the conversion of a funnel.",
    ),
    "attribution": QuestionEntry(
        "ecom_assets.ingestion.sources.site_lists.ATTRIBUTION",
        "Credit the purchases in files, and what they brought, to the channels that led to them.",
    ),
    "experiment": QuestionEntry(
        "ecom_assets.behaviour.experiments.answer.EXPERIMENT",
        (
            "Compare the variants of an experiment: conversion and mean by variant, and whether "
            "they differ."
        ),
    ),
    "sales": QuestionEntry(
        "ecom_assets.commerce.custom_sales.answer.SALES",
        "Add up orders: any measure by any dimension, over time, compared with other days.",
    ),
    "segments": QuestionEntry(
        "ecom_assets.commerce.customers.answer.SEGMENTS",
        (
            "Sort the customers of orders, or of purchase events, into eleven segments by recency, "
            "frequency and money."
        ),
    ),
    "value": QuestionEntry(
        "ecom_assets.commerce.customers.answer.VALUE",
        (
            "Estimate what to expect of the customers of orders, or of purchase events, by BG/NBD "
            "and Gamma-Gamma."
        ),
    ),
}
"""The questions, by their names."""


def question_named(name: str) -> Kind[Any, Any]:
    """Return a question by its name."""
    module, declared = QUESTIONS[name].declaration.rsplit(".", 1)
    kind: Kind[Any, Any] = getattr(import_module(module), declared)
    return kind


def all_questions() -> list[Kind[Any, Any]]:
    """Return all questions, in order."""
    return [question_named(name) for name in QUESTIONS]
