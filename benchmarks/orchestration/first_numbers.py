"""From an installed environment to the first numbers: `ecom run` with nothing given,
over the sandbox shop.
"""

import sys

from benchmarks.measuring import Result, costs, report, run_platform, scratch

TARGET_S = 60.0


def main() -> None:
    """Measure one run in a home of its own, the sandbox shop's making included."""
    with scratch() as folder:
        spent, summary = run_platform(ECOM_HOME=str(folder / "home"))
    if not summary["sessions"]["sessions"]:
        sys.exit("The run has no sessions.")
    about = {"events": summary["tables"]["raw.events"], **costs(spent)}
    report(
        Result("first_numbers: ecom run to its summary", spent.wall_s, "s", TARGET_S, about=about)
    )


if __name__ == "__main__":
    main()
