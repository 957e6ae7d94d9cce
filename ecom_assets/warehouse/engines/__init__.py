"""The engines, one package each; what a package declares is known without loading the packages that it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

from ecom_assets.optional_imports import packages_of


@dataclass(frozen=True)
class EngineKind:
    """What the package of an engine declares as `ENGINE`. Its folder's name is that of the engine and of its extra.

    Attributes:
        package: The package's `__name__`.
        schemes: The schemes of its addresses.
        creates: What makes the engine from the settings, as `module:name`, imported only when such an address is used.
        form: An address, for messages; default the first scheme.
        service: The key of the Dagster resource that it connects through, if it has one.
        has_one_writer: Whether only one process can write at a time, so that runs take turns.
    """

    package: str
    schemes: tuple[str, ...]
    creates: str
    form: str = ""
    service: str = ""
    has_one_writer: bool = False

    @property
    def name(self) -> str:
        """Return the name of the engine."""
        return self.package.rpartition(".")[2]

    def factory(self, scheme: str) -> Callable[..., object]:
        """Return what makes the engine from the settings.

        Raises:
            SettingError: Its packages are not installed.
        """
        with packages_of(self.name, f"ECOM_WAREHOUSE={scheme}://…"):
            made: Callable[..., object] = resolve_name(f"{self.package}.{self.creates}")
        return made
