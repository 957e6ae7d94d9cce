"""The table of a shop whose tags are not called as its campaigns are."""

from pathlib import Path

import pytest

from ecom_assets.commerce.marketing.campaigns import CampaignRule, CampaignTag
from ecom_assets.core.errors import EcomError, SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.campaign_tags import read_campaign_tags
from ecom_assets.orchestration.rules import campaign_rule


def written(folder: Path, text: str) -> Path:
    path = folder / "tags.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_tags_are_read_in_small_letters_and_those_of_a_platform_come_first(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufefftag,campaign,platform\nSpring, Spring Sale ,\nspring,7,meta\n")
    assert read_campaign_tags(path) == (
        CampaignTag("spring", "7", "meta"),
        CampaignTag("spring", "spring sale"),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tag,name\na,b\n", "has no column 'campaign'"),
        ("tag,campaign\na,\n", "line 2, has no tag or no campaign"),
        ("tag,campaign\na,b\nA,c\n", "has the tag 'a' in lines 2 and 3"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(EcomError, match=sentence):
        read_campaign_tags(written(tmp_path, text))


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    missing = Settings(home=tmp_path, campaign_tags=tmp_path / "nope.csv")
    with pytest.raises(SettingError, match="ECOM_CAMPAIGN_TAGS"):
        campaign_rule(missing)
    with pytest.raises(SettingError, match="ECOM_BRAND_CAMPAIGNS"):
        campaign_rule(Settings(home=tmp_path, brand_campaigns="(brand"))
    assert campaign_rule(Settings(home=tmp_path)) == CampaignRule()
