"""Whether an expression is being built whose dates are open, so that none can be run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class ReadsDataError(BaseException):
    """A function runs an expression before it returns one; no error of its own may catch it."""


class _Building(threading.local):
    """Whether this thread builds an expression whose dates are open, so that none can be run."""

    is_going_on = False

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Note that an expression is built, until the end of the context."""
        self.is_going_on = True
        try:
            yield
        finally:
            self.is_going_on = False

    def require_none(self) -> None:
        """Refuse to run an expression.

        Raises:
            ReadsDataError: This thread builds one whose dates are open.
        """
        if self.is_going_on:
            raise ReadsDataError


BUILDING: Final = _Building()
