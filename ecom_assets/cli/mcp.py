"""`ecom mcp`: the numbers as tools of an assistant, read-only."""

import asyncio
from typing import Annotated

import typer

from ecom_assets.cli.options import Host, Port
from ecom_assets.errors import UsageError
from ecom_assets.optional_imports import packages_of
from ecom_assets.settings.settings import Settings, load_settings

HTTP_ONLY = "goes with --http only; over stdio there is no address"


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP, with the API's keys, until Ctrl-C.")] = False,
    host: Host = None,
    port: Port = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="Let questions over stdio be about single people.")
    ] = False,
) -> None:
    """Answer an assistant's questions by the Model Context Protocol, over stdio or HTTP; nothing is written."""
    if not http and (host is not None or port is not None):
        raise UsageError(f"--{'host' if host is not None else 'port'} {HTTP_ONLY}.")
    if http and personal:
        raise UsageError("--personal is for stdio; over HTTP, use a key with the scope personal.")
    settings = load_settings(api_host=host, api_port=port)
    with packages_of("mcp", "ecom mcp"):
        import ecom_assets.api.mcp.server  # noqa: F401, PLC0415 (needs the extra)
    if http:
        _serve_http(settings)
        return
    from ecom_assets.api.mcp.server import serve_stdio  # noqa: PLC0415 (as above)
    from ecom_assets.api.middleware.request_log import json_lines  # noqa: PLC0415 (loads FastAPI)

    with json_lines():
        asyncio.run(serve_stdio(settings, sees_people=personal))


def _serve_http(settings: Settings) -> None:
    from ecom_assets.api.mcp.server import PATH, build_http  # noqa: PLC0415 (needs the extra)
    from ecom_assets.api.server import serve  # noqa: PLC0415 (loads FastAPI)
    from ecom_assets.cli.ui import prepare_server  # noqa: PLC0415 (only needed here)

    prepare_server("MCP server", settings)
    address = f"http://{settings.api_host}:{settings.api_port}"
    typer.echo(f"Assistants are answered at {address}{PATH}, and the API at {address}; stop it with Ctrl-C.", err=True)
    serve(settings, stack=build_http(settings))
