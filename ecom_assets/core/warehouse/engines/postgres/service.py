"""The Postgres that the warehouse is in, or that marts are published to, as a Dagster resource."""

from typing import Self

from pydantic import SecretStr

from ecom_assets.core.settings.resource import SettingsResource, address
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres import ENGINE


class Postgres(SettingsResource):
    """The Postgres of ECOM_WAREHOUSE, or else the one of ECOM_POSTGRES_URL,
    which the marts are published to.

    Without an address nothing is in Postgres: set
    ECOM_POSTGRES_URL=postgres://USER:PASSWORD@HOST/DATABASE to publish the marts there, or
    ECOM_WAREHOUSE to compute them there. Where Dagster's own storage lies is set in dagster.yaml.
    """

    url: str = address("Address, shown without its password (ECOM_WAREHOUSE or ECOM_POSTGRES_URL)")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the resource as it is set."""
        is_warehouse = ENGINE.has_address(settings.warehouse)
        return cls(
            url=settings.warehouse if is_warehouse else settings.postgres_url.get_secret_value()
        )

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings with this address in place of theirs."""
        url = self.secret_value("url")
        is_warehouse = ENGINE.has_address(settings.warehouse)
        return settings.model_copy(
            update={"warehouse": url} if is_warehouse else {"postgres_url": SecretStr(url)}
        )
