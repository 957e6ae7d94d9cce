"""The credentials of requests: keys and tokens, and the callers that they identify."""

from dataclasses import dataclass

from starlette.types import Scope as Request

from ecom_assets.core.http_server.callers import Caller
from ecom_assets.core.http_server.keys import KeyRing
from ecom_assets.core.http_server.tokens import TokenReader

LONGEST_CREDENTIAL = 8_192
_TOKEN_DOTS = 2


@dataclass
class Credentials:
    """The keys and tokens of callers; the reader of tokens is None if tokens are not used."""

    keys: KeyRing
    tokens: TokenReader | None
    _are_needed: bool = False

    def are_needed(self) -> bool:
        """Return whether there was ever a key, or tokens are configured.

        Once true, this stays true: if the file of keys is lost, the API must not become open.
        """
        self._are_needed = self._are_needed or self.tokens is not None or not self.keys.is_empty()
        return self._are_needed

    async def caller_of(self, credential: str) -> Caller | None:
        """Return the caller that a key or token identifies; None if it is not valid."""
        if self.tokens is not None and credential.count(".") == _TOKEN_DOTS:
            return await self.tokens.find(credential)
        return self.keys.find(credential)


def credential_of(scope: Request) -> str:
    """Return the key or token of a request; empty without one."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, credential = headers.get(b"authorization", b"").partition(b" ")
    result = credential if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return result.strip().decode("latin-1")
