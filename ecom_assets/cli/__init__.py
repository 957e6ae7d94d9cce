"""The `ecom` command, a file per subject. Nothing heavy is imported until a command needs it."""

from ecom_assets.gc_tuning import collect_rarely
from ecom_assets.settings.private_files import keep_private


def main() -> None:
    """Run the command line; the entry point of the `ecom` command."""
    keep_private()
    collect_rarely()  # before anything heavy is loaded, which is full of new objects too
    from ecom_assets.cli.app import run  # noqa: PLC0415 (Typer is loaded for commands only)

    run()
