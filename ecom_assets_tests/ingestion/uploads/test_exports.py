"""Every export, from the dropped file to the numbers that the page shows, by choices alone: what is
open is asked and nothing else, and what counts is what the case says.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.uploaded import choose_shop, rate_name
from ecom_assets.ingestion.uploads.look import (
    Chosen,
    UploadLook,
    keep_choices,
    look_at,
    shop_questions,
)
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.dashboard.upload_words import field_of
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.uploads.exports import CASES, SAMPLES, Export
from ecom_assets_tests.ingestion.uploads.shop_exports import sent, settings_of

EVERY = {**{f"case {name}": case for name, case in CASES.items()}, **SAMPLES}
LIKE_A_SAMPLE = {
    *("case 02", "case 03", "case 04", "case 05", "case 35 orders"),  # woocommerce
    *("case 25 sorted", "case 48 orders", "case 64"),  # shopify
    "case 06",  # shopify_admin
    "case 12",  # magento
    *("case 20", "case 35 events", "case 59"),  # segment
    *("case 07", "case 08", "case 48 events", "case 58"),  # ga4
    "case 09",  # amplitude
    "case 15",  # the same columns as `case 15 status`, but for one
}
"""Cases of layouts that a sample or another case is in as well, of which nothing further is asked:
what each comes to by the reader that a look has too, the tests of cases say.
"""


def answers_of(look: UploadLook, said: Mapping[str, str]) -> dict[str, str]:
    """Return answers by the keys of the questions, of which some are about a word of the file."""
    return {
        question.key: said[question.subject or question.key]
        for question in look.questions
        if said.get(question.subject or question.key)
    }


def settled(home: Path, path: Path, export: Export) -> UploadLook:
    """Look at a file as the page does: what is open at first, then what follows from the choices.

    The second look is the last: more than two would be more than three screens. Where nothing is
    chosen, the first one says all.
    """
    uploads, upload = Uploads(home), sent(home, path)
    first = Chosen(kind=export.kind) if export.kind_is_set else Chosen()
    look = look_at(uploads, upload, settings_of(home), first)
    assert look.kind == export.kind
    # Whoever says what a file is sees what is open of it then; else it is the first look.
    is_first = not settings_of(home).model_fields_set & {"timezone"}
    if is_first:
        asked = {question.subject or question.key for question in look.open_questions}
        assert asked == export.asks.keys()
    for question in look.questions:
        options = field_of(look, question).options
        assert options, f"{question.key} would have to be typed"
    rates = {rate_name(export.currency, name): rate for name, rate in export.rates.items()}
    choose_shop(home, {"timezone": export.zone, "currency": export.currency, **rates})
    answers = answers_of(look, {**export.asks, **export.says})
    is_as_first = (export.zone, export.currency, rates) == ("UTC", "EUR", {})
    if is_as_first and not (answers or look.open_questions):
        return look
    chosen = Chosen({**answers}, export.kind if export.kind_is_set else "")
    return look_at(uploads, upload, settings_of(home), chosen)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if name not in LIKE_A_SAMPLE])
def test_what_a_dropped_file_comes_to_is_right_by_choices_alone(tmp_path: Path, name: str) -> None:
    export, home = EVERY[name], tmp_path / "home"
    folder = tmp_path / "files"
    folder.mkdir()
    looks = [settled(home, path, export) for path in export.files(folder)]
    if export.refusal:
        assert [export.refusal in look.refusal for look in looks] == [True] * len(looks)
        return
    assert [(look.refusal, look.open_questions, look.problems) for look in looks] == [
        ("", (), {})
    ] * len(looks)
    settings = settings_of(home)
    assert [one.key for one in shop_questions(settings, looks) if one.is_open] == []
    if export.counted:
        assert tuple(look.rows["counted"] for look in looks) == export.counted
    if export.kind == "orders":
        money = [look.money["counted"] for look in looks]
        assert [read.amount for read in money] == list(map(Decimal, export.money))
        if export.orders is not None:
            assert sum(read.order_count or 0 for read in money) == export.orders
        assert {read.currency for read in money} <= {export.currency, ""}
    elif export.kind == "events":
        types = Counter[str]()
        for look in looks:
            for _, ours, count in look.event_types:
                types[ours] += count
        assert types.items() >= export.events.items()
    assert [keep_choices(Uploads(home), look).kind for look in looks] == [export.kind] * len(looks)


@pytest.mark.slow
def test_visits_have_the_channels_that_a_person_chose(tmp_path: Path) -> None:
    said = {}
    for kind in ("events", "orders"):
        export = EVERY[f"case 16 {kind}"]
        [path] = export.files(tmp_path)
        look = settled(tmp_path / kind, path, export)
        (tmp_path / f"{kind}.yaml").write_text(look.text)
        said[kind] = (f"--{kind}", path, f"--{kind}-mapping", tmp_path / f"{kind}.yaml")
    tables = ("--select", '+key:"mart/channel_attribution"')
    done = ecom("run", *said["events"], *said["orders"], *tables, "--json", home=tmp_path / "home")
    rows = done.json["channels"]["models"]["last"]
    # Of 32 sold orders, by the case: who came by Facebook is said to have come by themselves.
    assert {row["channel"] for row in rows} == {"Paid Search", "Email", "Direct"}
    assert sum(row["credit"] for row in rows) == 32
