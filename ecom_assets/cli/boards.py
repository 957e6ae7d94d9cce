"""`ecom boards`: saved questions and boards as YAML files in a repository."""

import getpass
from pathlib import Path
from typing import Annotated, Final

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import load_settings

Folder = Annotated[
    Path,
    typer.Argument(
        help="Folder of the files: a folder per kind, such as boards/, and a file per id."
    ),
]
DOES: Final = {
    "create": "new",
    "change": "changes",
    "restore": "comes back",
    "delete": "is deleted",
    "keep": "only in the store: stays (--delete deletes it)",
}


def pull(folder: Folder, as_json: Json = False) -> None:
    """Write saved questions, boards and annotations into a folder of YAML files."""
    from ecom_assets.interfaces.boards.files import pull as write  # noqa: PLC0415 (loads the questions)
    from ecom_assets.interfaces.boards.store import BoardStore  # noqa: PLC0415 (as above)

    changed = [str(path.relative_to(folder)) for path in write(BoardStore(load_settings()), folder)]
    if changed or as_json:
        print_answer({"folder": str(folder), "changed": changed}, *changed, as_json=as_json)
    if not as_json:
        typer.echo(f"{len(changed)} files of {folder} changed.", err=True)


def check(folder: Folder, as_json: Json = False) -> None:
    """Check a folder of YAML files, without the store: each can be saved,
    and names only what is there.
    """
    from ecom_assets.interfaces.boards.files import faults_of  # noqa: PLC0415 (loads the questions)

    faults, files = faults_of(folder)
    if as_json or not faults:
        answer = {"folder": str(folder), "file_count": len(files), "faults": faults}
        print_answer(answer, f"The {len(files)} files of {folder} are right.", as_json=as_json)
    if faults and as_json:
        raise typer.Exit(UsageError.exit_code)
    if faults:
        raise UsageError("\n".join(faults))


def push(
    folder: Folder,
    by: Annotated[
        str, typer.Option("--by", help="Who saves it; default the user of this machine.")
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what the folder does not have.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what differs, and save nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Save what differs in a folder of YAML files;
    refused if somebody saved a newer version than a file has.
    """
    from ecom_assets.interfaces.boards.files import check as checked  # noqa: PLC0415 (loads the questions)
    from ecom_assets.interfaces.boards.files import differences  # noqa: PLC0415 (as above)
    from ecom_assets.interfaces.boards.files import push as save  # noqa: PLC0415 (as above)
    from ecom_assets.interfaces.boards.store import BoardStore  # noqa: PLC0415 (as above)

    store, files = BoardStore(load_settings()), checked(folder)
    if dry_run:
        changes = list(differences(store, files, is_deleting=delete))
    else:
        changes = save(store, files, by or getpass.getuser(), is_deleting=delete)
    lines = []
    for change in changes:
        outcome = f"refused: {change.why}" if change.does == "refuse" else DOES[change.does]
        fields = (
            f" ({', '.join(change.fields)})"
            if change.fields and change.does in {"change", "refuse"}
            else ""
        )
        lines.append(f"{change.name} {outcome}{fields}")
    answer = {"is_saved": not dry_run, "differences": [vars(change) for change in changes]}
    print_answer(answer, *(lines or ["The store has all of it already."]), as_json=as_json)
