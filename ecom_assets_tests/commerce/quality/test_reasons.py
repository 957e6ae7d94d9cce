"""What people read of a quarantined row: each reason has a sentence,
and no sentence is of a reason that is gone.
"""

from ecom_assets.behaviour.events.contracts import REJECT_REASONS
from ecom_assets.commerce.orders.contracts import ORDER_REJECT_REASONS
from ecom_assets.commerce.quality.reasons import SENTENCES, sentence_of
from ecom_assets.ingestion.sources.files.records import rows_line
from ecom_assets.ingestion.sources.files.text_blocks import MAX_LINE_BYTES
from ecom_assets_tests.each import each


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    assert set(SENTENCES) == {*REJECT_REASONS, *ORDER_REJECT_REASONS}
    without_a_fix = [
        reason
        for reason in SENTENCES
        if ";" not in sentence_of(reason) and ":" not in sentence_of(reason)
    ]
    assert without_a_fix == []


@each(
    "reason, refused, counted, explained",
    [
        ("unparseable_timestamp", 2, 0, ["unparseable_timestamp"]),
        ("too_late", 6, 5, ["too_late"]),
        ("too_late", 5, 5, []),
        ("duplicate", 9, 5, []),  # a copy is no fault of the file
    ],
)
def test_a_reason_that_keeps_most_rows_out_is_explained_beside_the_number(
    reason: str, refused: int, counted: int, explained: list[str]
) -> None:
    rows = {"read": refused + counted, "counted": counted, "rejected": {reason: refused}}
    assert rows_line(rows).splitlines()[1:] == [
        f"  {reason}: {sentence_of(reason)}" for reason in explained
    ]


def test_a_line_that_is_too_long_finds_its_limit_in_the_sentence() -> None:
    assert f"longer than {MAX_LINE_BYTES >> 20} MB" in sentence_of("malformed_row")
