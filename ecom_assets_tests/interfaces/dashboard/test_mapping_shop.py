"""*Your shop*: what is chosen there stays as it was written, and can be changed again."""

from pathlib import Path

import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.uploaded import choose_shop, shop_choices
from ecom_assets.ingestion.uploads.look import shop_questions
from ecom_assets.interfaces.dashboard.pages.mapping_shop import changed, is_fixed
from ecom_assets_tests.ingestion.uploads.shop_exports import settings_of

NAME = "vendor_delivery_days"


@pytest.mark.parametrize("written", ["Acme=21,Beta=7", "Acme = 21, Beta=7", "Acme=21"])
def test_days_by_vendor_are_shown_as_they_were_written(tmp_path: Path, written: str) -> None:
    assert changed(settings_of(tmp_path), {NAME: written}) == {NAME: written}
    choose_shop(tmp_path, {NAME: written})
    settings = settings_of(tmp_path)
    (question,) = [one for one in shop_questions(settings, ()) if one.key == NAME]
    assert question.value == written
    assert not is_fixed(question, shop_choices(tmp_path))
    assert changed(settings, {NAME: written}) == {}
    assert changed(settings, {NAME: "Beta=9"}) == {NAME: "Beta=9"}


def test_what_the_environment_says_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_VENDOR_DELIVERY_DAYS", "Acme=3")
    choose_shop(tmp_path, {NAME: "Acme=21"})
    with pytest.raises(UsageError, match="by vendor: the environment"):
        changed(settings_of(tmp_path), {NAME: "Acme=4"})


@pytest.mark.parametrize("written", ["Acme", "=7", "Acme=soon", "Acme=366", "Acme=1,ACME=2"])
def test_other_texts_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(UsageError, match=r"VENDOR=DAYS|named twice"):
        changed(settings_of(tmp_path), {NAME: written})
