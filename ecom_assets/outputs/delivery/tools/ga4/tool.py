"""The `Tool` for GA4's Measurement Protocol.

GA4 answers every request with 2xx and does not say what it accepted. It recognizes repeated
purchases by their transaction_id, but no other events. So records that may have reached it are not
sent again, unless the shop allows it. Google's User Deletion API takes one id of a property at a
time.
"""

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from ecom_assets.outputs.delivery.batch_sender import BatchOutcome, BatchResponse, read_common
from ecom_assets.outputs.delivery.payloads import cut_by
from ecom_assets.outputs.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.outputs.delivery.tool import Deletion, Feed, Send, Tool, accepted
from ecom_assets.outputs.delivery.tools.ga4 import payload as ga4
from ecom_assets.outputs.delivery.tools.ga4.settings import Ga4Settings

UNCONFIRMED = ("unconfirmed", "GA4 got it; it says nothing of what it takes.")
_EVENTS = ',"events":['
"""The start of the events in a payload; no text can contain this,
because quotes in texts are escaped.
"""
_PURCHASE = f'{_EVENTS}{{"name":"purchase",'


def _request(settings: Ga4Settings, payloads: Sequence[str]) -> PostRequest:
    params = {
        "measurement_id": settings.ga4_measurement_id,
        "api_secret": settings.ga4_api_secret.get_secret_value(),
    }
    return PostRequest(
        f"{settings.ga4_address}/mp/collect", merged(payloads).encode(), params=params
    )


def _repeats(settings: Ga4Settings) -> bool:
    return settings.ga4_unconfirmed == "at_least_once"


def is_purchase(payload: str) -> bool:
    """Return whether an event is a purchase, which GA4 deduplicates by its transaction_id."""
    return _PURCHASE in payload


def merged(payloads: Sequence[str]) -> str:
    """Merge payloads of the same person into one request with all their events."""
    head = payloads[0].partition(_EVENTS)[0]
    inner = ",".join(payload.partition(_EVENTS)[2].removesuffix("]}") for payload in payloads)
    return f"{head}{_EVENTS}{inner}]}}"


def read(reply: Reply, _payloads: Sequence[str]) -> BatchResponse:
    """Interpret a response of GA4, which has only a status."""
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status < 300:  # noqa: PLR2004 (2xx)
        return BatchResponse(BatchOutcome.ACCEPTED, accepted_note=UNCONFIRMED)
    return BatchResponse(BatchOutcome.SPLIT, message=reply.message)


def _cut(payloads: pa.Table, *, most_records: int, most_bytes: int) -> Iterator[pa.Table]:
    """Split payloads by person, because a request is for one person:
    its payloads are equal except for the events.
    """
    heads = pc.list_element(pc.split_pattern(payloads["payload"], _EVENTS, max_splits=1), 0)
    return cut_by(payloads, heads, most_records=most_records, most_bytes=most_bytes)


DELETIONS = "/analytics/v3/userDeletion/userDeletionRequests:upsert"
USER, CLIENT = "USER_ID", "CLIENT_ID"


def ids_of(_settings: Ga4Settings, users: Sequence[str], anonymous: Sequence[str]) -> list[str]:
    """Return ids with their type: users are sent as user and as client,
    anonymous visitors as client.
    """
    return [
        *(f"{USER} {user_id}" for user_id in users),
        *(f"{CLIENT} {user_id}" for user_id in (*users, *anonymous)),
    ]


def request_deletion(settings: Ga4Settings, ids: Sequence[str], send: Send) -> str:
    """Request the deletion of an id;
    a repeated request moves the time up to which its data are deleted.
    """
    (user_key,) = ids
    kind, _, value = user_key.partition(" ")
    body = {
        "kind": "analytics#userDeletionRequest",
        "id": {"type": kind, "userId": value},
        "propertyId": settings.ga4_property_id,
    }
    request = PostRequest(
        settings.ga4_deletion_address + DELETIONS,
        json.dumps(body).encode(),
        bearer=settings.ga4_deletion_token.get_secret_value(),
    )
    result = accepted("GA4", send(request)).content()
    return f"data until {result.get('deletionRequestTime', 'now')}, requested"


EVENT_LIMITS = Limits(most_records=25, most_bytes=129_999, pause_s=30.0)
USER_LIMITS = Limits(most_records=1, most_bytes=129_999, pause_s=30.0)

TOOL = Tool(
    name="ga4",
    title="GA4",
    settings=Ga4Settings,
    needed=("ga4_measurement_id", "ga4_api_secret"),
    account_settings="ECOM_GA4_MEASUREMENT_ID, ECOM_GA4_API_SECRET and ECOM_GA4_REGION or _URL",
    is_set=lambda settings: bool(
        settings.ga4_measurement_id and settings.ga4_api_secret.get_secret_value()
    ),
    address=lambda settings: settings.ga4_address,
    project=lambda settings: settings.ga4_measurement_id,
    confirms=False,  # it answers every request with 2xx and does not say what it accepted
    events=Feed(
        form=lambda _settings: ga4.EVENTS,
        request=_request,
        limits=lambda _settings: EVENT_LIMITS,
        cut=_cut,
        safe_to_repeat=_repeats,
        repeatable=lambda settings, payload: _repeats(settings) or is_purchase(payload),
        repeat_window_s=ga4.OLDEST_S,
    ),
    users=Feed(
        form=lambda _settings: ga4.USERS,
        request=_request,
        limits=lambda _settings: USER_LIMITS,
        cut=_cut,
    ),
    read=read,
    halves=(("ga4_measurement_id", "ga4_api_secret"),),
    placeholders={"ga4_measurement_id": "G-DRYRUN", "ga4_api_secret": SecretStr("dry-run")},
    deletion=Deletion(
        needed=("ga4_property_id", "ga4_deletion_token"),
        most=1,
        ids=ids_of,
        request_deletion=request_deletion,
    ),
    has_stand_in=True,
)
