"""Answers of a person who knows a file: each question of a draft by what was written."""

import re
from collections.abc import Callable
from decimal import Decimal

from benchmarks.layouts.events import EventFile
from benchmarks.layouts.orders import OrderFile
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingProposal, MappingSearch
from ecom_assets.ingestion.sources.proposal.questions import (
    AMOUNT_OF,
    BACK,
    DECIMAL,
    ENCODING,
    FORMAT,
    LIST,
    NO_CUSTOMER,
    NOBODY,
    PARTS,
    ROWS,
    UNITS,
    ZONE,
    OpenQuestion,
    answer_of_each,
)

MOST_TURNS = 12
LINES = "items"
"""The list of the lines of orders in JSON."""
_FIRST = (ENCODING, ROWS, LIST)
_FIELDS = {
    "date_time": ("time",),
    "customer_id": ("customer", "email"),
    "item_id": ("sku", "item"),
    "quantity": ("quantity",),
    "status": ("status", "type"),
    "order_id": ("number",),
    "refunded_amount": ("refunded",),
    "unit_price": ("price",),
}


class UnansweredError(Exception):
    """A question has no answer that is true of the file."""


def answered(
    search: MappingSearch, answer: Callable[[OpenQuestion], str | None]
) -> tuple[MappingProposal, dict[str, str], list[OpenQuestion]]:
    """Return the proposal once all questions that come up are answered, the answers, and the
    questions that had to be answered.

    Raises:
        UnansweredError: A question that must be answered has no true answer.
    """
    given: dict[str, str] = {}
    needed: dict[str, OpenQuestion] = {}
    for _ in range(MOST_TURNS):
        proposal = search.proposal(given, OWN)
        new = [question for question in proposal.questions if question.key not in given]
        if not new:
            break
        before = len(given)
        # What the rows are decides which other questions there are.
        for question in [q for q in new if q.key in _FIRST][:1] or new:
            said = answer(question)
            if not question.is_optional:
                needed[question.key] = question
            if said is not None:
                given[question.key] = question.checked(said)
        if len(given) == before:
            for question in new:
                if not question.is_optional:
                    raise UnansweredError(f"{question.key}: {question.sentence}")
            break
    return proposal, given, list(needed.values())


def of_orders(file: OrderFile) -> Callable[[OpenQuestion], str | None]:
    """Return what answers questions about a file of orders."""
    plain = {
        ZONE: file.zone,
        FORMAT: file.form,
        DECIMAL: file.decimal,
        ENCODING: file.encoding,
        NO_CUSTOMER: NOBODY,
        ROWS: "orders",
        UNITS: "whole units",
        AMOUNT_OF: "order",
        LIST: "items",
    }

    def answer(question: OpenQuestion) -> str | None:
        key = question.key
        if question.subject:
            words = [file.meanings.get(part) for part in question.subject.split(" / ")]
            return next((word for word in words if word), None)
        if key == FORMAT:
            clock = "%d.%m.%Y %H:%M"
            wanted = clock if file.form == "day and clock" else file.form
            return wanted if wanted in question.choices else None
        if key in {PARTS, "payment_amount"}:
            return _reading(file, question)
        if key == BACK:  # what went back is written without its tax and postage
            said = file.heads.get("refunded")
            return said if said in question.choices else None
        if key in _FIELDS:
            heads = [file.heads[name] for name in _FIELDS[key] if name in file.heads]
            heads += [f"{LINES}.{head}" for head in heads]
            fits = [head for head in heads if head in question.choices]
            fits += [choice for choice in question.choices if choice == "none"]
            return fits[0] if fits else None
        said = plain.get(key)
        return said if said in question.choices or not question.choices else None

    return answer


def _reading(file: OrderFile, question: OpenQuestion) -> str | None:
    """Return the choice by which each row has what was paid for its goods."""
    sums = {choice: _rows_by(file, choice) for choice in question.choices}
    # A row that was paid back in part or never sold says nothing.
    right = [choice for choice, rows in sums.items() if rows == file.goods]
    if right or question.key == PARTS:
        return right[0] if right else None
    heads = file.heads
    named = [heads[name] for name in ("line_total", "subtotal") if name in heads]
    if {"price", "quantity"} <= heads.keys():
        named.append(f"{heads['price']} times {heads['quantity']}")
    named += [heads["total"]] if "total" in heads else []
    inside = [re.sub(r"^| times \b", rf"\g<0>{LINES}.", name) for name in named]
    return next((name for name in (*named, *inside) if name in question.choices), None)


def _rows_by(file: OrderFile, choice: str) -> list[Decimal] | None:
    choice = choice.replace(f"{LINES}.", "")
    base, *rest = re.split(r" (less|plus) ", choice)
    if " times " in base and base not in file.numbers:
        price, quantity = (file.numbers.get(name) for name in base.split(" times ", 1))
        if price is None or quantity is None:
            return None
        numbers = [a * b for a, b in zip(price, quantity, strict=True)]
    elif base in file.numbers:
        numbers = file.numbers[base]
    else:
        return None
    for way, names in zip(rest[::2], rest[1::2], strict=True):
        for name in names.split(" and "):
            if name not in file.numbers:
                return None
            sign = -1 if way == "less" else 1
            numbers = [a + sign * b for a, b in zip(numbers, file.numbers[name], strict=True)]
    return numbers


def of_events(file: EventFile) -> Callable[[OpenQuestion], str | None]:
    """Return what answers questions about a file of events."""

    def answer(question: OpenQuestion) -> str | None:
        if question.each:
            return answer_of_each({code: file.meanings[code] for code in question.each})
        if question.subject:
            return file.meanings.get(question.subject)
        if question.key in file.heads:
            head = file.heads[question.key]
            if question.key == "user_id" and head not in question.choices:
                return None
            return head if head in question.choices else None
        plain = {ZONE: file.zone, FORMAT: file.form, ROWS: "events", ENCODING: file.encoding}
        said = plain.get(question.key)
        return said if said in question.choices or not question.choices else None

    return answer
