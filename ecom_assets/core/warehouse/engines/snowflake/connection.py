"""How Snowflake is reached: an address, its secrets, a connection through dagster-snowflake,
and what errors mean.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr
from snowflake.connector import SnowflakeConnection, errors
from snowflake.connector.vendored.requests.exceptions import RequestException

from ecom_assets.core.errors import ConnectionLostError, SettingError, WarehouseError, did_you_mean
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import broken_contract
from ecom_assets.core.warehouse.engines.snowflake.settings import SnowflakeSettings

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engines.snowflake.resource import SnowflakeAccount

FORM = "snowflake://USER:PASSWORD@ACCOUNT/DATABASE?warehouse=WAREHOUSE"
OPTIONS = (
    "warehouse",
    "role",
    "authenticator",
    "token",
    "private_key_path",
    "host",
    "port",
    "protocol",
    "login_timeout",
    "network_timeout",
)
LOGIN_TIMEOUT_S = 30
NETWORK_TIMEOUT_S = 120
"""How long a request that fails is tried again; a statement that runs may take longer."""
LOCK_TIMEOUT_S = 600
"""How long a writer waits for another writer of the same table."""
SESSION = {
    "TIMEZONE": "UTC",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "LOCK_TIMEOUT": LOCK_TIMEOUT_S,
    "QUERY_TAG": "ecom_assets",
    "CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False,
}
NO_NULL, LOCKED = 100072, 625
SUSPENDED = {606, 90058, 90064, 90073}
FORBIDDEN = {3001, 3041}
GONE = {
    250002,
    250003,
    250005,
    251011,
    251012,
    252007,
    390111,
    390112,
    390113,
    390114,
    390115,
    390195,
}
"""Numbers of errors that say that the connection or its session, not the statement, failed."""


class Account(Protocol):
    """The resource that the engine logs in through: dagster-snowflake's, ours or a test's."""

    def get_connection(self) -> contextlib.AbstractContextManager[Any]:
        """Log in for the length of the block."""


@dataclass(frozen=True)
class SnowflakeAddress:
    """A parsed `snowflake://…` address.

    The secrets `password`, `token` and `key_password` are in no repr.
    """

    setting: str
    shown: str
    account: str
    user: str
    path: tuple[str, ...]
    options: Mapping[str, str]
    password: SecretStr = field(repr=False)
    token: SecretStr = field(repr=False)
    key_password: SecretStr = field(repr=False)

    @classmethod
    def parse(cls, url: str, settings: Settings, setting: str) -> "SnowflakeAddress":
        """Parse an address; secrets that it does not contain come from the settings.

        Raises:
            SettingError: Account, user, database or a way to log in is missing, or an option is
                unknown.
        """
        parts = urlsplit(url)
        login, _, account = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        options = dict(parse_qsl(parts.query))
        own = SnowflakeSettings.part_of(settings)
        for name in options:
            if name not in OPTIONS:
                raise SettingError(
                    f"{setting} has the option {name!r}: {did_you_mean(name, OPTIONS)}."
                )
        key_path = options.get("private_key_path") or str(own.snowflake_private_key_path or "")
        address = cls(
            setting=setting,
            shown=without_secrets(url),
            account=account,
            user=unquote(user),
            path=tuple(unquote(part).upper() for part in parts.path.split("/") if part),
            options={**options, "private_key_path": key_path},
            password=SecretStr(unquote(password) or own.snowflake_password.get_secret_value()),
            token=SecretStr(options.pop("token", "") or own.snowflake_token.get_secret_value()),
            key_password=own.snowflake_private_key_password,
        )
        address._require_complete()
        return address

    @property
    def database(self) -> str:
        """Return the database, as Snowflake spells it."""
        return self.path[0]

    @property
    def server(self) -> tuple[str, str, str]:
        """Return what identifies the account."""
        return self.account.lower(), self.options.get("host", ""), self.options.get("port", "")

    @contextlib.contextmanager
    def connected(self, account: "Account | None" = None) -> Iterator[SnowflakeConnection]:
        """Log in for the length of the block, through a resource of Dagster if one is given.

        Raises:
            WarehouseError: The account cannot be reached, or refuses the user.
        """
        with contextlib.ExitStack() as open_connection:
            try:
                con = open_connection.enter_context((account or self.resource()).get_connection())
            except (errors.Error, ValueError, TypeError, OSError) as error:
                raise WarehouseError(
                    f"{self.shown} cannot be opened: {reason_of(error)}; correct user and secret "
                    "(ECOM_SNOWFLAKE_…), or the account in the address."
                ) from error
            yield con

    def _require_complete(self) -> None:
        named = {"an account": self.account, "a user": self.user, "a database": self.path}
        missing = [name for name, value in named.items() if not value]
        if missing:
            raise SettingError(
                f"{self.setting}={self.shown!r} lacks {' and '.join(missing)}; write {FORM}."
            )
        if not any(self._login().values()):
            raise SettingError(
                f"{self.setting}={self.shown!r} does not say how to log in; set "
                "ECOM_SNOWFLAKE_PASSWORD, ECOM_SNOWFLAKE_PRIVATE_KEY_PATH or "
                "ECOM_SNOWFLAKE_TOKEN."
            )

    def _login(self) -> dict[str, str]:
        """Return the one way to log in: a token where there is one, else a key pair,
        else the password.
        """
        key_path, token = self.options["private_key_path"], self.token.get_secret_value()
        authenticator = self.options.get("authenticator", "")
        if token:
            return {"authenticator": authenticator or "oauth"}
        if key_path:
            secret = self.key_password.get_secret_value()
            return {
                "private_key_path": key_path,
                **({"private_key_password": secret} if secret else {}),
            }
        return {"password": self.password.get_secret_value(), "authenticator": authenticator}

    def resource(self) -> "SnowflakeAccount":
        """Return the account as a Dagster resource."""
        from ecom_assets.core.warehouse.engines.snowflake.resource import SnowflakeAccount  # noqa: PLC0415 (loads slowly)

        return SnowflakeAccount(**self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the resource, secrets included."""
        more: dict[str, Any] = {
            **{
                name: self.options[name]
                for name in ("host", "port", "protocol")
                if name in self.options
            },
            "session_parameters": SESSION,
        }
        return {
            "account": self.account,
            "user": self.user,
            "database": self.database,
            "autocommit": True,
            "token": self.token.get_secret_value() or None,
            "login_timeout": int(self.options.get("login_timeout", LOGIN_TIMEOUT_S)),
            "network_timeout": int(self.options.get("network_timeout", NETWORK_TIMEOUT_S)),
            "additional_snowflake_connection_args": more,
            **{name: self.options[name] for name in ("warehouse", "role") if name in self.options},
            **{name: value for name, value in self._login().items() if value},
        }


@contextlib.contextmanager
def plain_errors(location: SnowflakeAddress) -> Iterator[None]:
    """Replace Snowflake's errors by sentences that say what to do.

    Raises:
        ConnectionLostError: The connection or its session is gone.
        ContractError: A row lacks a value that its table must have.
        WarehouseError: Anything else.
    """
    try:
        yield
    except (errors.Error, RequestException) as error:
        number = getattr(error, "errno", None) or 0
        if number in GONE or isinstance(error, errors.InterfaceError | RequestException):
            raise ConnectionLostError(
                f"{location.shown}: the connection was lost ({reason_of(error)}); nothing was "
                "changed, run again when the service is back."
            ) from error
        if number == NO_NULL:
            raise broken_contract(reason_of(error)) from error
        advice = _advice(number, location.setting)
        raise WarehouseError(
            f"{location.shown}: {reason_of(error)}; nothing was changed; {advice}."
        ) from error


def _advice(number: int, setting: str) -> str:
    if number in SUSPENDED:
        return (
            f"resume the warehouse that {setting} names, or name another with ?warehouse=, and "
            "run again"
        )
    if number in FORBIDDEN:
        return f"grant the right to the role of {setting}, and run again"
    if number == LOCKED:
        return "another run writes the same table: wait for it to end, and run again"
    return "fix the error above, and run again"


def reason_of(error: Exception) -> str:
    """Return Snowflake's message on one line, without the ids of statement and session."""
    text = getattr(error, "raw_msg", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")
