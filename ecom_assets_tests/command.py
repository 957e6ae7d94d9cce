"""The `ecom` command as tests use it: in this process where speed matters,
in one of its own where warnings do.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.cli import command
from ecom_assets_tests.fixed_settings import FIXED
from ecom_assets_tests.known_sql import share_sql
from ecom_sandbox.shop.shop import generate

REAL_FILES = Path(__file__).parents[2] / "shared" / "data"
HEADER = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,"
    "cart_value"
)
SMALL = {"ECOM_ORDER_CUSTOMERS_OVER": "0", **FIXED}
"""The shops of tests have few customers a day."""
FEW_TABLES = ("--select", '+key:"mart/sessions" or +key:"mart/engagement_daily"')
"""Words by which a run makes some tables of events only, for tests of what
holds whatever the table.
"""
FEW_SALES = ("--select", '+key:"mart/revenue_daily"')
"""The same for orders."""
DAYS_KNOWN = " or ".join(
    f'+key:"mart/{name}_daily"'
    for name in ("engagement", "revenue", "event_accounting", "order_accounting")
)
"""What says of which days a publication knows events and orders."""
OF_ADS = " or ".join(
    f'+key:"mart/{name}"'
    for name in ("marketing_daily", "ad_campaigns", "customer_cohort_value", "lifetime_value")
)
FEW_ADS = (
    "--select",
    f'{OF_ADS} or {DAYS_KNOWN} or key:"mart/calendar" or key:"serving/marts"',
)
"""The same for what ads bring, as the API says it."""
UNTIL_DUE = " or ".join(
    f'key:"{key}"'
    for key in (
        "raw/events",
        "staging/events",
        "staging/quarantined_events",
        "staging/duplicate_events",
    )
)
"""The events that deliveries are due from, and what they are made of."""
ECOM = (sys.executable, "-c", "from ecom_assets.cli import main; main()")


@dataclass(frozen=True)
class CommandResult:
    """What a command said, and what it ended with."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read what was printed as JSON."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """Return the one line of an error;
        a command that fails prints nothing else but warnings.
        """
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("ecom: ")]
        lines = [line for line in lines if not line.startswith("ecom: warning: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("ecom: ")


def ecom(
    *arguments: str | Path,
    home: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run a command in this process, with no setting but `home` and those in `env`."""
    out, err, exit_code = io.StringIO(), io.StringIO(), 0
    mask, before = os.umask(0o022), dict(os.environ)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in [*os.environ, "DAGSTER_HOME"]:
            if name.startswith("ECOM_") or name == "DAGSTER_HOME":
                patch.delenv(name, raising=False)
        # What a command sets for Dagster is taken back too, as these names are.
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        for name, value in {"ECOM_HOME": str(home), **SMALL, **(env or {})}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["ecom", *map(str, arguments)])
        patch.chdir(cwd or home.parent)
        try:
            command()
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 1
        finally:
            os.umask(mask)  # a command changes it for its process
    for name in os.environ.keys() - before.keys():
        del os.environ[name]  # what a command hands on to processes that it starts
    return CommandResult(exit_code, out.getvalue(), err.getvalue())


def environment(home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that runs the command: this one's,
    without its settings.
    """
    share_sql(home)
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECOM_", "DAGSTER_"))
    }
    return {**mine, "ECOM_HOME": str(home), **SMALL, **(env or {})}


def ecom_process(
    *arguments: str | Path, home: Path, env: Mapping[str, str] | None = None
) -> CommandResult:
    """Run a command in an interpreter of its own, as a person does."""
    done = subprocess.run(
        [*ECOM, *map(str, arguments)],
        env=environment(home, env),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


def has_ended(group: int, *, within_s: float = 120) -> bool:
    """Return whether all processes of a group end in time."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)


def kill_group(group: int) -> None:
    """Kill whatever is left of a group of processes."""
    if not has_ended(group, within_s=0):
        os.killpg(group, signal.SIGKILL)


def small_shop(home: Path, *, days: int = 3, visitors: int = 120) -> dict[str, Any]:
    """Give a home a sandbox shop that takes a second, and return the truth about it."""
    truth: dict[str, Any] = generate(home / "sandbox", days=days, visitors=visitors)
    return truth


def copy_of_shop(shop: Path, to: Path) -> Path:
    """Copy a folder with a home and what it was run over; the copy's commands read the copy."""
    shutil.copytree(shop, to, dirs_exist_ok=True)
    noted = to / "home" / "own_data.json"
    noted.write_text(noted.read_text().replace(str(shop), str(to)))
    return to


def page_views(path: Path, *days: str) -> Path:
    """Write a page view of Ann's at ten o'clock of each day."""
    rows = [
        f"e{n},ann,page_view,{day}T10:00:00Z,,,s{n},https://shop.example/,,"
        for n, day in enumerate(days)
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def real_file(name: str) -> Path:
    """Return a real file, or skip the test where it is not beside this checkout."""
    if not (REAL_FILES / name).exists():
        pytest.skip(f"the real file {name} is not beside this checkout")
    return REAL_FILES / name


def shape(value: Any) -> Any:
    """Return names and types of a JSON value; a list is shown by its first element."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)
