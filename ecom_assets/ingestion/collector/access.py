"""Who may send events: write keys with their sites, and how many events they may send."""

import base64
import binascii
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.addresses import counted_address, is_loopback_name
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.http_server.credentials import LONGEST_CREDENTIAL, Credentials
from ecom_assets.core.http_server.keys import KeyFile, KeyRing
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.serving import NO_LIMIT
from ecom_assets.core.settings.settings import Settings

NOBODY: Final = Caller("", frozenset())
"""The caller where no keys are used."""
RETRY_S: Final = 5
"""Seconds after which senders should try again when the collector takes nothing."""


class CollectRefusal(Exception):  # noqa: N818 (no failure of ours: the answer of a request)
    """A request of which nothing is taken."""

    def __init__(
        self, status: HTTPStatus, reason: str, detail: str, retry_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_s = retry_s


@dataclass
class EventQuota:
    """Events per key and per address in the current window; of this process only."""

    per_key: str
    per_address: str
    _limiter: FixedWindowRateLimiter = field(
        default_factory=lambda: FixedWindowRateLimiter(MemoryStorage())
    )

    def take(self, caller: str, address: str, event_count: int) -> None:
        """Count events.

        Raises:
            CollectRefusal: There were more than allowed; none is counted.
        """
        limits = (
            ("key", self.per_key, caller),
            ("address", self.per_address, counted_address(address)),
        )
        for kind, rate, name in limits:
            if rate == NO_LIMIT:
                continue
            item = parse(rate)
            cost = min(event_count, item.amount)
            if not self._limiter.test(item, kind, name, cost=cost):
                left_s = self._limiter.get_window_stats(item, kind, name).reset_time - time.time()
                wait_s = max(1, math.ceil(left_s))
                detail = (
                    f"This {kind} may send {item.amount} events per {item.GRANULARITY.name}; wait "
                    f"{wait_s} s."
                )
                raise CollectRefusal(HTTPStatus.TOO_MANY_REQUESTS, "quota", detail, wait_s)
        for kind, rate, name in limits:
            if rate != NO_LIMIT:
                self._hit(parse(rate), kind, name, event_count)

    def _hit(self, item: RateLimitItem, kind: str, name: str, event_count: int) -> None:
        """Count events; more than a window allows were sent in an empty one,
        which then lasts as long as several.
        """
        window_count = math.ceil(event_count / item.amount)
        self._limiter.storage.incr(
            item.key_for(kind, name), item.get_expiry() * window_count, event_count
        )


class WriteAccess:
    """The write keys of one `ECOM_HOME`.

    Without any key, the collector listens on this machine only, and takes all.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the keys.

        Raises:
            UsageError: The collector would be open to other machines without a key.
            EcomError: The keys cannot be read.
        """
        keys = KeyRing.read(KeyFile(settings.home), settings.api_keys.get_secret_value())
        self._credentials = Credentials(keys, None)
        if not is_loopback_name(settings.collect_host) and not self._credentials.are_needed():
            raise UsageError(
                "The collector would take events from everybody who reaches "
                f"{settings.collect_host}; make a key with `ecom api-key create --scope collect`, "
                "or listen on 127.0.0.1."
            )

    async def caller(self, key: str, site: str, *, needs_site: bool = False) -> Caller:
        """Return who sends events; without any key, a caller without a name.

        Args:
            key: The key of the request.
            site: The site of the page that sends it; empty if it names none.
            needs_site: Whether a key of some sites sends nothing without one: no page can hide it
                from a server, but every page can show an image without saying where it is.

        Raises:
            CollectRefusal: The key is missing, unknown, of another scope, or not for pages of this
                site.
        """
        if (caller := await self._caller(key)) is None:
            return NOBODY
        if not caller.may(Scope.COLLECT):
            detail = (
                "This key has no scope 'collect'; use one of `ecom api-key create --scope collect`."
            )
            raise CollectRefusal(HTTPStatus.FORBIDDEN, "wrong_scope", detail)
        if site and caller.origins and site.lower() not in caller.origins:
            detail = (
                f"Pages of {site} may not send events with this key; make one with --origin {site}."
            )
            raise CollectRefusal(HTTPStatus.FORBIDDEN, "foreign_origin", detail)
        if needs_site and caller.origins and not site:
            detail = (
                "This key is for pages of some sites, and the request names none (Origin or "
                "Referer); for mails use a key of its own, without --origin, of `ecom api-key "
                "create --scope collect --event-type mail_open`."
            )
            raise CollectRefusal(HTTPStatus.FORBIDDEN, "missing_origin", detail)
        return caller

    async def require_reader(self, key: str) -> None:
        """Raise if a key may not read the metrics.

        Raises:
            CollectRefusal: As `caller`; a write key may not.
        """
        caller = await self._caller(key)
        if caller is not None and not caller.may(Scope.READ):
            detail = "This key may send events and read nothing; use one with the scope 'read'."
            raise CollectRefusal(HTTPStatus.FORBIDDEN, "wrong_scope", detail)

    async def _caller(self, key: str) -> Caller | None:
        if not self._credentials.are_needed():
            return None
        if not key:
            detail = (
                "A write key is needed: as `key` in the body, as `Authorization: Bearer KEY`, or "
                "as Basic user."
            )
            raise CollectRefusal(HTTPStatus.UNAUTHORIZED, "missing_key", detail)
        caller = await self._credentials.caller_of(key) if len(key) <= LONGEST_CREDENTIAL else None
        if caller is None:
            detail = "This write key is unknown or revoked; ask for a new one."
            raise CollectRefusal(HTTPStatus.UNAUTHORIZED, "wrong_key", detail)
        return caller


def key_of(headers: Mapping[bytes, bytes], members: NamedValues) -> str:
    """Return the key of a request, from its headers, else from its body or query;
    empty without one.
    """
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip().decode("latin-1")
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[0]
        except (binascii.Error, ValueError):
            return ""
    if named := headers.get(b"x-api-key"):
        return named.decode("latin-1")
    key = members.get("key") or members.get("writeKey")
    return key if isinstance(key, str) else ""
