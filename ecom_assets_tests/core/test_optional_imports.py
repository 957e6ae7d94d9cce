"""Errors for an engine or a source whose packages are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecom_assets_tests.command import environment
from ecom_assets_tests.patience import PATIENCE_S

WITHOUT = (
    "import sys; sys.modules.update(dict.fromkeys({missing!r})); from ecom_assets.cli import "
    "main; main()"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "address", "extra", "missing"),
    [
        ("ECOM_WAREHOUSE", "postgres://h/shop", "postgres", ["psycopg"]),
        pytest.param(
            "ECOM_WAREHOUSE",
            "snowflake://u@a/SHOP",
            "snowflake",
            ["snowflake", "snowflake.connector"],
            marks=pytest.mark.slow,
        ),
        ("ECOM_WAREHOUSE", "spark://local", "spark", ["pyspark", "py4j", "py4j.protocol"]),
        ("ECOM_WAREHOUSE", "spark://local", "spark", ["deltalake"]),
        (
            "ECOM_EVENTS",
            "snowflake://u@a/SHOP/EVENTS",
            "snowflake",
            ["snowflake", "snowflake.connector"],
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", pytest.param("doctor", marks=pytest.mark.slow)])
def test_the_sentence_names_the_command_that_installs_them(  # noqa: PLR0913, PLR0917 (a case has that many sides)
    tmp_path: Path, setting: str, address: str, extra: str, missing: list[str], command: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing), command],
        env=environment(tmp_path / "home", {setting: address}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert result.returncode != 0
    assert (
        f"{setting}={address.partition('://')[0]}://… needs packages that are not installed ("
        in result.stdout + result.stderr
    )
    assert f"{sys.executable} -m pip install -e '.[{extra}]'" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "settings", "feature", "extra", "missing"),
    [
        ("stream", {"ECOM_EVENTS": "kafka://b/t"}, "`ecom stream`", "kafka", ["confluent_kafka"]),
        ("mcp", {}, "ecom mcp", "mcp", ["httpx2", "mcp", "mcp_types"]),
        (
            "run",
            {"ECOM_OPENLINEAGE_URL": "http://h"},
            "ECOM_OPENLINEAGE_URL",
            "openlineage",
            ["openlineage.client"],
        ),
    ],
)
def test_a_command_and_a_setting_name_their_extra(  # noqa: PLR0913, PLR0917 (as above)
    tmp_path: Path,
    command: str,
    settings: dict[str, str],
    feature: str,
    extra: str,
    missing: list[str],
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing), command],
        env=environment(tmp_path / "home", settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"ecom: {feature} needs packages that are not installed (")
    assert f"{sys.executable} -m pip install -e '.[{extra}]'" in result.stderr
