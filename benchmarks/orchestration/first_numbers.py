"""From an installed environment to the first numbers: `ecom run` with nothing given, over the
sandbox shop, and the same on Spark.
"""

import argparse
import sys

from benchmarks.measuring import Result, costs, report, run_platform, scratch

TARGET_S, SPARK_S = 38.0, 150.0


def measure(name: str, target_s: float, **settings: str) -> None:
    """Measure one run in a home of its own, the sandbox shop's making included."""
    with scratch() as folder:
        spent, summary = run_platform(ECOM_HOME=str(folder / "home"), **settings)
    if not summary["sessions"]["sessions"]:
        sys.exit(f"{name}: the run has no sessions.")
    about = {"events": summary["tables"]["raw.events"], **costs(spent)}
    report(Result(name, spent.wall_s, "s", target_s, about=about))


def main() -> None:
    """Parse the command line and measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-spark", action="store_true")
    measure("`ecom run` over the sandbox shop", TARGET_S)
    if not parser.parse_args().without_spark:
        measure(
            "`ecom run` over the sandbox shop on `spark://local`",
            SPARK_S,
            ECOM_WAREHOUSE="spark://local",
        )


if __name__ == "__main__":
    main()
