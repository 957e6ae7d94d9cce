"""The engines, one package each;
what a package declares is known without loading the packages that it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pkgutil import resolve_name
from typing import Any, Literal

from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.redact_url import FILE_SCHEMES


@dataclass(frozen=True)
class EngineKind:
    """What the package of an engine declares as `ENGINE`.

    Its folder's name is that of the engine and of its extra.

    Attributes:
        package: The package's `__name__`.
        schemes: The schemes of its addresses.
        creates: What makes the engine from the settings, as `module:name`, imported only when such
            an address is used.
        form: An address, for messages; default the first scheme.
        service: What makes the Dagster resource that it connects through, as `module:name`, if it
            has one; the key of the resource is the engine's name.
        has_one_writer: Whether only one process can write at a time, so that runs take turns.
        path_is: What the path of an address names on this machine; empty: nothing.
        own_files: Patterns of what it writes into `ECOM_HOME`.
        has_event_tables: Whether ECOM_EVENTS can name a table in it (see `sources/event_table.py`).
        own_memory: The part of a run's memory that it takes in the run's process; the rest is for
            DuckDB beside it.
    """

    package: str
    schemes: tuple[str, ...]
    creates: str
    form: str = ""
    service: str = ""
    has_one_writer: bool = False
    path_is: Literal["", "file", "folder"] = ""
    own_files: tuple[str, ...] = ()
    has_event_tables: bool = False
    own_memory: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        """Let messages show paths of its files in full: an @ in them ends no password."""
        if self.path_is:
            FILE_SCHEMES.update(self.schemes)

    @property
    def name(self) -> str:
        """Return the name of the engine."""
        return self.package.rpartition(".")[2]

    def has_address(self, url: str) -> bool:
        """Return whether an address is one of this engine."""
        scheme, separator, _ = url.partition("://")
        return bool(separator) and scheme in self.schemes

    def resource(self, settings: Any) -> Any:  # noqa: ANN401 (a resource of Dagster, which this does not import)
        """Return the Dagster resource that it connects through, as it is set."""
        return resolve_name(f"{self.package}.{self.service}")(settings)

    def factory(self, scheme: str) -> Callable[..., object]:
        """Return what makes the engine from the settings.

        Raises:
            SettingError: Its packages are not installed.
        """
        with packages_of(self.name, f"ECOM_WAREHOUSE={scheme}://…"):
            made: Callable[..., object] = resolve_name(f"{self.package}.{self.creates}")
        return made
