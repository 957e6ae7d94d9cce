"""How much a tool takes of whom in a while. Not here: which tool allows what."""

from collections import Counter, deque
from collections.abc import Mapping


class Rate:
    """A most per key in a rolling window. Only what was taken counts, not what was refused.

    The window moves in steps of a thirtieth, so a key's count never needs a list of its records.
    """

    STEPS = 30

    def __init__(self, most: int | None, window_s: float) -> None:
        """Allow `most` in `window_s` seconds; None: any number."""
        self.most = most
        self.window_s = window_s
        self._totals: Counter[str] = Counter()
        self._steps: deque[tuple[int, Counter[str]]] = deque()

    def over(self, counts: Mapping[str, int], now_s: float) -> dict[str, int]:
        """Return the keys that so many more would be too much for, with their count in the window then."""
        most = self.most
        if most is None:
            return {}
        self._forget(now_s)
        totals = self._totals
        return {key: count + totals[key] for key, count in counts.items() if count + totals.get(key, 0) > most}

    def add(self, counts: Mapping[str, int], now_s: float) -> None:
        """Count what was taken."""
        if self.most is None:
            return
        step = int(now_s * self.STEPS / self.window_s)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        self._steps[-1][1].update(counts)
        self._totals.update(counts)

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s * self.STEPS / self.window_s) - self.STEPS
        while self._steps and self._steps[0][0] <= oldest:
            for key, count in self._steps.popleft()[1].items():
                self._totals[key] -= count
                if not self._totals[key]:
                    del self._totals[key]
