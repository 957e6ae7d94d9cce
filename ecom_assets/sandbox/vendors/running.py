"""All four stand-ins at once, and the settings that point at them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecom_assets.sandbox.vendors.amplitude import AmplitudeRates, AmplitudeReceiver
from ecom_assets.sandbox.vendors.faults import NO_FAULTS, RandomFaults, ReceiverFaults
from ecom_assets.sandbox.vendors.ga4 import Ga4Receiver
from ecom_assets.sandbox.vendors.heap import HeapRates, HeapReceiver
from ecom_assets.sandbox.vendors.mixpanel import MixpanelRates, MixpanelReceiver
from ecom_assets.sandbox.vendors.receiver import Receiver, Setup


@dataclass(frozen=True)
class Receivers:
    """What runs."""

    amplitude: AmplitudeReceiver
    heap: HeapReceiver
    mixpanel: MixpanelReceiver
    ga4: Ga4Receiver

    def all(self) -> tuple[Receiver, ...]:
        """Return the four."""
        return (self.amplitude, self.heap, self.mixpanel, self.ga4)

    def settings(self) -> dict[str, str]:
        """Return the settings that point at them, by their names in `Settings`."""
        return {name: value for receiver in self.all() for name, value in receiver.settings().items()}

    def environment(self) -> dict[str, str]:
        """Return the same as variables of the environment."""
        return {f"ECOM_{name.upper()}": value for name, value in self.settings().items()}


def some_faults() -> ReceiverFaults:
    """Return faults of every kind by chance, few enough that a patient client delivers everything."""
    return ReceiverFaults(chance=RandomFaults(seed=7, share=0.1, retry_after="0", latency_s=0.005))


@contextmanager
def running_receivers(
    *,
    ports: Sequence[int] = (0, 0, 0, 0),
    journals: Path | None = None,
    faults: ReceiverFaults = NO_FAULTS,
    has_rates: bool = True,
    clock: Callable[[], float] = time.time,
) -> Iterator[Receivers]:
    """Serve all four, in this process.

    Args:
        ports: Of Amplitude, Heap, Mixpanel and GA4; 0 takes a free one.
        journals: A folder for a journal each (`amplitude.journal`, …), which they go on from; None: they forget.
        faults: What goes wrong, at each.
        has_rates: Whether the documented rates hold; a whole shop at once is more than Heap takes in an hour.
        clock: Their time, in seconds since 1970.

    Raises:
        UsageError: A port is in use.
    """
    paths = [journals / f"{tool}.journal" if journals else None for tool in ("amplitude", "heap", "mixpanel", "ga4")]
    setups = [Setup(port, path, faults, clock) for port, path in zip(ports, paths, strict=True)]
    rates = (None, None, None) if has_rates else (AmplitudeRates.none(), HeapRates.none(), MixpanelRates.none())
    with (
        AmplitudeReceiver(setups[0], rates=rates[0]) as amplitude,
        HeapReceiver(setups[1], rates=rates[1]) as heap,
        MixpanelReceiver(setups[2], rates=rates[2]) as mixpanel,
        Ga4Receiver(setups[3]) as ga4,
    ):
        yield Receivers(amplitude, heap, mixpanel, ga4)
