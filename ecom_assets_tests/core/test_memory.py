"""What a run and a process of the API may take of the memory that there is.

The groups are folders made here, as Linux, Docker, Kubernetes and systemd lay them out.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.settings import memory
from ecom_assets.core.settings.memory import (
    AvailableMemory,
    answer_sentence,
    limit_beside,
    limit_of_answer,
    limit_of_heap,
    limit_of_run,
    memory_here,
    memory_of,
    run_sentence,
    runs_at_once,
    share_of_answer,
    share_of_run,
)
from ecom_assets.core.settings.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets_tests.each import each

GIB = 2**30
OF_16_GIB = 17_179
"""Megabytes."""
NO_LIMIT_V1 = str(2**63 - 4096)
"""What version 1 has in place of `max`."""


def groups(folder: Path, membership: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Write control groups; return where they are mounted, and the file of this process."""
    for path, limit in limits.items():
        file = folder / "cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    (folder / "self").write_text(membership)
    return folder / "cgroup", folder / "self"


@pytest.mark.parametrize(
    ("membership", "limits", "mb"),
    [
        ("0::/\n", {}, OF_16_GIB),  # the machine itself: its topmost group has no limit
        ("0::/user.slice\n", {"user.slice/memory.max": "max"}, OF_16_GIB),
        ("0::/\n", {"memory.max": str(2 * GIB)}, 2_147),  # a container, which sees no group above
        ("0::/docker/ab12\n", {"memory.max": str(2 * GIB)}, 2_147),  # its path is the machine's
        ("0::/../pod7/ab12\n", {"memory.max": str(2 * GIB)}, 2_147),
        (
            "0::/system.slice/ecom-api.service\n",
            {
                "system.slice/memory.max": str(3 * GIB),
                "system.slice/ecom-api.service/memory.max": "max",
            },
            3_221,
        ),
        (
            "0::/pods/pod7/api\n",  # the pod's limit is less than that of the container in it
            {"pods/memory.max": str(8 * GIB), "pods/pod7/memory.max": str(1 * GIB)}
            | {"pods/pod7/api/memory.max": str(2 * GIB)},
            1_073,
        ),
        ("0::/\n", {"memory.max": str(64 * GIB)}, OF_16_GIB),  # more than the machine has
        (
            "5:cpu:/x\n4:memory:/docker/ab12\n",
            {
                "memory/memory.limit_in_bytes": NO_LIMIT_V1,
                "memory/docker/ab12/memory.limit_in_bytes": str(2 * GIB),
            },
            2_147,
        ),
        (
            "4:memory:/docker/ab12\n0::/\n",  # both versions at once, as systemd mounts them
            {"memory/memory.limit_in_bytes": str(2 * GIB)},
            2_147,
        ),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": NO_LIMIT_V1}, OF_16_GIB),
        ("4:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": str(2 * GIB)}, 2_147),
        ("3:cpu:/a\n", {"memory/a/memory.limit_in_bytes": str(2 * GIB)}, OF_16_GIB),
    ],
)
def test_the_least_limit_of_the_groups_around_a_process_counts(
    tmp_path: Path, membership: str, limits: dict[str, str], mb: int
) -> None:
    found = memory_of(OF_16_GIB, *groups(tmp_path, membership, limits))
    assert found == AvailableMemory(mb, is_of_container=mb < OF_16_GIB)


def test_without_control_groups_it_is_the_machine_s_memory(tmp_path: Path) -> None:
    assert memory_of(OF_16_GIB, tmp_path, tmp_path / "none") == AvailableMemory(OF_16_GIB)
    assert memory_here().mb > 0


@each(
    "mb, runs, share, why",
    [
        (24_000, 1, 6_000, "a quarter of 24,000 MB"),
        (24_000, 4, 1_500, "a quarter of 24,000 MB for 4 runs at once"),
        (64_000, 4, 4_000, "a quarter of 64,000 MB for 4 runs at once"),
        (OF_16_GIB, 1, 4_294, "a quarter of 17,179 MB"),
        (OF_16_GIB, 4, 1_500, "the least for a run, of 17,179 MB"),  # a quarter by four is 1,073
        (4_000, 1, 1_500, "the least for a run, of 4,000 MB"),
        (2_147, 1, 1_073, "half of 2,147 MB"),
        (1_024, 1, 512, "half of 1,024 MB"),
    ],
)
def test_a_run_has_a_quarter_by_the_runs_at_once(mb: int, runs: int, share: int, why: str) -> None:
    found = share_of_run(AvailableMemory(mb), runs)
    assert (found.mb, found.limit, found.why) == (share, f"{share}MB", why)


@each(
    "there, processes, share, why",
    [
        (AvailableMemory(24_000), 3, 2_000, "a quarter of 24,000 MB for 3 processes"),
        (
            AvailableMemory(6_000, is_of_container=True),
            3,
            1_500,
            "three quarters of 6,000 MB for 3 processes",
        ),
        (
            AvailableMemory(4_000),
            3,
            500,
            "the least for a process, of 4,000 MB",
        ),  # a quarter by 3 is 333
        (
            AvailableMemory(2_400),
            3,
            400,
            "half of 2,400 MB for 3 processes",
        ),  # three times 500 is more
        (
            AvailableMemory(1_024, is_of_container=True),
            3,
            256,
            "three quarters of 1,024 MB for 3 processes",
        ),
    ],
)
def test_the_server_and_its_questions_share_a_quarter_or_most_of_their_container(
    there: AvailableMemory, processes: int, share: int, why: str
) -> None:
    found = share_of_answer(there, processes)
    assert (found.mb, found.why) == (share, why)


@given(st.integers(1, 2_000_000), st.booleans(), st.integers(1, 65))
def test_no_share_is_more_than_half_and_none_is_small_where_there_is_enough(
    mb: int,
    is_of_container: bool,  # noqa: FBT001
    count: int,
) -> None:
    there = AvailableMemory(mb, is_of_container)
    run, answer = share_of_run(there, count).mb, share_of_answer(there, count + 1).mb
    assert max(run, answer) <= mb / 2
    assert run >= min(1_500, mb // 2)
    assert answer >= min(500, mb // 2 // (count + 1))
    assert answer * (count + 1) <= max(mb / 2, mb * 3 / 4 if is_of_container else 0)


@each(
    "instance, runs",
    [
        ({"concurrency": {"runs": {"max_concurrent_runs": 4}}}, 4),
        ({"run_coordinator": {"config": {"max_concurrent_runs": 3}}}, 3),
        ({}, 10),  # as Dagster does
        ({"concurrency": None}, 10),
        ({"concurrency": {"runs": {"max_concurrent_runs": -1}}}, 10),  # no limit
        ({"run_coordinator": {"config": {"max_concurrent_runs": {"env": "RUNS"}}}}, 10),
    ],
)
def test_the_dagster_instance_says_how_many_runs_there_are_at_once(
    instance: dict[str, object], runs: int
) -> None:
    assert runs_at_once(instance) == runs


@pytest.fixture
def auto(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Settings without a limit, on a machine with 48,000 MB."""
    monkeypatch.setattr(memory, "memory_here", lambda: AvailableMemory(48_000))
    monkeypatch.delenv("ECOM_MEMORY_LIMIT")
    monkeypatch.setenv("ECOM_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    four = Path(__file__).parents[2] / "deploy" / "dagster.yaml"
    (tmp_path / "dagster.yaml").write_text(four.read_text())
    return monkeypatch


def limits(settings: Settings) -> tuple[str, str, str]:
    return limit_of_run(settings), limit_of_heap(settings), limit_beside(settings)


def test_runs_of_the_embedded_warehouse_take_turns_so_each_has_the_whole_quarter(
    auto: pytest.MonkeyPatch,  # noqa: ARG001 (its settings)
) -> None:
    settings = load_settings()
    assert settings.memory_limit == "auto"
    assert limit_of_run(settings) == limit_beside(settings) == "12000MB"
    assert run_sentence(settings) == "12,000 MB for a run (auto: a quarter of 48,000 MB)"


def test_four_runs_in_a_database_server_share_it(auto: pytest.MonkeyPatch) -> None:
    auto.setenv("ECOM_WAREHOUSE", "postgres://shop@db.example/shop")
    settings = load_settings()
    assert run_sentence(settings) == (
        "3,000 MB for a run (auto: a quarter of 48,000 MB for 4 runs at once)"
    )
    assert limit_beside(settings) == "1500MB"  # one that reads files, and one that publishes


def test_spark_s_heap_and_duckdb_beside_it_are_within_the_run_s_share(
    auto: pytest.MonkeyPatch,
) -> None:
    auto.setenv("ECOM_WAREHOUSE", "spark://local")
    # 3,000 MB: two thirds for the heap, 2,000,000,000 bytes = 1,907 MiB, and twice a sixth
    assert limits(load_settings()) == ("3000MB", "1907MiB", "500MB")


def test_before_the_first_run_there_is_one_run_at_a_time(auto: pytest.MonkeyPatch) -> None:
    auto.setenv("ECOM_WAREHOUSE", "postgres://shop@db.example/shop")
    settings = load_settings()
    (settings.dagster_home / "dagster.yaml").unlink()
    assert limit_of_run(settings) == "12000MB"
    prepare_dagster_home(settings)  # writes the instance that says so
    assert limit_of_run(settings) == "12000MB"
    (settings.dagster_home / "dagster.yaml").write_text("[]")
    assert limit_of_run(settings) == "1500MB"


@pytest.mark.parametrize("questions", [1, 2, 5])
def test_the_api_s_processes_are_the_server_and_its_questions(
    auto: pytest.MonkeyPatch, questions: int
) -> None:
    auto.setenv("ECOM_ADHOC_AT_ONCE", str(questions))
    each = {1: 6_000, 2: 4_000, 5: 2_000}[questions]
    assert limit_of_answer(load_settings()) == f"{each}MB"
    assert answer_sentence(load_settings()) == (
        f"{each:,} MB for each process of the API (auto: a quarter of 48,000 MB for "
        f"{questions + 1} processes)"
    )


@pytest.mark.parametrize("warehouse", ["", "spark://local", "postgres://shop@db.example/shop"])
def test_a_stated_limit_is_that_of_each_engine(auto: pytest.MonkeyPatch, warehouse: str) -> None:
    auto.setenv("ECOM_WAREHOUSE", warehouse)
    auto.setenv("ECOM_MEMORY_LIMIT", "2GB")
    settings = load_settings()
    assert {*limits(settings), limit_of_answer(settings)} == {"2GB"}
    assert run_sentence(settings) == "2GB for a run (ECOM_MEMORY_LIMIT)"
    assert answer_sentence(settings) == "2GB for each process of the API (ECOM_MEMORY_LIMIT)"
