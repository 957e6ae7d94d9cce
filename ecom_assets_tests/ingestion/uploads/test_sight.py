"""What of a look a caller sees: by the columns of the contract, and sentences and mappings that may
quote any value only where nothing is hidden.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.ingestion.sources.reading import MoneyRead, NotClean
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.uploads.look import UploadLook
from ecom_assets.ingestion.uploads.sight import NOT_SAID, seen_look, seen_sentence, sees_numbers
from ecom_assets.ingestion.uploads.store import LandedRows, Upload
from ecom_assets_tests.each import each


def caller(name: str, *scopes: Scope) -> Caller:
    return Caller(name, frozenset({Scope.READ, Scope.WRITE, *scopes}))


ANN, BOB = caller("ann"), caller("bob")
ANALYST, CONTROLLER = caller("cid", Scope.PERSONAL), caller("dan", Scope.COSTS)
BOTH, ADMIN = caller("eve", Scope.PERSONAL, Scope.COSTS), caller("root", Scope.ADMIN)


def upload(kind: str, state: str = "loaded") -> Upload:
    """Return a file of Ann's."""
    sent_at = datetime(2026, 3, 2, 10)  # noqa: DTZ001 (UTC, as everywhere in the list)
    result = Upload(1, "0" * 32, "a.csv", 10, "ann", sent_at, "kept", kind=kind)
    landed = (LandedRows(kind, f"{kind}/000001", ("received_date=2026-03-02/a.parquet",), 1),)
    return result if state == "kept" else replace(result, state="loaded", landed=landed)


def look(of: Upload, row: Mapping[str, object], **more: object) -> UploadLook:
    values: dict[str, object] = {
        "preview": (row,),
        "not_clean": (NotClean("missing_amount", 1, "", dict(row)),),
        "rows": {"read": 1, "counted": 1, "rejected": {}},
        "text": "fields: …",
        "why": ("Ann's column is the amount.",),
        **more,
    }
    return UploadLook(of, kind=of.kind, **values)  # type: ignore[arg-type]  # fields of it


ORDER: Final = {
    "customer_id": "c7",
    "item_id": "L1",
    "received_payment_amount": "10",
    "status": None,
}
CUSTOMER: Final = {"id": "7", "city": "Graz", "has_email_consent": True, "reject_reason": None}
COST: Final = {"item_id": "L1", "unit_cost_amount": Decimal("3.21")}


@each(
    "kind, row, who, seen",
    [
        ("orders", ORDER, BOB, {**ORDER, "customer_id": HIDDEN}),
        ("orders", ORDER, CONTROLLER, {**ORDER, "customer_id": HIDDEN}),
        ("orders", ORDER, ANALYST, ORDER),
        ("customers", CUSTOMER, BOB, dict.fromkeys(CUSTOMER, HIDDEN) | {"reject_reason": None}),
        ("customers", CUSTOMER, ANALYST, CUSTOMER),
        ("costs", COST, BOB, {**COST, "unit_cost_amount": HIDDEN}),
        ("costs", COST, ANALYST, {**COST, "unit_cost_amount": HIDDEN}),
        ("costs", COST, CONTROLLER, COST),
    ],
)
def test_rows_of_a_loaded_file_are_seen_by_column(
    kind: str, row: dict[str, object], who: Caller, seen: dict[str, object]
) -> None:
    found = seen_look(look(upload(kind), row), who)
    assert found.preview == (seen,)
    assert [why.example for why in found.not_clean] == [seen]


@each("kind", feeds())
def test_who_may_see_all_sees_a_look_as_it_is_and_others_no_word_that_may_quote_a_row(
    kind: str,
) -> None:
    loaded = look(upload(kind), COST, refusal="ann@shop.example has no amount")
    for who in (BOTH, ADMIN):
        assert seen_look(loaded, who) == loaded
    for who in (ANN, BOB):
        found = seen_look(loaded, who)
        hides = any(one.pii or one.is_cost for one in feeds()[kind].raw.columns.values())
        assert hides
        assert (found.text, found.why, found.refusal) == ("", (), NOT_SAID)
    assert seen_look(look(upload(kind, "kept"), COST), ANN).preview == (COST,), "it is hers so far"


def test_a_file_that_an_admin_calls_something_else_is_hidden_by_both_kinds() -> None:
    """Read as costs, a list of customers would have its addresses in columns that all may see."""
    people = replace(upload("customers"), kind="costs")
    found = seen_look(look(people, {"item_id": "ann@shop.example"}), BOB)
    assert found.preview == ({"item_id": HIDDEN},)


def test_a_kept_mapping_has_the_words_of_other_files() -> None:
    own = look(upload("orders", "kept"), ORDER)
    assert seen_look(own, ANN).text == own.text
    kept = replace(own, mapping="kept:orders-shopify")
    assert (seen_look(kept, ANN).text, seen_look(kept, ANN).preview) == ("", own.preview)
    assert seen_look(kept, BOTH).text == own.text


SPENT: Final = MoneyRead(1, None, Decimal("1254.50"), "EUR")


def test_what_ads_cost_is_for_those_who_may_see_costs() -> None:
    ads = upload("ad_spend")
    loaded = look(ads, {}, spent=(SPENT,))
    for who, sees in ((BOB, False), (ANN, False), (ANALYST, False), (CONTROLLER, True)):
        assert sees_numbers(ads, who) is sees
        assert bool(seen_look(loaded, who).spent) is sees
    assert sees_numbers(upload("orders"), BOB), "revenue is for all who read"


def test_a_sentence_of_the_list_may_quote_rows() -> None:
    orders = replace(upload("orders"), sentence="c7 has no amount.")
    said = {who.name: seen_sentence(orders, who) for who in (ANN, BOB, ANALYST, BOTH, ADMIN)}
    assert said == {
        **dict.fromkeys(("ann", "bob", "cid"), NOT_SAID),
        **dict.fromkeys(("eve", "root"), orders.sentence),
    }
