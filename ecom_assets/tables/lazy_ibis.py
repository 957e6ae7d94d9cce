"""Ibis, imported when one of its names is first used: a question whose statements are kept has no use for it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
else:

    class _Ibis:
        """The module, without its import, which takes half a second."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever Ibis has by this name)
            return getattr(import_module("ibis"), name)

    ibis = _Ibis()

__all__ = ["ibis"]
