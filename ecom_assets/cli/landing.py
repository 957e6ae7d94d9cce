"""`ecom collect`, `ecom stream` and `ecom compact`: take events into the landing folder,
and merge its small files.
"""

from typing import Annotated

import typer

from ecom_assets.cli.options import Events, Json, OwnData, UntilParentEnds
from ecom_assets.cli.platform_run import settings_of
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import without_none
from ecom_assets.core.settings.home import close_to_others
from ecom_assets.core.settings.intake import StreamKind
from ecom_assets.core.settings.settings import written_paths
from ecom_assets.ingestion.sources.compaction import compact
from ecom_assets.ingestion.sources.events import event_paths
from ecom_assets.ingestion.sources.files.formats import find_files
from ecom_assets.ingestion.sources.landing import address_of, landing_folder

LandingFolder = Annotated[
    list[str] | None,
    typer.Option("--events", help="Folder in which the events land; default ECOM_EVENTS."),
]


def collect(
    events: LandingFolder = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default ECOM_COLLECT_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; default ECOM_COLLECT_PORT.")
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Let the events land beside those of the simulated shop."),
    ] = False,
    until_parent_ends: UntilParentEnds = False,
) -> None:
    """Take events over HTTP into the landing folder, until Ctrl-C;
    several processes may share a port.
    """
    from ecom_assets.ingestion.collector.server import serve_collector  # noqa: PLC0415 (loads uvicorn and DuckDB)

    settings = settings_of(OwnData.read(events, None, None, (None, None)))
    listens = {"collect_host": host, "collect_port": port}
    settings = settings.model_copy(update=without_none(listens))
    landing = landing_folder(settings, is_sandbox=sandbox)
    close_to_others(written_paths(settings), settings.home)
    typer.echo(
        f"The collector comes up at http://{settings.collect_host}:{settings.collect_port}; "
        f"events land in {landing}; stop it with Ctrl-C.",
        err=True,
    )
    serve_collector(settings, landing, until_parent_ends=until_parent_ends)


def stream(
    address: Annotated[
        str, typer.Argument(help="kafka://HOST:PORT/TOPIC; default ECOM_EVENTS, or that of --kind.")
    ] = "",
    kind: Annotated[
        StreamKind,
        typer.Option(
            help="What the messages are; ECOM_ORDERS and ECOM_CUSTOMERS name the others' topics."
        ),
    ] = "events",
    events: LandingFolder = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            help="Mapping of the messages; default ECOM_EVENTS_MAPPING, or that of --kind."
        ),
    ] = None,
    accept_reset: Annotated[
        bool,
        typer.Option(
            "--accept-reset", help="Go on with topics that were created again or lost their end."
        ),
    ] = False,
) -> None:
    """Take events from Kafka topics into the landing folder, until Ctrl-C;
    several processes share the partitions.
    """
    from ecom_assets.ingestion.stream.address import StreamAddress, stream_landing  # noqa: PLC0415 (the client is optional)
    from ecom_assets.ingestion.stream.health import shown  # noqa: PLC0415 (as above)
    from ecom_assets.ingestion.stream.running import opened_stream, run_until_stopped  # noqa: PLC0415 (as above)

    if events and kind != "events":
        raise UsageError(
            f"--events is the folder in which events land; {kind} land in <home>/landing/{kind}."
        )
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
        message = (
            f"{kind.title()} of {names} land in {landing}; state: {health or 'none'}; stop it "
            "with Ctrl-C."
        )
        typer.echo(message, err=True)
        run_until_stopped(opened)


def compact_command(
    events: Events = None,
    list_files: Annotated[
        bool,
        typer.Option(
            "--list",
            help="List the files that count now, for other readers of the folder, and stop.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge small landing files of the stream and the collector;
    no reader misses or doubles an event.
    """
    settings = settings_of(OwnData.read(events, None, None, (None, None)))
    if list_files:
        paths = [file.path for file in find_files(event_paths(settings))]
        print_answer(paths, *paths, as_json=as_json)
        return
    result = compact(settings)
    sentence = (
        f"{result.merged_count:,} files with {result.row_count:,} rows were merged into "
        f"{result.made_count:,}, in {result.folder_count:,} folders; {result.removed_count:,} "
        "replaced files were removed."
    )
    print_answer(result.as_json(), sentence, as_json=as_json)
