"""The addresses that modules had before they moved into rooms, which go on working.

A home's `dagster.yaml`, copies of the files in `deploy/`, commands such as
`uvicorn ecom_assets.api.app:app`, and an owner's tables name modules.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Final

PACKAGE: Final = "ecom_assets"
ROOMS: Final = {
    "core": (
        "tables settings operations warehouse state http http_server errors clock "
        "atomic_files json_text file_lock gc_tuning redact_url optional_imports "
        "retrying"
    ),
    "behaviour": (
        "events identity visitor_segments questions trends sessions retention journeys funnels "
        "correlation experiments"
    ),
    "commerce": "orders attribution conversion sales products customers reconciliation quality",
    "ingestion": "sources collector stream",
    "outputs": "serving delivery",
    "orchestration": "automation registry rules privacy sandbox",
    "interfaces": "all_questions boards explain api watching dashboard report ui",
}
"""What was in the package itself, by the room that it is in now."""
ROOM_OF: Final = {name: room for room, names in ROOMS.items() for name in names.split()}


class FormerAddresses(MetaPathFinder):
    """Finds modules by their former addresses."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return how to load a module by its former address; None for any other name."""
        package, _, name = fullname.partition(".")
        room = ROOM_OF.get(name.partition(".")[0])
        if package != PACKAGE or room is None:
            return None
        found = find_spec(f"{PACKAGE}.{room}.{name}")
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, MovedModule(found), origin=found.origin, is_package=is_package)


class MovedModule(InspectLoader):
    """Loads a module by its former address: it is the module itself, not a copy of it."""

    def __init__(self, spec: ModuleSpec) -> None:
        """Take the specification of the module at its address of today."""
        self._spec = spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        message = f"{spec.name} has moved; import {self._spec.name} instead."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return import_module(self._spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module, which is loaded, its own specification back:
        the import has replaced it.
        """
        module.__spec__ = self._spec

    def get_code(self, _fullname: str) -> CodeType | None:
        """Return the code of the module, for `python -m` with its former address."""
        assert isinstance(self._spec.loader, InspectLoader)  # noqa: S101 (our modules are files)
        return self._spec.loader.get_code(self._spec.name)

    def get_source(self, _fullname: str) -> str | None:
        """Return nothing: the source is that of the module's own address."""
        return None


def find_former_addresses() -> None:
    """Find modules by their former addresses from now on.

    It is asked first: Python's own finder would load a part of a package that has moved a second
    time.
    """
    sys.meta_path.insert(0, FormerAddresses())
