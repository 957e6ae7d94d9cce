"""All four vendor stand-ins, and the settings that connect the platform to them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecom_sandbox.vendors.amplitude import AmplitudeRates, AmplitudeReceiver
from ecom_sandbox.vendors.faults import NO_FAULTS, RandomFaults, ReceiverFaults
from ecom_sandbox.vendors.ga4 import Ga4Receiver
from ecom_sandbox.vendors.heap import HeapRates, HeapReceiver
from ecom_sandbox.vendors.mixpanel import MixpanelRates, MixpanelReceiver
from ecom_sandbox.vendors.receiver import Receiver, Setup


@dataclass(frozen=True)
class Receivers:
    """The running stand-ins."""

    amplitude: AmplitudeReceiver
    heap: HeapReceiver
    mixpanel: MixpanelReceiver
    ga4: Ga4Receiver

    def all(self) -> tuple[Receiver, ...]:
        """Return all four."""
        return (self.amplitude, self.heap, self.mixpanel, self.ga4)

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to them, by their names in `Settings`."""
        return {name: value for receiver in self.all() for name, value in receiver.settings().items()}

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables."""
        return {f"ECOM_{name.upper()}": value for name, value in self.settings().items()}


def some_faults() -> ReceiverFaults:
    """Return random faults of every kind, few enough that a client with retries delivers everything."""
    return ReceiverFaults(chance=RandomFaults(seed=7, share=0.1, retry_after="0", latency_s=0.005))


@contextmanager
def running_receivers(
    *,
    ports: Sequence[int] = (0, 0, 0, 0),
    request_logs: Path | None = None,
    faults: ReceiverFaults = NO_FAULTS,
    has_rates: bool = True,
    clock: Callable[[], float] = time.time,
) -> Iterator[Receivers]:
    """Run all four in this process.

    Args:
        ports: Those of Amplitude, Heap, Mixpanel and GA4; 0 means a free one.
        request_logs: The folder of their request logs (`amplitude.requests`, …), from which they continue; None: none.
        faults: The faults of each.
        has_rates: Whether the documented rate limits apply; a whole shop at once exceeds what Heap accepts in an hour.
        clock: Returns their time, in seconds since 1970.

    Raises:
        UsageError: A port is in use.
    """
    tools = ("amplitude", "heap", "mixpanel", "ga4")
    paths = [request_logs / f"{tool}.requests" if request_logs else None for tool in tools]
    setups = [Setup(port, path, faults, clock) for port, path in zip(ports, paths, strict=True)]
    rates = (None, None, None) if has_rates else (AmplitudeRates.none(), HeapRates.none(), MixpanelRates.none())
    with (
        AmplitudeReceiver(setups[0], rates=rates[0]) as amplitude,
        HeapReceiver(setups[1], rates=rates[1]) as heap,
        MixpanelReceiver(setups[2], rates=rates[2]) as mixpanel,
        Ga4Receiver(setups[3]) as ga4,
    ):
        yield Receivers(amplitude, heap, mixpanel, ga4)
