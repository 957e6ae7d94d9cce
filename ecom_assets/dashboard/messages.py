"""What the last action did, in a signed cookie that the next page shows and forgets."""

import json
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ecom_assets.dashboard.sessions import cookie_of, read_signed_text, secret_of, set_cookie, signed_text

MESSAGE: Final = "ecom_said"
LASTS_S: Final = 60


def keep_message(request: Request, response: Response, tone: str, text: str) -> None:
    """Keep the result of an action for the next page of this browser; `tone` is good or bad."""
    value = signed_text(secret_of(request.app.state.settings.home), json.dumps({"tone": tone, "text": text}))
    is_secure = request.url.scheme == "https"
    response.headers.append("set-cookie", set_cookie(MESSAGE, value, LASTS_S, is_secure=is_secure))


def message_for(request: Request) -> Mapping[str, str] | None:
    """Return the result of the last action of this browser; None if there is none."""
    cookie = cookie_of(request.scope, MESSAGE)
    text = cookie and read_signed_text(secret_of(request.app.state.settings.home), cookie)
    return dict(json.loads(text)) if text else None


def forget_message(response: Response) -> None:
    """Delete the kept result from the browser."""
    response.headers.append("set-cookie", set_cookie(MESSAGE, "", 0, is_secure=False))
