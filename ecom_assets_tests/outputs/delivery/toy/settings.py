"""Settings of the toy."""

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings, WebAddress


class ToySettings(PackageSettings):
    """What `Settings` has for the toy."""

    toy_key: SecretStr = Field(SecretStr(""), description="Key of the toy")
    toy_shop: str = Field("main", description="Name of the shop at the toy, whatever its key")
    toy_url: WebAddress = Field("https://toy.example", description="Address of the toy")


SETTINGS = ToySettings
