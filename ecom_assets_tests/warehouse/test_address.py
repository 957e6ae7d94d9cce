"""Addresses are shown without what is secret in them."""

import pytest

from ecom_assets.warehouse.address import without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgres://ann:s3cret@db.example:5432/shop?sslpassword=s3cret#s3cret", "postgres://ann@db.example:5432/shop"),
        ("postgres://:s3cret@db.example/shop", "postgres://db.example/shop"),
        ("postgres:///shop?host=/run/postgres&password=s3cret", "postgres:///shop"),
        ("snowflake://ann@account/SHOP?token=s3cret", "snowflake://ann@account/SHOP"),
        ("postgres://ann:s3cret@[::1/shop", "postgres://…"),
    ],
)
def test_a_password_a_token_and_a_key_are_left_out(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
