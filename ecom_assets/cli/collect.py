"""`ecom collect`: take events over HTTP into the landing folder."""

from typing import Annotated

import typer

from ecom_assets.cli.options import OwnData, UntilParentEnds
from ecom_assets.cli.platform_run import settings_of
from ecom_assets.settings.home import close_to_others
from ecom_assets.settings.settings import written_paths
from ecom_assets.sources.landing import landing_folder


def collect(
    events: Annotated[
        list[str] | None, typer.Option("--events", help="Folder in which the events land; default ECOM_EVENTS.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default ECOM_COLLECT_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default ECOM_COLLECT_PORT.")] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Let the events land beside those of the simulated shop.")
    ] = False,
    until_parent_ends: UntilParentEnds = False,
) -> None:
    """Take events over HTTP into the landing folder, until Ctrl-C; several processes may share a port."""
    from ecom_assets.collector.server import serve_collector  # noqa: PLC0415 (loads uvicorn and DuckDB)

    settings = settings_of(OwnData.read(events, None, None, (None, None)))
    listens = {"collect_host": host, "collect_port": port}
    settings = settings.model_copy(update={name: value for name, value in listens.items() if value is not None})
    landing = landing_folder(settings, is_sandbox=sandbox)
    close_to_others(written_paths(settings), settings.home)
    typer.echo(
        f"The collector comes up at http://{settings.collect_host}:{settings.collect_port}; events land in {landing}; "
        "stop it with Ctrl-C.",
        err=True,
    )
    serve_collector(settings, landing, until_parent_ends=until_parent_ends)
