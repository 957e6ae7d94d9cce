"""No message shows the password of an address, however it is mistyped."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ecom_assets.core.errors import SettingError, WarehouseError
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import load_settings
from ecom_assets_tests.command import ecom, page_views
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

SECRET = "S3CRET"  # noqa: S105 (of a test)
MISTYPED = (
    "postgres//u:S3CRET@h/d",
    "postgres:/u:S3CRET@h/d",
    "postgres:u:S3CRET@h/d",
    "postgress://u:S3CRET@h/d",
    "postgres:///u:S3CRET@h/d",
    "u:S3CRET@h/d",
    "//u:S3CRET@h/d",
    "postgres://u:x/S3CRET@h/d",
    "postgres://u:1?S3CRET@h/d",
    "postgres://u:x#S3CRET@h/d",
    "postgres://u:x@S3CRET@h/d",
    "host=h password=S3CRET dbname=d",
    "duckdb://u:S3CRET@h",
    "snowflake//USER:S3CRET@ACCOUNT/DB",
)
SETTINGS = (
    "ECOM_WAREHOUSE",
    "ECOM_POSTGRES_URL",
    "ECOM_LEDGER_URL",
    "ECOM_EVENTS",
    "ECOM_REDIS_URL",
    "ECOM_SMTP_URL",
    "ECOM_CUSTOMER_API_URL",
    "ECOM_DAGSTER_URL",
    "ECOM_JWT_JWKS_URL",
    "ECOM_AMPLITUDE_URL",
)


@each("address", MISTYPED)
def test_a_mistyped_address_keeps_its_password(address: str) -> None:
    assert SECRET not in without_secrets(address)
    assert SECRET not in str(WarehouseError(f"{without_secrets(address)} is none."))


@examples(100)
@given(st.text(alphabet="ab:/@?#&= %.", max_size=12), st.text(alphabet="ab:/@?#&= ", max_size=6))
def test_whatever_stands_around_a_password_it_is_not_shown(before: str, within: str) -> None:
    assert SECRET not in without_secrets(f"postgres://{before}u:{within}{SECRET}@host/d")


@each(
    "address, shown",
    [
        (
            "postgres://ann:pw@db.example:5432/shop?sslmode=require",
            "postgres://ann@db.example:5432/shop",
        ),
        (
            "postgres://postgres@/postgres?host=/run/pg&password=S3CRET",
            "postgres://postgres@/postgres?host=/run/pg",
        ),
        (
            "postgres://ann:pw@db.example:5432/shop?sslpassword=pw#pw",
            "postgres://ann@db.example:5432/shop",
        ),
        ("postgres://:pw@db.example/shop", "postgres://db.example/shop"),
        ("postgres:///shop?host=/run/postgres&password=pw", "postgres:///shop?host=/run/postgres"),
        ("snowflake://ann@account/SHOP?token=pw", "snowflake://ann@account/SHOP"),
        ("postgres://ann:pw@[::1/shop", "postgres://…"),
        ("https://api.example/customers?key=S3CRET", "https://api.example/customers"),
        ("spark://local[2]/data/shop", "spark://local[2]/data/shop"),
        ("duckdb:///data/a@b/x.duckdb", "duckdb:///data/a@b/x.duckdb"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("/data/ann@shop/*.csv", "/data/ann@shop/*.csv"),
    ],
)
def test_what_is_no_secret_stays(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


def test_a_sentence_of_another_program_that_quotes_an_address_loses_the_password() -> None:
    assert str(WarehouseError("cannot reach postgres://u:S3CRET@h/d; see to it.")) == (
        "cannot reach postgres://u:…@h/d; see to it."
    )


PASSWORDS = st.text(alphabet="QXZ079@:/#?%&= ,;[]+!$\\", min_size=4, max_size=14)
TYPED = (
    "{scheme}://user:{password}@host.example/db",
    "{scheme}:/user:{password}@host.example/db",
    "{scheme}//user:{password}@host.example/db",
    "{scheme}://user@{password}@host.example/db",
    "{scheme}://:{password}@host.example:9/db",
    "user:{password}@host.example/db",
    "{scheme}:user:{password}@host.example",
)
SCHEMES = (
    "postgres",
    "postgers",
    "postgresql",
    "snowflake",
    "redis",
    "smtp",
    "https",
    "htps",
    "kafka",
)
PIECE = 4


def pieces(password: str, address: str) -> list[str]:
    """Return the pieces of a password that stand nowhere else in an address,
    after which messages are searched.
    """
    every = {password[n : n + PIECE] for n in range(len(password) - PIECE + 1)}
    return [piece for piece in every if piece not in address.replace(password, "\n")]


def read_by_others(address: str) -> str:
    """Return what other programs take an address to say beside the password:
    their messages may quote it.
    """
    if address.startswith(("postgres://", "postgresql://")):
        try:
            return str(
                [value for name, value in conninfo_to_dict(address).items() if name != "password"]
            )
        except ProgrammingError as error:
            return str(error)
    try:
        parts = urlsplit(address)
        return str([parts.scheme, parts.hostname, parts.port, parts.path])
    except ValueError as error:
        return str(error)


@pytest.mark.slow
@examples(4_000)
@given(st.sampled_from(SETTINGS), st.sampled_from(TYPED), st.sampled_from(SCHEMES), PASSWORDS)
def test_no_piece_of_a_password_is_in_what_is_said_of_its_address(
    setting: str, typed: str, scheme: str, password: str
) -> None:
    address = typed.format(scheme=scheme, password=password)
    field = setting.removeprefix("ECOM_").lower()
    secrets = pieces(password, address)
    try:
        settings = load_settings(**{field: address})
    except SettingError as error:
        message = str(error)
    else:
        value = getattr(settings, field)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        message = (
            f"{without_secrets(plain)} "
            f"{read_by_others(plain) if plain.startswith(f'{scheme}://') else ''}"
        )
    assert [secret for secret in secrets if secret in message] == [], message


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("arguments", [("doctor", "--json"), ("status",)])
def test_no_command_prints_it(tmp_path: Path, setting: str, arguments: tuple[str, ...]) -> None:
    result = ecom(*arguments, home=tmp_path / "home", env={setting: MISTYPED[0]})
    assert SECRET not in result.out + result.err


@pytest.mark.parametrize("setting", ["ECOM_WAREHOUSE", "ECOM_EVENTS", "ECOM_ORDERS"])
def test_a_run_does_not_print_it_either(tmp_path: Path, setting: str) -> None:
    own = {"ECOM_EVENTS": str(page_views(tmp_path / "clicks.csv", "2026-01-01"))}
    result = ecom("run", home=tmp_path / "home", env={**own, setting: MISTYPED[0]})
    assert result.exit_code in {1, 2}
    assert result.sentence
    assert SECRET not in result.out + result.err
