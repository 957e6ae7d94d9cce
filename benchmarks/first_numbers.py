"""From an installed environment to the first numbers: `ecom run` with nothing given, over the sandbox shop."""

import json
import sys

from measuring import ECOM, Result, costs, report, run_process, scratch

TARGET_S = 60.0


def main() -> None:
    """Measure one run in a home of its own, the sandbox shop's making included."""
    with scratch() as folder:
        spent = run_process([ECOM, "run", "--json"], {"ECOM_HOME": str(folder / "home")})
    summary = json.loads(spent.printed)
    if not summary["success"] or not summary["sessions"]["sessions"]:
        sys.exit(f"The run failed: {summary['failures']}")
    about = {"events": summary["tables"]["raw.events"], **costs(spent)}
    report(Result("first_numbers: ecom run to its summary", spent.wall_s, "s", TARGET_S, about=about))


if __name__ == "__main__":
    main()
