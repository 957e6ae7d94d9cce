"""Erasing a customer takes the address out of the file of those who may be written to."""

from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.serving.email_consents import consents_of, consents_path
from ecom_assets_tests.command import ecom
from ecom_assets_tests.orchestration.privacy.test_erase import files_with
from ecom_assets_tests.orchestration.privacy.test_erase_customer import ANN, BOB, land

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy_erase_addresses")]


def test_an_erased_customer_can_be_written_to_no_more(tmp_path: Path) -> None:
    options = land(tmp_path / "landing", ANN, BOB)
    customers = tmp_path / "landing" / "customers.csv"
    lines = [f"{who},{who}@mail.example,yes" for who in (ANN, BOB)]
    customers.write_text("\n".join(["id,email,has_email_consent", *lines]) + "\n")
    home = tmp_path / "home"
    env = {"ECOM_CUSTOMERS": str(customers), "ECOM_PUBLISH_EMAIL_ADDRESSES": "on"}
    ran = ecom("run", *options, home=home, env=env)
    assert ran.exit_code == 0, ran.err
    settings = Settings(home=home, publish_email_addresses=True)
    assert set(consents_of(settings, [ANN, BOB]).agreed) == {ANN, BOB}
    assert consents_path(settings) in {Path(path) for path in files_with(ANN, home)}

    erased = ecom("erase", "--customer", ANN, *options, "--yes", "--json", home=home, env=env)
    assert erased.exit_code == 0, erased.err
    assert set(consents_of(settings, [ANN, BOB]).agreed) == {BOB}
    assert files_with(ANN, home, tmp_path / "landing") == []

    again = ecom("run", *options, home=home, env={**env, "ECOM_PUBLISH_EMAIL_ADDRESSES": "off"})
    assert again.exit_code == 0, again.err
    assert not consents_path(settings).exists(), "removed where the setting is off"
