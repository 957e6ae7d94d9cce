"""What a whole run takes of a machine that has little memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.command import ECOM, environment
from ecom_sandbox.shop.shop import generate

LIMIT, MOST_MB = "300MB", 1_000
DAYS, VISITORS = 91, 10_500
"""Just above one million events."""
WITH_ITS_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 // 10**6, file=sys.stderr)
sys.exit(done.returncode)
"""
"""A program that starts another: what Linux notes as a peak begins with that of the process that
starts it, and one that runs tests is large.
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_events_take_less_than_a_gigabyte_at_a_limit_of_300_mb(tmp_path: Path) -> None:
    """Beside the limit there are Python with what it loads, and what DuckDB's allocator keeps:
    885 MB were measured, and 700 are the aim.
    """
    truth: dict[str, Any] = generate(tmp_path / "shop", days=DAYS, visitors=VISITORS)
    rows = truth["events"]["rows"]
    assert rows > 1_000_000
    events = tmp_path / "shop" / "events"
    done = subprocess.run(
        [sys.executable, "-c", WITH_ITS_PEAK, *ECOM, "run", "--events", str(events), "--json"],
        env=environment(tmp_path / "home", {"ECOM_MEMORY_LIMIT": LIMIT}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["success"], summary["checks"]["failed"]) == (True, [])
    assert (summary["tables"]["raw.events"], summary["memory"]) == (
        rows,
        f"{LIMIT} for a run (ECOM_MEMORY_LIMIT)",
    )
    peak_mb = int(done.stderr.splitlines()[-1])
    assert peak_mb <= MOST_MB
