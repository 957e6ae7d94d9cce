"""`ecom api`, `ecom dashboard`, `ecom mcp` and `ecom api-key`: serve programs,
people and assistants; manage keys.
"""

import asyncio
import threading
import webbrowser
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from ecom_assets.cli.options import Host, Json, Port, UntilParentEnds
from ecom_assets.cli.terminal import print_answer
from ecom_assets.cli.ui import prepare_server, take_own_data
from ecom_assets.core.errors import UsageError, did_you_mean
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import ApiKey, KeyFile
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.values import LONGEST_EVENT_TYPE

OPENS_AFTER_S = 2.0
"""Seconds after which the browser is opened: the server listens by then."""


def api(
    host: Host = None,
    port: Port = None,
    until_parent_ends: UntilParentEnds = False,
) -> None:
    """Serve the HTTP API and the dashboard, until Ctrl-C."""
    settings = _ready(host, port)
    typer.echo(
        f"The API comes up at http://{settings.api_host}:{settings.api_port}; stop it with Ctrl-C.",
        err=True,
    )
    _serve(settings, until_parent_ends=until_parent_ends)


def dashboard(
    host: Host = None,
    port: Port = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser.")
    ] = False,
) -> None:
    """Serve the dashboard with the HTTP API, until Ctrl-C."""
    from ecom_assets.interfaces.dashboard.sessions import PREFIX  # noqa: PLC0415 (loads FastAPI)

    settings = _ready(host, port)
    address = f"http://{settings.api_host}:{settings.api_port}{PREFIX}/"
    typer.echo(f"The dashboard comes up at {address}; stop it with Ctrl-C.", err=True)
    if open_browser:
        threading.Timer(OPENS_AFTER_S, webbrowser.open, (address,)).start()
    _serve(settings)


def _ready(host: str | None, port: int | None) -> Settings:
    from ecom_assets.orchestration.rules import require_rules  # noqa: PLC0415 (loads Ibis)

    settings = load_settings(api_host=host, api_port=port)
    if message := take_own_data(settings):  # of which real time reads the newest
        settings = load_settings(api_host=host, api_port=port)
        typer.echo(message, err=True)
    require_rules(settings)
    prepare_server("API", settings)
    return settings


def _serve(settings: Settings, *, until_parent_ends: bool = False) -> None:
    from ecom_assets.interfaces.api.server import serve  # noqa: PLC0415 (loads FastAPI)
    from ecom_assets.interfaces.dashboard.app import build_dashboard_stack  # noqa: PLC0415 (loads FastAPI)

    serve(settings, build_dashboard_stack(settings), until_parent_ends=until_parent_ends)


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP, with the API's keys, until Ctrl-C.")
    ] = False,
    host: Host = None,
    port: Port = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="Let questions over stdio be about single people.")
    ] = False,
) -> None:
    """Answer an assistant's questions by the Model Context Protocol, over stdio or HTTP;
    nothing is written.
    """
    if not http and (host is not None or port is not None):
        option = "host" if host is not None else "port"
        raise UsageError(f"--{option} goes with --http only; over stdio there is no address.")
    if http and personal:
        raise UsageError("--personal is for stdio; over HTTP, use a key with the scope personal.")
    settings = load_settings(api_host=host, api_port=port)
    with packages_of("mcp", "ecom mcp"):
        from ecom_assets.interfaces.api.mcp.server import PATH, build_http, serve_stdio  # noqa: PLC0415 (needs the extra)
    from ecom_assets.core.http_server.json_log import json_lines  # noqa: PLC0415 (loads FastAPI)
    from ecom_assets.interfaces.api.server import serve  # noqa: PLC0415 (loads FastAPI)

    if not http:
        with json_lines():
            asyncio.run(serve_stdio(settings, sees_people=personal))
        return
    prepare_server("MCP server", settings)
    address = f"http://{settings.api_host}:{settings.api_port}"
    typer.echo(
        f"Assistants are answered at {address}{PATH}, and the API at {address}; stop it with "
        "Ctrl-C.",
        err=True,
    )
    serve(settings, stack=build_http(settings))


def create_key(
    name: Annotated[str, typer.Option(help="Who or what the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, personal, write, collect, link or admin; repeat it for several."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="A site whose pages may send events with the key, such as https://shop.example; "
            "default any."
        ),
    ] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option(
            help="A type of events that the key may send, such as mail_open for pictures in mails; "
            "default all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key, and show it this once."""
    scopes = scope or [Scope.READ.value]
    for requested in scopes:
        if requested not in set(Scope):
            raise UsageError(
                f"--scope {requested!r} is not a scope; {did_you_mean(requested, map(str, Scope))}."
            )
    granted = tuple(map(Scope, dict.fromkeys(scopes)))
    event_types = tuple(dict.fromkeys(event_type or ()))
    _check_sending(granted, has_origins=bool(origin), event_types=event_types)
    made, key = _file().create(name, granted, tuple(map(_origin, origin or ())), event_types)
    print_answer(_shown(made) | {"key": key}, key, as_json=as_json)
    if not as_json:
        typer.echo(
            f"Key {made.key_id} may {', '.join(made.scopes)}. It is shown only now and kept as a "
            "hash; send it as `Authorization: Bearer KEY`.",
            err=True,
        )


def list_keys(as_json: Json = False) -> None:
    """List the API keys; the keys themselves are kept nowhere."""
    keys = [_shown(key) for key in _file().all()]
    lines = []
    for key in keys:
        state = f"revoked {key['revoked_at']}" if key["revoked_at"] else "valid"
        scopes = f"{'+'.join(key['scopes']):<12}"
        limits = (*key["origins"], *key["event_types"])
        shown = (key["key_id"], scopes, key["created_at"], state, key["name"], *limits)
        lines.append("  ".join(shown))
    if keys or as_json:
        print_answer(keys, *lines, as_json=as_json)
    else:
        typer.echo("There are no keys; `ecom api-key create --name NAME` makes one.", err=True)


def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The id that `ecom api-key list` shows.")],
    as_json: Json = False,
) -> None:
    """Revoke an API key, with immediate effect."""
    print_answer(_shown(_file().revoke(key_id)), f"Key {key_id} is revoked.", as_json=as_json)


def _check_sending(
    scopes: tuple[Scope, ...], *, has_origins: bool, event_types: tuple[str, ...]
) -> None:
    """Refuse a key whose limits do not go with its scopes.

    Raises:
        UsageError: They do not.
    """
    sends = Scope.COLLECT in scopes or Scope.ADMIN in scopes
    if Scope.LINK in scopes and not sends:
        raise UsageError(
            "--scope link goes with --scope collect: it joins users by events that the key sends."
        )
    if Scope.LINK in scopes and has_origins:
        raise UsageError(
            "--scope link is for servers, and --origin is for keys in pages, which everybody can "
            "read; make two keys."
        )
    if event_types and not sends:
        raise UsageError(
            "--event-type goes with --scope collect: it limits the events that the key sends."
        )
    for name in event_types:
        if not 1 <= len(name) <= LONGEST_EVENT_TYPE or name != name.strip():
            raise UsageError(
                f"--event-type {name!r} is not a type of events; give 1 to {LONGEST_EVENT_TYPE} "
                "characters without spaces at an end, such as mail_open."
            )


def _origin(address: str) -> str:
    """Return an origin as browsers send it.

    Raises:
        UsageError: It is not one.
    """
    parts = urlsplit(address)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.netloc
        or parts.path.strip("/")
        or parts.query
    ):
        raise UsageError(
            f"--origin {address!r} is not a site; give its scheme and host, such as "
            "https://shop.example."
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _file() -> KeyFile:
    return KeyFile(load_settings().home)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": [scope.value for scope in key.scopes],
        "origins": list(key.origins),
        "event_types": list(key.event_types),
        "created_at": key.created_at.isoformat(timespec="seconds"),
        "revoked_at": key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else None,
    }
