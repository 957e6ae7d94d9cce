"""Rules of costs in ecom.toml: which days each holds, and one sentence for each that is wrong."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables.cost_rules import PaymentFeeRule, spans

RULES = """
[[payment_fee_rules]]
payment_method = "Card"
percent = 1.4
per_order = 0.25

[[payment_fee_rules]]
percent = 3
valid_from_date = 2026-01-01
valid_until_date = 2026-06-30

[[shipping_cost_rules]]
country = "Germany"
per_order = 4.20
per_piece = 0.60

[[commission_rules]]
sales_channel = "marketplace"
percent = 12

[[other_cost_rules]]
name = "Shop software"
per_month = 79
"""


TWICE = """percent = 1
payment_method = "Card"
[[payment_fee_rules]]
per_order = 1
payment_method = "card "
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rules_are_read_from_the_shop_s_file_and_say_what_they_are(folder: Path) -> None:
    (folder / "ecom.toml").write_text(RULES)
    settings = load_settings()
    assert [rule.text for rule in settings.payment_fee_rules] == [
        "1.4 % of what was charged + 0.25 per order, Card",
        "3 % of what was charged, from 2026-01-01, until 2026-06-30",
    ]
    assert [rule.text for rule in settings.shipping_cost_rules] == [
        "4.2 per order + 0.6 per piece, Germany"
    ]
    assert [rule.text for rule in settings.commission_rules] == [
        "12 % of what was charged, marketplace"
    ]
    assert settings.other_cost_rules[0].per_month == 79


def test_a_variable_has_them_as_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ecom.toml").write_text(RULES)
    monkeypatch.setenv("ECOM_PAYMENT_FEE_RULES", '[{"percent": 2}]')
    (rule,) = load_settings().payment_fee_rules
    assert rule.percent == 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("percent = 120", "rule 1 has percent = 120, which should be less than or equal to 100"),
        ("percent = -1", "rule 1 has percent = -1, which should be greater than or equal to 0"),
        ('percent = "much"', "rule 1 has percent = 'much', which should be a valid decimal"),
        ("percnt = 2", "rule 1 has the key 'percnt'; did you mean 'percent'?"),
        ('payment_method = "card"', "rule 1 has no percent or per_order; write 0 for nothing"),
        (
            "percent = 1\nvalid_from_date = 2026-02-01\nvalid_until_date = 2026-01-31",
            "rule 1 ends on 2026-01-31, before it begins on 2026-02-01",
        ),
        (
            TWICE,
            "rules 1 and 2 are for the same payment_method and first day",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(folder: Path, rule: str, reason: str) -> None:
    (folder / "ecom.toml").write_text(f"[[payment_fee_rules]]\n{rule}\n")
    with pytest.raises(SettingError, match="correct or unset it") as refused:
        load_settings()
    assert str(refused.value).startswith("payment_fee_rules in ecom.toml, ")
    assert f"is wrong: {reason}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[payment_fee_rules]\npercent = 1", "is not a list of rules"),
        ("payment_fee_rules = [1]", "rule 1 is not a table of its fields"),
        ("[[commission_rules]]\npercent = 1", "rule 1 has no sales_channel"),
        ('[[other_cost_rules]]\nname = ""\nper_month = 1', "rule 1 has name = '', which should"),
        ('[[other_cost_rules]]\nname = "x"\nper_month = 1.234', "no more than 2 decimal places"),
    ],
)
def test_what_is_no_rule_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "ecom.toml").write_text(text)
    with pytest.raises(SettingError) as refused:
        load_settings()
    assert reason in str(refused.value)


def test_a_rule_ends_where_the_next_one_for_the_same_begins_and_where_it_says() -> None:
    def rule(
        percent: int, first: str | None, until: str | None = None, of: str = ""
    ) -> PaymentFeeRule:
        return PaymentFeeRule.model_validate(
            {
                "percent": percent,
                "valid_from_date": first,
                "valid_until_date": until,
                "payment_method": of,
            }
        )

    result = spans(
        [
            rule(3, "2026-05-01"),
            rule(1, None),
            rule(2, "2026-01-01", "2026-02-28"),
            rule(9, "2026-03-01", of="card"),
        ]
    )
    assert [(span[0].percent, *span[1:]) for span in result] == [
        (Decimal(9), date(2026, 3, 1), None),
        (Decimal(1), None, date(2026, 1, 1)),
        (Decimal(2), date(2026, 1, 1), date(2026, 3, 1)),
        (Decimal(3), date(2026, 5, 1), None),
    ]
