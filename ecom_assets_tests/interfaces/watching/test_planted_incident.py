"""The simulated shop has a day on which nobody on a phone can pay: one message says so,
and what contributed.
"""

from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.watching.watch import back_test, watch
from ecom_assets_tests.command import ecom
from ecom_assets_tests.mail_server import mail_server
from ecom_sandbox.shop.shop import generate

INCIDENT = date(2026, 2, 10)
CHECKOUT = {
    "steps": ["add_to_cart", "checkout_start", "purchase"],
    "within": "1h",
    "per": "session",
    "by": "properties.device",
}


@pytest.mark.slow
def test_the_day_without_payments_on_phones_is_the_only_incident(tmp_path: Path) -> None:
    """Each of the two runs is a night: after the first the day before is known,
    after the second the day itself.
    """
    generate(tmp_path / "shop", days=42, visitors=5_000, incident=INCIDENT)
    home, events = tmp_path / "home", tmp_path / "shop" / "events"

    def night(day: date, *first: str) -> None:
        result = ecom("run", "--events", events, *first, "--to", str(day), home=home)
        assert result.exit_code == 0, result.err

    with mail_server() as mailbox:
        settings = Settings(
            home=home,
            smtp_url=SecretStr(f"smtp://127.0.0.1:{mailbox.port}"),
            alert_email=("owner@shop.example",),
        )
        night(INCIDENT)
        question = SavedQuestion.from_mapping(
            {"name": "Checkout", "kind": "funnel", "definition": CHECKOUT}
        )
        slug = BoardStore(settings).save_new(question, "anna").slug
        fields = {
            "name": "Paying",
            "question": slug,
            "number": "steps[-1].conversion_from_previous",
            "is_on": True,
        }
        phones = NumberAlert.from_mapping({**fields, "name": "On phones", "value": "mobile"})
        BoardStore(settings).save_new(phones, "anna")
        falls = NumberAlert.from_mapping({**fields, "when": "falls", "limit": 0.3})
        BoardStore(settings).save_new(falls, "anna")
        watch(settings)
        assert mailbox.messages == []  # the day of the incident is not over
        night(INCIDENT + timedelta(days=1), "--from", str(INCIDENT))
        watch(settings)
        watch(settings)
        subjects = sorted(message["Subject"] for message in mailbox.messages)
        assert len(subjects) == 2
        assert subjects[0].startswith("[ecom] On phones: ")
        assert (
            float(subjects[0].removeprefix("[ecom] On phones: ").rstrip("%")) < 10
        )  # who pays after midnight, can
        (of_all,) = (message for message in mailbox.messages if "Paying" in message["Subject"])
        text = of_all.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        first_cause = text[text.index("Largest contributions") :].splitlines()[1]
        assert first_cause.strip().startswith("device mobile: ")
    test = back_test(settings, phones)
    assert [episode.first.point.day for episode in test.incidents] == [INCIDENT]
