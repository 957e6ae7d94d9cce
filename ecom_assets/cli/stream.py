"""`ecom stream`: take events, orders or customers from Kafka topics into a landing folder."""

from typing import Annotated

import typer

from ecom_assets.cli.options import OwnData
from ecom_assets.cli.platform_run import settings_of
from ecom_assets.errors import UsageError
from ecom_assets.settings.home import close_to_others
from ecom_assets.settings.intake import StreamKind
from ecom_assets.settings.settings import written_paths
from ecom_assets.sources.landing import address_of


def stream(
    address: Annotated[
        str, typer.Argument(help="kafka://HOST:PORT/TOPIC; default ECOM_EVENTS, or that of --kind.")
    ] = "",
    kind: Annotated[
        StreamKind, typer.Option(help="What the messages are; ECOM_ORDERS and ECOM_CUSTOMERS name the others' topics.")
    ] = "events",
    events: Annotated[
        list[str] | None, typer.Option("--events", help="Folder in which the events land; default ECOM_EVENTS.")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="Mapping of the messages; default ECOM_EVENTS_MAPPING, or that of --kind.")
    ] = None,
    accept_reset: Annotated[
        bool, typer.Option("--accept-reset", help="Go on with topics that were created again or lost their end.")
    ] = False,
) -> None:
    """Take events from Kafka topics into the landing folder, until Ctrl-C; several processes share the partitions."""
    from ecom_assets.stream.address import StreamAddress, stream_landing  # noqa: PLC0415 (the client is optional)
    from ecom_assets.stream.health import shown  # noqa: PLC0415 (as above)
    from ecom_assets.stream.running import opened_stream, run_until_stopped  # noqa: PLC0415 (as above)

    if events and kind != "events":
        raise UsageError(f"--events is the folder in which events land; {kind} land in <home>/landing/{kind}.")
    settings = settings_of(OwnData.read(events, None, None, (None, None)))
    source = StreamAddress.parse(address or address_of(settings, kind), kind)
    if mapping:
        settings = settings.model_copy(update={f"{kind}_mapping": mapping})
    landing = stream_landing(settings, kind, address)
    close_to_others(written_paths(settings), settings.home)
    with (
        opened_stream(settings, source, landing, accepts_reset=accept_reset) as opened,
        shown(opened, settings.stream_host, settings.stream_port) as health,
    ):
        names = ", ".join(source.topics)
        message = f"{kind.title()} of {names} land in {landing}; state: {health or 'none'}; stop it with Ctrl-C."
        typer.echo(message, err=True)
        run_until_stopped(opened)
