"""Attack real servers for some minutes: print the health checks of each turn,
then p99 and peak memory of each server.

Usage: python -m ecom_assets_tests.attacks [--minutes 5] [--server api] [--attack half_sent_heads]
"""

import argparse
import sys
import tempfile
from pathlib import Path

from ecom_assets_tests.attacks.attacks import ATTACKS
from ecom_assets_tests.attacks.running import TURN_S, AttackResult, attack_all

MOST_S, MOST_MB = 0.2, 600


def main() -> int:
    """Attack, and return 1 if a health check took too long, or a server too much memory."""
    options = argparse.ArgumentParser(prog="python -m ecom_assets_tests.attacks")
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument(
        "--turn-s", type=float, default=TURN_S, help="seconds of each attack before the next one"
    )
    options.add_argument("--server", choices=list(ATTACKS), action="append")
    options.add_argument(
        "--attack",
        choices=sorted({name for own in ATTACKS.values() for name in own}),
        action="append",
    )
    chosen = options.parse_args()
    totals: dict[str, AttackResult] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers, attacks = chosen.server or list(ATTACKS), chosen.attack or []
        for result in attack_all(
            Path(folder), chosen.minutes * 60, servers, attacks, chosen.turn_s
        ):
            sys.stdout.write(result.line() + "\n")
            sys.stdout.flush()
            total = totals.setdefault(result.server, AttackResult(result.server, "all"))
            total.took_s += result.took_s
            total.failures += result.failures
            total.rounds += result.rounds
            total.peak_mb = max(total.peak_mb, result.peak_mb)
    for total in totals.values():
        sys.stdout.write(total.line() + "\n")
    return int(any(total.p99_s > MOST_S or total.peak_mb > MOST_MB for total in totals.values()))


if __name__ == "__main__":
    sys.exit(main())
