"""The stand-ins of all tools that have one, and the settings that connect the platform to them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path

from ecom_assets.core.settings.subjects import TOOLS, packages_in
from ecom_sandbox.vendors.faults import NO_FAULTS, RandomFaults, ReceiverFaults
from ecom_sandbox.vendors.receiver import Receiver, Setup


def stand_ins() -> list[type[Receiver]]:
    """Return the stand-in of each tool that has the file `<tool>.py` here,
    in the order of their ports.
    """
    modules = (f"{__package__}.{tool}" for tool in packages_in(TOOLS))
    found: list[type[Receiver]] = [
        import_module(module).STAND_IN for module in modules if find_spec(module)
    ]
    return sorted(found, key=attrgetter("default_port"))


@dataclass(frozen=True)
class Receivers:
    """The running stand-ins, by the name of their tool."""

    by_tool: Mapping[str, Receiver]

    def __getitem__(self, tool: str) -> Receiver:
        """Return the stand-in of a tool."""
        return self.by_tool[tool]

    def all(self) -> tuple[Receiver, ...]:
        """Return all of them."""
        return tuple(self.by_tool.values())

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to them,
        by their names in `Settings`.
        """
        return {
            name: value for receiver in self.all() for name, value in receiver.settings().items()
        }

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables."""
        return {f"ECOM_{name.upper()}": value for name, value in self.settings().items()}


def some_faults() -> ReceiverFaults:
    """Return random faults of every kind,
    few enough that a client with retries delivers everything.
    """
    return ReceiverFaults(chance=RandomFaults(seed=7, share=0.1, retry_after="0", latency_s=0.005))


@contextmanager
def running_receivers(
    *,
    ports: Mapping[str, int] | None = None,
    request_logs: Path | None = None,
    faults: ReceiverFaults = NO_FAULTS,
    has_rates: bool = True,
    clock: Callable[[], float] = time.time,
) -> Iterator[Receivers]:
    """Run all of them in this process.

    Args:
        ports: The port of each tool; 0, or none, means a free one.
        request_logs: The folder of their request logs (`amplitude.requests`, …), from which they
            continue; None: none.
        faults: The faults of each.
        has_rates: Whether the documented rate limits apply; a whole shop at once exceeds what Heap
            accepts in an hour.
        clock: Returns their time, in seconds since 1970.

    Raises:
        UsageError: A port is in use.
    """
    with ExitStack() as opened:
        running: dict[str, Receiver] = {}
        for kind in stand_ins():
            request_log = request_logs / f"{kind.tool}.requests" if request_logs else None
            setup = Setup((ports or {}).get(kind.tool, 0), request_log, faults, clock)
            running[kind.tool] = opened.enter_context(
                kind(setup) if has_rates else kind.without_rates(setup)
            )
        yield Receivers(running)
