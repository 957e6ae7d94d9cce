"""Who may use the API by its settings, found without loading the API."""

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.addresses import is_loopback_name
from ecom_assets.core.http_server.credentials import Credentials
from ecom_assets.core.http_server.keys import KeyFile, KeyRing
from ecom_assets.core.http_server.tokens import TokenReader
from ecom_assets.core.settings.settings import Settings


def credentials_of(settings: Settings) -> Credentials:
    """Return the keys and the reader of tokens.

    Raises:
        EcomError: A setting is wrong, or the keys cannot be read.
    """
    keys = KeyRing.read(KeyFile(settings.home), settings.api_keys.get_secret_value())
    return Credentials(keys, TokenReader(settings) if TokenReader.are_used(settings) else None)


def refuse_open_access(settings: Settings, credentials: Credentials) -> None:
    """Raise if the API would be open to other machines without a key.

    Raises:
        UsageError: The API would listen beyond loopback, and there is no key.
    """
    if not is_loopback_name(settings.api_host) and not credentials.are_needed():
        raise UsageError(
            "The API would be open to everybody who reaches "
            f"{settings.api_host}:{settings.api_port}; make a key with `ecom api-key create`, or "
            "set ECOM_API_KEYS or ECOM_JWT_…, or listen on 127.0.0.1."
        )
