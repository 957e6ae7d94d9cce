"""The account as a Dagster resource: dagster-snowflake's own,
with its secrets kept out of Dagster's storage.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from snowflake.connector import SnowflakeConnection

from ecom_assets.core.settings.resource import MASK, SecretKeeper, secret, setting

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # it declares a field in a way that Pydantic gives up
    from dagster_snowflake import SnowflakeResource

    class SnowflakeAccount(SecretKeeper, SnowflakeResource):
        """The Snowflake account of ECOM_WAREHOUSE, or else of ECOM_EVENTS:
        dagster-snowflake's SnowflakeResource.

        Every statement of the warehouse runs over its connection. The secret comes from
        ECOM_SNOWFLAKE_PASSWORD, ECOM_SNOWFLAKE_PRIVATE_KEY_PATH or ECOM_SNOWFLAKE_TOKEN, or from
        the address.
        """

        password: str | None = setting("snowflake_password")
        private_key: str | None = secret("The private key itself, in the place of its path")
        private_key_password: str | None = setting("snowflake_private_key_password")
        token: str | None = setting("snowflake_token")

        @contextmanager
        def get_connection(self, raw_conn: bool = True) -> Iterator[SnowflakeConnection]:  # noqa: FBT001, FBT002 (as it is there)
            """Log in for the length of the block."""
            with SnowflakeResource(**self._arguments()).get_connection(raw_conn) as connection:
                yield connection

        def _arguments(self) -> dict[str, Any]:
            values = dict(self._get_non_default_public_field_values())
            values |= {
                name: self.secret_value(name) for name, value in values.items() if value == MASK
            }
            token = values.pop("token", None)
            more = values.get("additional_snowflake_connection_args") or {}
            return {
                **values,
                "additional_snowflake_connection_args": {
                    **more,
                    **({"token": token} if token else {}),
                },
            }
