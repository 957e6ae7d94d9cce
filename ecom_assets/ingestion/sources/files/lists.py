"""Lists of the shop, such as rates and campaign tags: small tables whose columns are known by their
names, in any case and whatever the form of the file.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from ecom_assets.core.errors import SourceError
from ecom_assets.core.rows import named_rows
from ecom_assets.core.warehouse.local import within_child
from ecom_assets.core.warehouse.sql_text import ident, select, text
from ecom_assets.ingestion.sources.files.cells import CellFiles
from ecom_assets.ingestion.sources.files.columns import (
    columns_of,
    decimal_comma,
    require_once,
)
from ecom_assets.ingestion.sources.files.sql import Layout
from ecom_assets.ingestion.sources.files.table_heads import TableKeys
from ecom_assets.ingestion.sources.mapping_file import bracketed_guess

MOST_OF_LINE = 80
"""Characters that a sentence quotes of a line."""


@dataclass(frozen=True)
class ListFile:
    """The file of a list, and of which columns it is."""

    path: str
    cells: CellFiles
    keys: TableKeys

    @classmethod
    def open(
        cls, con: duckdb.DuckDBPyConnection, path: str | Path, header: tuple[str, ...] = ()
    ) -> "ListFile":
        """Find a file, or a folder of them; `header` are the names of columns that have none.

        Raises:
            SourceError: It cannot be read.
        """
        keys = TableKeys(header=header, has_short_lines=True)
        return cls(str(path), CellFiles.of_tables(con, [path], keys), keys)

    @cached_property
    def names(self) -> dict[str, str]:
        """Return the names of all columns in small letters, each with how the file writes it."""
        return {
            small: name
            for _, layout in self.cells.layouts
            for small, name in _names_of(layout).items()
        }

    def require(
        self, names: Sequence[str], numbers: Collection[str] = (), optional: Collection[str] = ()
    ) -> None:
        """Refuse a file without some columns, with one of them or of the optional ones twice, or
        with numbers that have a decimal comma.

        Raises:
            MappingError: A name stands twice.
            SourceError: It has none of a name, or such numbers.
        """
        for file in self.cells.files():
            found = columns_of(self.cells.con.cursor(), file, self.keys)
            require_once(file, found.columns, (*names, *optional))
            for name in (self.names[name] for name in numbers if name in self.names):
                if example := decimal_comma(file, found, self.keys, name):
                    raise SourceError(
                        f"{self.path} has numbers like {example} in its column {name!r}, with a "
                        f"decimal comma; write {example.replace(',', '.')}."
                    )
        if missing := [name for name in names if name not in self.names]:
            guess = bracketed_guess(missing[0], list(self.names))
            raise SourceError(
                f"{self.path} has no column {missing[0]!r}{guess}; give it the columns "
                f"{', '.join(names)}."
            )

    def require_whole(self) -> None:
        """Refuse a file with a line that is no row of its table: of a list, none may be lost.

        Raises:
            SourceError: It has one.
        """
        self.cells.row_count()
        for copy in filter(None, self.cells.copies.values()):
            damaged = select("line", f"read_parquet({text(copy.damaged)})")
            for (line,) in self.cells.con.execute(f"{damaged} LIMIT 1").fetchall():
                raise SourceError(
                    f"{self.path} has a line that is no row of its table, "
                    f"{line[:MOST_OF_LINE]!r}; correct it, or remove it."
                )

    def sql(self, names: Sequence[str]) -> str:
        """Return the SELECT of some columns as text; of lines that cannot be read, and of columns
        that are not there, NULL.
        """
        selects = []
        for group in self.cells.groups(self.cells.layouts):
            own = _names_of(group[0][1])
            cells = {name: ident(own[name]) if name in own else "NULL::VARCHAR" for name in names}
            columns = [f"{cell} AS {ident(name)}" for name, cell in cells.items()]
            selects.append(select(columns, f"({self.cells.cells_sql(group)[0]})"))
        return " UNION ALL ".join(selects)

    def rows(self, names: Sequence[str]) -> list[dict[str, str | None]]:
        """Return some columns of each row, in the order of the file, as `sql` has them."""
        return named_rows(names, self.cells.con.execute(self.sql(names)).fetchall())


def _names_of(layout: Layout) -> dict[str, str]:
    return {name.strip().casefold(): name for name, _ in layout.columns}


@contextmanager
def opened_list(path: str | Path, header: tuple[str, ...] = ()) -> Iterator[ListFile]:
    """Open a list inside the block.

    Raises:
        SourceError: It cannot be read.
    """
    with closing(within_child(duckdb.connect())) as con:
        yield ListFile.open(con, path, header)
