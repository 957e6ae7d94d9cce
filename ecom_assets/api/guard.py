"""Who may pass: keys and tokens, scopes by path, rates, and a record of who did not. Not here: how keys are kept."""

import ipaddress
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from ecom_assets.api.audit import AuditLog
from ecom_assets.api.callers import CALLER, Caller, Scope, is_health, scope_for
from ecom_assets.api.key_ring import KeyRing
from ecom_assets.api.rates import Rates, TooMany
from ecom_assets.api.refusals import REFUSED, WRONG_SCOPE, Refusal, scope_challenge
from ecom_assets.api.tokens import TokenReader

LONGEST_CREDENTIAL = 8_192
_TOKEN_DOTS = 2


class Credentials:
    """What lets callers in."""

    def __init__(self, keys: KeyRing, tokens: TokenReader | None) -> None:
        """Take the keys, and what reads tokens; None where none are used."""
        self.keys = keys
        self.tokens = tokens
        self._are_needed = tokens is not None

    def are_needed(self) -> bool:
        """Tell whether anybody was ever given a key, or tokens are set.

        What was so once stays so: a file of keys that is gone must not open the door.
        """
        if not self._are_needed:
            self._are_needed = not self.keys.is_empty()
        return self._are_needed

    async def caller_of(self, credential: str) -> Caller | None:
        """Return who holds it; None if nobody does any more."""
        if self.tokens is not None and credential.count(".") == _TOKEN_DOTS:
            return await self.tokens.find(credential)
        return self.keys.find(credential)


class Guard:
    """ASGI middleware that lets through who may pass.

    While no key was ever made, everybody on this machine may read: the API then listens on loopback only, and heeds no
    request that a web page made under another name for this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, credentials: Credentials, rates: Rates, audit: AuditLog) -> None:
        """Take what is guarded, who may pass, how often, and where denials are written down."""
        self._app = app
        self._credentials = credentials
        self._rates = rates
        self._audit = audit

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = await self._look(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            if scope.get(REFUSED) == WRONG_SCOPE:  # by a route, of what only the question's body tells
                self._audit.denied(scope, WRONG_SCOPE, HTTPStatus.FORBIDDEN)
        else:
            self._audit.denied(scope, refusal.reason, refusal.status)
            await refusal.send_to(scope, send)

    async def _look(self, scope: Request) -> Refusal | None:
        are_needed = self._credentials.are_needed()
        if not are_needed and not _is_of_this_machine(scope):
            return _wrong_host()
        if is_health(scope["path"]):
            return None
        if too_many := self._rates.count("address", counted_address((scope.get("client") or ("unknown",))[0])):
            return _too_many(too_many, "this address")
        needed = scope_for(scope["path"]) if are_needed else None
        return None if needed is None else await self._look_at_caller(scope, needed)

    async def _look_at_caller(self, scope: Request, needed: Scope) -> Refusal | None:
        credential = _credential(scope)
        if not credential:
            return _unknown(
                "missing_key", "A key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
            )
        caller = await self._credentials.caller_of(credential) if len(credential) <= LONGEST_CREDENTIAL else None
        if caller is None:
            return _unknown("wrong_key", "This key or token is unknown, revoked or over; ask for a new one.")
        scope[CALLER] = caller
        if too_many := self._rates.count("key", caller.name):
            return _too_many(too_many, "this key")
        if not caller.may(needed):
            detail = f"This key has no scope {needed.value!r}, which {scope['path']} needs; use one that has it."
            return Refusal(HTTPStatus.FORBIDDEN, WRONG_SCOPE, detail, scope_challenge(needed))
        return None


def _is_of_this_machine(scope: Request) -> bool:
    """Tell whether a request came from this machine, and by a name of it for itself; or inside of the process."""
    peer = (scope.get("client") or ("",))[0]
    try:
        if not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
            return False
    except ValueError:
        if peer:  # it came over no network: Starlette's test client has a name there
            return True
    return is_loopback_name(_headers(scope).get(b"host", b"").decode("latin-1"))


def is_loopback_name(host: str) -> bool:
    """Tell whether a host, with a port or without, is a name of this machine for itself."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def counted_address(address: str) -> str:
    """Return what an address is counted by: of IPv6 its network, as a client has 2^64 addresses in it."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address


def _headers(scope: Request) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _credential(scope: Request) -> str:
    headers = _headers(scope)
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    found = rest if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return found.strip().decode("latin-1")


def _unknown(reason: str, detail: str) -> Refusal:
    error = ', error="invalid_token"' if reason == "wrong_key" else ""
    challenge = {"www-authenticate": f'Bearer realm="ecom_assets"{error}'}
    return Refusal(HTTPStatus.UNAUTHORIZED, reason, detail, challenge)


def _too_many(found: TooMany, whose: str) -> Refusal:
    detail = f"{whose.capitalize()} may ask {found.rate}; come again in {found.retry_after_s} s."
    headers = {"retry-after": str(found.retry_after_s)}
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", detail, headers)


def _wrong_host() -> Refusal:
    detail = "Without API keys only this machine is answered, by its own name; ask http://127.0.0.1 or make a key."
    return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", detail)
