"""The `ecom` command, a file per subject. Nothing heavy is imported until a command needs it."""


def main() -> None:
    """Run the command line; the entry point of the `ecom` command."""
    from ecom_assets.cli.app import run  # noqa: PLC0415 (Typer is loaded for commands only)

    run()
