"""Progress of a run: a line per table, and a progress bar on a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class RunProgress:
    """Shows progress as the IO manager reports it; implements `Progress` in
    `warehouse/io_manager.py`.
    """

    def __init__(self, *, quiet: bool) -> None:
        """Draw on stderr, unless quiet."""
        console = self._console = Console(stderr=True)
        self._quiet = quiet
        self._total = 0
        self._bar = Progress(
            TextColumn("{task.description:32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task: TaskID | None = None

    def say(self, sentence: str) -> None:
        """Print a line, unless quiet."""
        if not self._quiet:
            self._console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    def warn(self, sentence: str) -> None:
        """Print a warning, even if quiet."""
        self._console.print(f"ecom: {sentence}", highlight=False, soft_wrap=True, markup=False)

    def expect(self, table_count: int) -> None:
        """Set the number of tables."""
        self._total = table_count

    def __enter__(self) -> "RunProgress":
        """Start drawing."""
        self._bar.start()
        self._task = self._bar.add_task("starting", total=self._total)
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop drawing."""
        self._bar.stop()

    def began(self, table: str) -> None:
        """Show the table that is being computed."""
        if self._task is not None:
            self._bar.update(self._task, description=table)

    def ended(self, table: str, row_count: int, took_s: float) -> None:
        """Show a table as finished."""
        if self._task is not None:
            self._bar.advance(self._task)
        self.say(f"  {table:28} {row_count:>12,} rows {took_s:>7.2f} s")
