"""Settings of Snowflake."""

from pathlib import Path

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings


class SnowflakeSettings(PackageSettings):
    """The Snowflake part of `Settings`."""

    snowflake_password: SecretStr = Field(
        SecretStr(""), description="Password of the user of a snowflake:// address"
    )
    snowflake_private_key_path: Path | None = Field(
        None,
        description="File of the private key of that user, PKCS#8 in PEM, instead of a password",
    )
    snowflake_private_key_password: SecretStr = Field(
        SecretStr(""), description="Password of that key, if it is encrypted"
    )
    snowflake_token: SecretStr = Field(
        SecretStr(""), description="OAuth token of that user, instead of a password"
    )


SETTINGS = SnowflakeSettings
