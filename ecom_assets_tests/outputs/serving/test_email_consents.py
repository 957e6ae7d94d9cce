"""The file of addresses: written anew with each publication, and gone where the setting is off."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from ecom_assets.cli.doctor import diagnose
from ecom_assets.commerce.customers.contracts import EmailConsents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.outputs.serving.email_consents import (
    AgreedAddress,
    are_published,
    consents_of,
    consents_path,
    publish_email_consents,
)

SINCE = datetime(2026, 1, 5, 8)  # noqa: DTZ001 (UTC, as stored)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", publish_email_addresses=True)


def stored(path: Path, values: str) -> Engine:
    """Return an open warehouse with rows of the table."""
    engine = DuckDBEngine(path).open()
    engine.ensure(EmailConsents)
    engine.execute(
        f"DELETE FROM staging.email_consents; INSERT INTO staging.email_consents {values}"
    )
    return engine


TWO = (
    "VALUES ('ann', 'ann@x.com', true, TIMESTAMP '2026-01-05 08:00:00'), ('bo', NULL, false, NULL)"
)


def test_who_agreed_is_found_and_who_refused_is_counted(settings: Settings, tmp_path: Path) -> None:
    with closing(stored(tmp_path / "w.duckdb", TWO)) as engine:
        publish_email_consents(engine, settings)
    said = consents_of(settings, ["ann", "bo", "cy"])
    assert (said.agreed, said.refused_count) == ({"ann": AgreedAddress("ann@x.com", SINCE)}, 1)
    assert consents_of(settings, []).agreed == {}
    assert consents_path(settings).stat().st_mode & 0o777 == 0o600


def test_the_next_publication_leaves_nothing_of_the_last(
    settings: Settings, tmp_path: Path
) -> None:
    with closing(stored(tmp_path / "w.duckdb", TWO)) as engine:
        publish_email_consents(engine, settings)
        engine.execute("DELETE FROM staging.email_consents WHERE customer_id = 'ann'")
        publish_email_consents(engine, settings)
    assert b"ann" not in consents_path(settings).read_bytes()
    assert [path.name for path in consents_path(settings).parent.iterdir()] == [
        consents_path(settings).name
    ]


def test_nothing_is_read_or_kept_where_the_setting_is_off(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = settings.model_copy(update={"publish_email_addresses": False})
    with closing(stored(tmp_path / "w.duckdb", TWO)) as engine:
        publish_email_consents(engine, settings)
        assert are_published(settings)
        assert not are_published(off)
        assert consents_of(off, ["ann"]).agreed == {}
        monkeypatch.setenv("ECOM_HOME", str(settings.home))
        (privacy,) = [finding for finding in diagnose() if finding.subject == "privacy"]
        assert not privacy.ok
        assert "ECOM_PUBLISH_EMAIL_ADDRESSES is off" in privacy.found
        publish_email_consents(engine, off)
    assert not consents_path(settings).exists()


def test_a_shop_without_customers_publishes_no_file(settings: Settings, tmp_path: Path) -> None:
    with closing(DuckDBEngine(tmp_path / "w.duckdb").open()) as engine:
        publish_email_consents(engine, settings)
    assert not are_published(settings)
