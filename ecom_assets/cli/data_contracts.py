"""`ecom contracts`: the tables as documents of the Open Data Contract Standard."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import UsageError, did_you_mean
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.odcs import Checks, Document, document_per_table, one_document
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import checks
from ecom_assets.interfaces.api.parameters import VERSION
from ecom_assets.orchestration.registry import ALL


class Format(StrEnum):
    """The standards that contracts are written in."""

    ODCS = "odcs"


def contracts(
    standard: Annotated[
        Format,
        typer.Option("--format", help="The standard: odcs, the Open Data Contract Standard."),
    ] = Format.ODCS,
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table, such as mart.sales; give it once for each."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a file per table into this folder; else print one document with all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the tables as data contracts of the Open Data Contract Standard.

    A contract has grain, columns, units, limits, personal data, references and checks.
    """
    del (
        standard
    )  # the only one so far; named, so that another one changes nothing for those who use it
    settings, by_name = load_settings(), {contract.qualified_name(): contract for contract in ALL}
    for name in table or ():
        if name not in by_name:
            raise UsageError(f"--table {name!r} is not a table; {did_you_mean(name, by_name)}.")
    chosen = [by_name[name] for name in dict.fromkeys(table or by_name)]
    server = new_engine(settings).server()
    if out is None:
        document = one_document(chosen, VERSION, _checks(settings), server)
        print_answer(document, _as_yaml(document).removesuffix("\n"), as_json=as_json)
        return
    documents = document_per_table(chosen, VERSION, _checks(settings), server)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be a folder ({error.strerror}); name another one."
        ) from error
    for name, content in documents.items():
        replace_bytes(out / name, _as_yaml(content).encode())
    if as_json:
        print_answer({"files": [str(out / name) for name in documents]}, as_json=True)
    else:
        typer.echo(f"Wrote {len(documents)} contracts to {out}.", err=True)


def _checks(settings: Settings) -> Checks:
    values: dict[str, list[tuple[str, str, bool]]] = {}
    for check in checks(settings):
        values.setdefault(check.contract.qualified_name(), []).append(
            (check.name, check.description, check.warns)
        )
    return values


def _as_yaml(document: Document) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
