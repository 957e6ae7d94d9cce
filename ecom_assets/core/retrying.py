"""Retries of work that is not HTTP, after a lost connection or while a server is briefly away."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from ecom_assets.core.errors import ConnectionLostError, WarehouseError

CONNECTION_PAUSES_S: Final[tuple[float, ...]] = (1.0, 2.0, 4.0)
"""How long to wait before each retry after a connection was lost."""


def retrying(
    pauses_s: Sequence[float],
    may_succeed: Callable[[BaseException], bool],
    before_retry: Callable[[], None] = lambda: None,
) -> Retrying:
    """Return an object that calls a function, again after each pause while it fails,
    and raises the last error.

    Args:
        pauses_s: The seconds before each retry.
        may_succeed: Whether a retry after this error may succeed.
        before_retry: Called after each pause.
    """

    def before(state: RetryCallState) -> None:
        if state.attempt_number > 1:
            before_retry()

    def pause_s(state: RetryCallState) -> float:
        """Return the pause after an attempt; it is also called after the last one."""
        return [*pauses_s, 0.0][state.attempt_number - 1]

    return Retrying(
        stop=stop_after_attempt(len(pauses_s) + 1),
        wait=pause_s,
        retry=retry_if_exception(may_succeed),
        before=before,
        reraise=True,
    )


def reconnecting(*reconnects: Callable[[], None]) -> Retrying:
    """Return an object that calls a function,
    again on new connections while the old ones are lost.
    """

    def reconnect_all() -> None:
        with suppress(WarehouseError):  # the next attempt raises the error
            for reconnect in reconnects:
                reconnect()

    return retrying(CONNECTION_PAUSES_S, _is_connection_lost, reconnect_all)


def _is_connection_lost(error: BaseException) -> bool:
    return isinstance(error, ConnectionLostError)
