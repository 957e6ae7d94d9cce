"""The Snowflake account as a Dagster resource, and what stands in its place where none is set."""

from typing import Any, ClassVar

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.resource import SecretKeeper, SettingsResource, setting
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.snowflake import ENGINE


class SnowflakeNotSet(SettingsResource):
    """Snowflake is not in use. With it,
    this is dagster-snowflake's SnowflakeResource of the account.

    Set ECOM_WAREHOUSE=snowflake://USER@ACCOUNT/DATABASE?warehouse=WAREHOUSE to compute there, or
    ECOM_EVENTS to read events from a table there; and ECOM_SNOWFLAKE_PASSWORD,
    ECOM_SNOWFLAKE_PRIVATE_KEY_PATH or ECOM_SNOWFLAKE_TOKEN.
    """

    prefix: ClassVar[str] = "snowflake_"
    password: str | None = setting("snowflake_password")
    private_key_path: str | None = setting("snowflake_private_key_path")
    private_key_password: str | None = setting("snowflake_private_key_password")
    token: str | None = setting("snowflake_token")

    def get_connection(self, raw_conn: bool = True) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 (as dagster-snowflake's)
        """Refuse: there is no account.

        Raises:
            SettingError: Always.
        """
        raise SettingError(
            "Snowflake is not set; write "
            "ECOM_WAREHOUSE=snowflake://USER@ACCOUNT/DATABASE?warehouse=…."
        )


def snowflake_resource(settings: Settings) -> SecretKeeper:
    """Return the Snowflake account in the settings; dagster-snowflake loads slowly,
    so import it only if needed.
    """
    named = {"ECOM_WAREHOUSE": settings.warehouse, "ECOM_EVENTS": settings.events}
    for name, url in named.items():
        if ENGINE.has_address(url):
            from ecom_assets.core.warehouse.engines.snowflake.connection import SnowflakeAddress  # noqa: PLC0415 (as above)

            return SnowflakeAddress.parse(url, settings, name).resource()
    return SnowflakeNotSet.from_settings(settings)
