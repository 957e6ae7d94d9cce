"""What settings, pages and commands need to know of a kind of record, without reading any."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadKind:
    """A kind of rows that people may send, as its package in `ingestion/sources/feeds` declares it.

    Looks, settings, pages, options of commands, and how far each kind reaches follow from it; how
    its rows are read and land is in the `feed.py` beside it.

    Attributes:
        name: Its name, and the setting of paths that it stands beside or in place of.
        position: Where it stands in lists of all kinds.
        label: What pages call it.
        noun: What sentences call its rows, as in "proposed as order lines".
        row_words: What they call one of its rows, and several.
        subject: The package with the contracts of its tables, in `ecom_assets`.
        mapping: The mapping of the platform's own layout, as its setting is called; empty where
            no setting names its rows.
        has_days: Whether its rows lie on days of their own; else a file says what holds when it is
            sent.
        is_data: Whether it is worth a run without any other kind.
        asks_currency: Whether its amounts are in the shop's currency, where files do not say one.
        apis: The settings that name the kind, beside that of its own name.
        is_named_with_mapping: Whether its setting has the mapping before each path, `native=PATH`,
            in place of a setting for the mapping.
        setting: What the setting of its paths is, in a noun phrase such as "files of what items
            cost"; empty where a class of settings declares it.
    """

    name: str
    position: int
    label: str
    noun: str
    row_words: tuple[str, str]
    subject: str
    mapping: str = ""
    has_days: bool = False
    is_data: bool = False
    asks_currency: bool = False
    apis: tuple[str, ...] = ()
    is_named_with_mapping: bool = False
    setting: str = ""

    @property
    def option(self) -> str:
        """Return the option of commands that names it, such as `--ad-spend`."""
        return f"--{self.name.replace('_', '-')}"
