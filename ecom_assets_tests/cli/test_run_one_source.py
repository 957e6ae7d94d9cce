"""Shops of one source alone on each engine: they are run, exported, explained and erased from, and
what is not there is said in a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    FEW_ROWS_ON_SPARK,
)
from ecom_assets_tests.outputs.delivery.scripted_tool import ScriptedTool, scripted_tool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
FILES = {
    "events": f"""{HEADER}
1,anna,product_view,2026-01-10T09:00:00Z,p1,shoes,s1,,,
2,anna,purchase,2026-01-10T09:02:00Z,p1,shoes,s1,,,69.80
3,ben,page_view,2026-01-12T09:00:00Z,,,s2,https://shop.example/,,
""",
    "refused_events": f"""{HEADER}
1,anna,purchase,yesterday,p1,shoes,s1,,,69.80
""",
    "no_events": f"{HEADER}\n",
    "orders": f"""{ORDER_HEADER}
1,a,2026-01-10T09:00:00,1,Rome,anna,,,p1,Shoe,1,69.80,shipped
2,b,2026-01-10T10:00:00,1,Rome,ben,,,p1,Shoe,1,69.80,shipped
""",
    "customers": "id,first_name,email\nanna,Anna,anna@example.com\nben,Ben,ben@example.com\n",
    "costs": "item_id,unit_cost_amount\np1,10\n",
    "ad_spend": """spend_date,platform,account_id,campaign_id,campaign_name,spend_amount,currency
2026-01-10,meta,act_1,1,Spring,10.50,EUR
""",
}
SHOPS: dict[str, Sequence[Mapping[str, str]]] = {
    "events only, then costs without orders": (
        {"events": "events"},
        {"events": "events", "costs": "costs"},
    ),
    "orders only, then spend without visits": (
        {"orders": "orders"},
        {"orders": "orders", "ad-spend": "ad_spend"},
    ),
    "customers only": ({"customers": "customers"}, {"customers": "customers"}),
    "nothing": ({"events": "no_events"},),
    "nothing that counts": ({"events": "refused_events"},),
}
"""Of each run of a shop, the options of `ecom run`, and the file that each names."""
SHOPS_OF = {
    "duckdb": SHOPS,
    "postgres": ("orders only, then spend without visits", "nothing"),
    "snowflake": ("events only, then costs without orders",),
    "spark": ("events only, then costs without orders",),
}
"""What is run on each engine: all on the embedded one, and on the others the first run, which is
what a missing source does to tables (`core/warehouse/engines/test_empty_tables.py` has each check
and query of them without a row). `orchestration/privacy/test_erase_engines.py` has a shop of events
only in Postgres, and what an erasure does to the rows of the others.
"""
COMMANDS = (
    ("export", "--to", "heap", "--dry-run"),
    ("export", "--to", "heap"),
    ("export", "--to", "customers-json"),
    ("explain", "mart.sessions"),
    ("explain", "mart.sales"),
)
ERASURES = (
    ("erase", "--visitor", "anna", "--customer", "anna", "--yes", "--skip-tool", "heap"),
    ("erase", "--visitor", "anna", "--customer", "anna", "--verify"),
)
IN_FULL = "duckdb"
"""The engine on which an erasure is tried, and the run after it."""
WITH_COMMANDS = (IN_FULL, "postgres")
"""The engines on which each other command is tried; statements of the others take seconds."""
ENDS = {
    "nothing": "no_events.csv holds no rows; give files that do.",
    "nothing that counts": "staging/quarantined_events: Of 1 rows of events, 1 (100%) were refused",
}
"""What a run says that ends with 1."""


@dataclass(frozen=True)
class OneShop:
    """A home with a warehouse of an engine, and a stand-in of Heap."""

    engine: str
    home: Path
    env: Mapping[str, str]
    heap: ScriptedTool

    def ecom(self, *arguments: str | Path, to_heap: bool = False) -> CommandResult:
        """Run a command, which never ends with a traceback."""
        heap = {"ECOM_HEAP_APP_ID": "1", "ECOM_HEAP_URL": self.heap.url} if to_heap else {}
        result = ecom(*arguments, home=self.home, env={**self.env, **heap})
        assert "Traceback" not in result.out + result.err
        assert "non-nullable" not in result.err
        return result


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OneShop]:
    """An empty home and an empty warehouse of an engine."""
    env = {}
    if request.param in {"postgres", "snowflake"}:
        env = {"ECOM_WAREHOUSE": request.getfixturevalue(f"{request.param}_url")}
    elif request.param == "spark":
        request.getfixturevalue("spark")  # ends it
        env = {
            "ECOM_WAREHOUSE": f"spark://local[2]{tmp_path / 'spark'}",
            "ECOM_SPARK_CONF": FEW_ROWS_ON_SPARK.get_secret_value(),
        }
    with scripted_tool() as heap:
        yield OneShop(request.param, tmp_path / "home", env, heap)


@pytest.mark.parametrize(
    ("shop", "name"),
    [
        pytest.param(
            engine, name, marks=[] if engine == "duckdb" else [pytest.mark.xdist_group(engine)]
        )
        for engine, names in SHOPS_OF.items()
        for name in names
    ],
    indirect=["shop"],
)
def test_every_command_takes_a_shop_of_one_source(shop: OneShop, tmp_path: Path, name: str) -> None:
    """The commands, an erasure, and another run, maybe with a second source that needs a third."""
    for file, text in FILES.items():
        (tmp_path / f"{file}.csv").write_text(text)
    runs = SHOPS[name] if shop.engine == IN_FULL else SHOPS[name][:1]
    for number, files in enumerate(runs):
        options = [
            word
            for option, file in files.items()
            for word in (
                f"--{option}",
                f"{'native=' if option == 'ad-spend' else ''}{tmp_path}/{file}.csv",
            )
        ]
        ran = shop.ecom("run", *options)
        if name in ENDS:
            assert (ran.exit_code, ENDS[name] in ran.err) == (1, True), ran.err
            assert "Next: " not in ran.out
        else:
            assert ran.exit_code == 0, ran.out + ran.err
            assert " 0 failed" in ran.out
            assert "could not be evaluated" not in ran.out
            assert "Next: `ecom ui`" in ran.out
        is_news = number == 0 or files != runs[0]
        erasures = ERASURES if number == 0 and shop.engine == IN_FULL else ()
        commands = COMMANDS if is_news and shop.engine in WITH_COMMANDS else ()
        for arguments in (*commands, *erasures):
            result = shop.ecom(*arguments, to_heap=arguments[1] == "--to")
            if name == "nothing" and result.exit_code:
                assert result.sentence
            else:
                assert result.exit_code == 0, f"{arguments}: {result.out}{result.err}"
    if name == "nothing":
        assert not (shop.home / "warehouse.duckdb").exists()
