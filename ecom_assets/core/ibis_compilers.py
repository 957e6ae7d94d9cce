"""Ibis' compilers for engines, each imported when it is used.

Ibis imports all twenty with any of its backends: a tenth of what a short command takes.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

PACKAGE: Final = "ibis.backends.sql.compilers"


def import_when_used() -> None:
    """Have the compilers imported when they are used, if Ibis is not imported yet."""
    if PACKAGE not in sys.modules:
        sys.meta_path.insert(0, _CompilerFinder())


class _CompilerFinder(MetaPathFinder):
    """Finds the package of the compilers, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PackageLoader(spec.loader)
        return spec


class _PackageLoader(Loader):
    """Leaves a package empty until something of it is asked for."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def part(name: str) -> Any:  # noqa: ANN401 (a module, or anything that the package has)
            if name.startswith("__"):
                raise AttributeError(name)
            spec = PathFinder.find_spec(f"{PACKAGE}.{name}", module.__path__)
            if spec is not None:
                return import_module(f"{PACKAGE}.{name}")
            del module.__dict__["__getattr__"]
            self._loader.exec_module(module)  # all of them, as Ibis does
            return getattr(module, name)

        module.__dict__["__getattr__"] = part
