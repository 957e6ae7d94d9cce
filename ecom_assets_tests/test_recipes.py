"""CONTRIBUTING's recipes, each by the smallest example: it is shown as it is here, and it runs.

The endpoint and the question run in `api/test_recipe.py`, the destination in
`delivery/test_new_tool.py`.
"""

import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

import ecom_assets
from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.orders.contracts import RawUserOrderLog, UserOrderLog
from ecom_assets.commerce.sales.sales import DIMENSIONS
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START, SNAPSHOT, asset_key
from ecom_assets.core.tables.check import check_steps, contract_check
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse import engines
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.io_manager import WarehouseIOManager
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.files.mapping import EVENT, ORDER
from ecom_assets.ingestion.sources.mapping_file import load_mapping_file
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.orchestration.registry import MARTS
from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT, NOT_IN_SNAPSHOT, require_listed
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.command import (
    ECOM,
    FEW_TABLES,
    UNTIL_DUE,
    CommandResult,
    ecom,
    environment,
    page_views,
)
from ecom_assets_tests.commerce.reconciliation.reconciliation_reference import line
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import section
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.recipes.check import hours_are_of_one_day
from ecom_assets_tests.recipes.mart import OrderHours, order_hours_asset
from ecom_assets_tests.recipes.order_columns import LINES, NEW, AddedLines
from ecom_assets_tests.recipes.source import OneOrderADay

FIRST = date(2026, 1, 1)
RECIPES = Path(__file__).parent / "recipes"


@each("name", ["mart", "measure", "check", "endpoint", "page", "source", "engines/toy/__init__"])
def test_a_recipe_is_shown_as_it_runs(name: str) -> None:
    kind = name.partition("s/")[0]
    (shown,) = section("CONTRIBUTING.md", f"Add {'an' if kind[0] == 'e' else 'a'} {kind}").code[:1]
    assert shown in (RECIPES / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "folder", "count"),
    [("Add a question", "week_hours", 3), ("Ask orders", "basket_sizes", 1)],
)
def test_a_question_is_shown_as_it_runs(heading: str, folder: str, count: int) -> None:
    written = "".join(file.read_text(encoding="utf-8") for file in (RECIPES / folder).glob("*.py"))
    shown = section("CONTRIBUTING.md", heading).code[:count]
    assert len(shown) == count
    assert [block for block in shown if block not in written] == []


def test_the_files_of_columns_of_orders_are_those_of_their_recipe() -> None:
    (rows,) = section("CONTRIBUTING.md", "Add columns of order lines").tables
    *shown, new_page = [row["file in ecom_assets/"] for row in rows]
    *files, page = [*dict.fromkeys(added.file for added in LINES), *NEW.values()]
    assert shown == files
    assert page.startswith(new_page.removeprefix("a new file in "))


def test_what_is_no_text_in_received_rows_is_read_from_a_text_of_their_files() -> None:
    """Or what files say would be cast, as `2.5` to 3 and `1` to true, without a rule of ours."""
    unread = [
        f"{raw.__name__}.{name}"
        for kind, raw in ((ORDER, RawUserOrderLog), (EVENT, RawEvents))
        for name, column in raw.columns.items()
        if column.type != "string" and name in kind.fields and name not in kind.read
    ]
    assert unread == []


def test_the_changes_touch_as_few_files_as_the_page_says() -> None:
    (rows,) = section("CONTRIBUTING.md", "Six changes and their files").tables
    said = [int(row["files of the package"].partition(":")[0]) for row in rows]
    tool = len([*(RECIPES.parent / "outputs" / "delivery" / "toy").glob("*.py")])
    question = len([*(RECIPES / "basket_sizes").glob("*.py")]) + 1  # and the list of questions
    columns = len({added.file for added in LINES} | {*NEW.values()})
    assert said == [5, columns, tool, question, 1, len(KIND_FILES)]
    assert all(n <= most for n, most in zip(said, (6, 8, 4, 5, 3, 4), strict=True))


def holding(path: Path, *times: str) -> DuckDBEngine:
    """Return a warehouse with a clean order line at each time."""
    engine = DuckDBEngine(path / "warehouse.duckdb").open()
    rows = [line(f"l{number}", f"2026-01-01 {time}") for number, time in enumerate(times)]
    engine.con.con.register("lines", as_table(rows, UserOrderLog))
    engine.replace(UserOrderLog, engine.con.table("lines"), Days((FIRST,)))
    return engine


def materialize(engine: Engine) -> dg.ExecuteInProcessResult:
    """Let Dagster make the mart, its contract check and its own check."""
    asset = order_hours_asset.build(
        dg.DailyPartitionsDefinition("2026-01-01"), {"timezone": "Europe/Berlin"}
    )
    lines = dg.AssetSpec(asset_key(UserOrderLog)).with_io_manager_key("io_manager")
    manager = WarehouseIOManager(
        engine, {"mart/order_hours": OrderHours, "staging/user_order_log": UserOrderLog}
    )
    return dg.materialize(
        [asset, lines, *check_steps((hours_are_of_one_day, contract_check(OrderHours)))],
        resources={
            "warehouse": dg.ResourceDefinition.hardcoded_resource(engine),
            "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(manager),
        },
    )


@pytest.mark.filterwarnings(
    "ignore::dagster_shared.utils.warnings.BetaWarning"
)  # as `definitions.py` does
def test_a_mart_is_made_and_checked(tmp_path: Path) -> None:
    engine = holding(tmp_path, "09:15", "09:50", "22:59")
    result = materialize(engine)
    assert result.success
    assert engine.table(OrderHours).order_by("order_hour").to_pyarrow().to_pylist() == [
        {"weekday_number": 4, "order_hour": 10, "line_count": 2},
        {"weekday_number": 4, "order_hour": 23, "line_count": 1},  # 22:59 in UTC, on a Thursday
    ]
    passed = {
        evaluation.check_name: evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }
    assert passed == {"hours_are_of_one_day": True, "contract_holds": True}


def test_a_mart_of_which_nobody_says_whether_the_api_reads_it_is_refused() -> None:
    require_listed(MARTS)
    with pytest.raises(DefinitionError) as refused:
        require_listed([*MARTS, OrderHours])
    assert str(refused.value) == (
        "mart.order_hours is in no list of ecom_assets/outputs/serving/assets.py; add OrderHours "
        "to SERVED if a route or page reads it, to EVIDENCE if only explanations do, else to "
        "NOT_IN_SNAPSHOT."
    )
    assert {*MARTS} & {*IN_SNAPSHOT} & {*NOT_IN_SNAPSHOT} == set()


@pytest.mark.filterwarnings(
    "ignore::dagster_shared.utils.warnings.BetaWarning"
)  # as `definitions.py` does
def test_the_check_goes_red_for_what_it_is_about(tmp_path: Path) -> None:
    engine = holding(tmp_path, "09:15")
    materialize(engine)
    engine.execute("UPDATE mart.order_hours SET order_hour = 24")
    result = hours_are_of_one_day.evaluate(None, engine.table(OrderHours))
    assert (result.broken_count, result.examples) == (
        1,
        [{"weekday_number": 4, "order_hour": 24, "line_count": 1}],
    )


@pytest.mark.slow
def test_a_source_takes_the_place_of_the_platforms_own(tmp_path: Path) -> None:
    source = dg.ResourceDefinition.hardcoded_resource(OneOrderADay(FIRST + timedelta(days=1)))
    settings = Settings(home=tmp_path / "home")
    job = build_definitions(settings, resources={"order_source": source}).resolve_job_def(
        "everything"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[asset_key(RawUserOrderLog)],
            tags={RANGE_START: "2026-01-01", RANGE_END: "2026-01-03"},
        )
    assert result.success
    engine = new_engine(settings, read_only=True).open()
    assert {row["order_date"].day for row in engine.some_rows(RawUserOrderLog, None, 9)} == {2, 3}
    engine.close()


ORDER_LINES = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount
1,l1,2026-01-05T10:00:00,1,Berlin,ann,,,7,Hat,3,30
2,l2,2026-01-05T11:00:00,1,Berlin,bob,,,8,Scarf,1,10
"""
MEASURE = "items_per_line"
ASKED = f"""
import sys
from ecom_assets.cli import main
from fastapi.testclient import TestClient
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.dashboard.blocks import TableColumn
from ecom_assets.interfaces.api.routes.sales import Point
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.core.settings.settings import Settings
with TestClient(build_app(Settings()), base_url="http://127.0.0.1") as client:
    print(client.get("/v1/analytics/sales?start_date=2026-01-05&end_date=2026-01-05").json()["sales"]["{MEASURE}"])
    print(client.get("/openapi.json").json()["components"]["schemas"]["Point"]["properties"]["{MEASURE}"]["title"])
print(
    TableColumn.from_field(Point, "{MEASURE}").label,
    RevenueDaily.columns["{MEASURE}"].description,
)
sys.argv[0] = "ecom"
main()
"""


@pytest.mark.slow
def test_a_measure_touches_one_file(tmp_path: Path) -> None:
    """It is then a column of marts, a field of routes with its label, and traced:
    4 items in 2 lines are 2.0.
    """
    package = tmp_path / "changed"
    shutil.copytree(
        Path(ecom_assets.__file__).parent, package / "ecom_assets"
    )  # compiled files too, which saves seconds
    measures = package / "ecom_assets" / "commerce" / "sales" / "measures.py"
    _, _, declared = (
        (RECIPES / "measure.py").read_text(encoding="utf-8").rpartition('paid back."""\n')
    )
    imports = "from ecom_assets.core.tables.contract import Aggregate, Ratio, count, per_unit\n"
    written = measures.read_text(encoding="utf-8")
    measures.write_text(imports + written + declared, encoding="utf-8")
    orders = tmp_path / "orders.csv"
    orders.write_text(ORDER_LINES, encoding="utf-8")
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home", {"PYTHONPATH": str(package)})

    def output_of(*command: str) -> str:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=env,
            cwd=tmp_path,
            check=False,
            timeout=PATIENCE_S,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    chosen = f'+key:"mart/revenue_daily" or key:"{SNAPSHOT.to_user_string()}"'
    output_of(*ECOM, "run", "--orders", str(orders), "--select", chosen)
    total = ["--where", "order_date=2026-01-05", *(f"--where={name}=(all)" for name in DIMENSIONS)]
    explain = ("explain", "mart.revenue_daily", "--column", "line_count", *total, "--json")
    *answers, explained = output_of(sys.executable, "-c", ASKED, *explain).splitlines()
    assert answers == ["2.0", "Items per line", "Items per line Items sold divided by lines"]
    lines = json.loads(explained)
    assert lines["number"]["value"] == 2
    (traced,) = lines["number"]["down"]
    assert [(level["table"], level["gives"]) for level in traced["levels"]] == [
        ("mart.sales", 2),
        ("staging.user_order_log", 2),
        ("raw.user_order_log", 2),
    ]


ORDERS_WITH_COUPONS = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount,coupon_code,delivery_method,is_gift
1,l1,2026-01-05T10:00:00,1,Berlin,ann,,,7,Hat,3,30,SPRING,van,yes
2,l2,2026-01-05T11:00:00,1,Berlin,bob,,,8,Scarf,1,10,,post,
3,l3,2026-01-05T12:00:00,1,Berlin,cid,,,8,Scarf,1,15,SPRING,van,true
4,l4,2026-01-05T13:00:00,1,Berlin,dan,,,8,Scarf,1,5,,post,no
"""
ASKED_COUPONS = """
import json
from fastapi.testclient import TestClient
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.core.settings.settings import Settings
days = "start_date=2026-01-05&end_date=2026-01-05"
with TestClient(build_dashboard_app(Settings()), base_url="http://127.0.0.1") as client:
    answer = client.get(f"/v1/analytics/sales/coupons?{days}").json()
    page = client.get(f"/dashboard/coupons?{days}").text
names = ("coupon_code", "delivery_method", "is_gift", "order_count", "revenue_amount")
print(json.dumps([[row[name] for name in names] for row in answer["coupons"]]))
print(">SPRING<" in page, ">post<" in page, "Coupon" in page)
"""


def with_lines(text: str, added: AddedLines) -> str:
    """Return a file with lines below each line of it that is as `after`, indented as it."""
    result: list[str] = []
    for line_of_file in text.splitlines():
        result.append(line_of_file)
        if line_of_file.strip() == added.after:
            indent = line_of_file[: -len(added.after)]
            result += [indent + new for new in added.lines]
    assert len(result) > len(text.splitlines()), f"{added.file} has no line {added.after}"
    return "\n".join([*result, ""])


@pytest.mark.slow
def test_columns_of_order_lines_in_a_route_and_a_page_touch_eight_files(tmp_path: Path) -> None:
    package = tmp_path / "changed" / "ecom_assets"
    shutil.copytree(Path(ecom_assets.__file__).parent, package)
    touched = {added.file for added in LINES} | {*NEW.values()}
    assert len(touched) == 8
    for added in LINES:
        file = package / added.file
        file.write_text(with_lines(file.read_text(encoding="utf-8"), added), encoding="utf-8")
    for name, target in NEW.items():
        with (package / target).open("a", encoding="utf-8") as end:
            end.write((RECIPES / "order_columns" / name).read_text(encoding="utf-8"))
    orders = tmp_path / "orders.csv"
    orders.write_text(ORDERS_WITH_COUPONS, encoding="utf-8")
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home", {"PYTHONPATH": str(package.parent)})
    chosen = f'+key:"mart/revenue_daily" or key:"{SNAPSHOT.to_user_string()}"'
    run = [*ECOM, "run", "--orders", str(orders), "--select", chosen]
    outputs = [
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=env,
            cwd=tmp_path,
            check=False,
            timeout=PATIENCE_S,
        )
        for command in (run, [sys.executable, "-c", ASKED_COUPONS])
    ]
    assert [output.returncode for output in outputs] == [0, 0], outputs[-1].stderr
    rows, page = outputs[-1].stdout.splitlines()
    assert json.loads(rows) == [
        ["SPRING", "van", True, 2, "45.00"],
        [None, "post", None, 1, "10.00"],
        [None, "post", False, 1, "5.00"],
    ]
    assert page == "True True True"


SUBSCRIPTIONS = """\
subscription_id,customer_id,plan,monthly_amount,currency,started_date
s1,ann,Basic,9.90,EUR,2026-03-01
s2,bob,Pro,19.90,EUR,2026-03-02
s2,bob,Pro,19.90,EUR,2026-03-02
,cid,Basic,9.90,EUR,2026-03-03
s4,dan,Basic,free,EUR,2026-03-04
"""
"""Two subscriptions, a copy, one without a name, and one whose amount is not a number."""
SENT = """\
Abo,Kunde,Tarif,Betrag,Beginn
s5,eve,Basic,9.90,2026-03-05
s2,bob,Max,29.90,2026-03-02
"""
"""What somebody sends by the page: Eve is new, and Bob pays more."""
KIND_FILES = {
    "contracts.py": "commerce/subscriptions",
    "package/__init__.py": "ingestion/sources/feeds/subscriptions",
    "package/feed.py": "ingestion/sources/feeds/subscriptions",
    "package/subscriptions.yaml": "ingestion/sources/feeds/subscriptions",
}
"""The files of a kind of record, each with its folder."""
PLACES = {
    "ecom_assets_tests.recipes.subscriptions.contracts": (
        "ecom_assets.commerce.subscriptions.contracts"
    ),
    "ecom_assets_tests.recipes.subscriptions.package": (
        "ecom_assets.ingestion.sources.feeds.subscriptions"
    ),
}


@pytest.mark.slow
def test_a_kind_of_record_is_a_contract_and_a_package(tmp_path: Path) -> None:
    """Read from a folder and sent by the page; a person is erased, and the upload undone."""
    package = tmp_path / "changed" / "ecom_assets"
    shutil.copytree(Path(ecom_assets.__file__).parent, package)
    for name, folder in KIND_FILES.items():
        text = (RECIPES / "subscriptions" / name).read_text(encoding="utf-8")
        for here, there in PLACES.items():
            text = text.replace(here, there)
        (package / folder).mkdir(exist_ok=True)
        (package / folder / Path(name).name).write_text(text, encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "landed").mkdir()
    (tmp_path / "landed" / "march.csv").write_text(SUBSCRIPTIONS, encoding="utf-8")
    (tmp_path / "abos.csv").write_text(SENT, encoding="utf-8")
    (tmp_path / "orders.csv").write_text(ORDER_LINES, encoding="utf-8")
    own = {
        "PYTHONPATH": f"{package.parent}:{RECIPES.parents[1]}",
        "ECOM_ORDERS": str(tmp_path / "orders.csv"),
        "ECOM_SUBSCRIPTIONS": str(tmp_path / "landed"),
    }
    tables = ("raw/user_order_log", "raw/subscriptions", "staging/subscriptions")
    chosen = " or ".join(f'key:"{name}"' for name in (*tables, "staging/quarantined_subscriptions"))
    script = [sys.executable, "-m", "ecom_assets_tests.recipes.subscriptions.loading"]
    outputs = [
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment(tmp_path / "home", own),
            cwd=tmp_path,
            check=False,
            timeout=PATIENCE_S,
        )
        for command in (
            [*ECOM, "run", "--select", chosen],
            [*script, str(tmp_path / "home"), str(tmp_path / "abos.csv")],
        )
    ]
    assert [output.returncode for output in outputs] == [0, 0], outputs[-1].stderr
    steps = json.loads((tmp_path / "abos.json").read_text(encoding="utf-8"))
    ann, eve = (["ann", "Basic", "9.9000"], ["eve", "Basic", "9.9000"])
    # Rows received, those that count, and those that are refused; the others are copies.
    assert steps == {
        "loaded": [[7, 3, 2], [ann, ["bob", "Max", "29.9000"], eve]],
        "erased": [[6, 2, 2], [ann, ["bob", "Max", "29.9000"]]],
        "landed": [["bob"]],  # nor does the file that was sent have a row of Eve
        "undone": [[5, 2, 2], [ann, ["bob", "Pro", "19.9000"]]],
    }


def test_a_kind_of_record_is_shown_as_it_runs() -> None:
    shown = section("CONTRIBUTING.md", "Add a kind of record").code
    written = "".join(
        (RECIPES / "subscriptions" / name).read_text(encoding="utf-8") for name in KIND_FILES
    )
    assert len(shown) == len(KIND_FILES)
    assert [block for block in shown if block not in written] == []


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the engines of recipes to the real ones."""
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(RECIPES / "engines")])


@pytest.mark.slow
@pytest.mark.usefixtures("with_toy")
def test_an_engine_that_is_only_a_package_loads_a_shop(tmp_path: Path) -> None:
    home, env = tmp_path / "home", {"ECOM_WAREHOUSE": f"toy://{tmp_path}/shop.toy"}
    events = page_views(tmp_path / "events.csv", "2026-03-01", "2026-03-02")
    result = ecom("run", "--events", events, "--select", UNTIL_DUE, "--json", home=home, env=env)
    assert (result.exit_code, result.json["tables"]["staging.events"]) == (0, 2), result.err
    assert (tmp_path / "shop.toy").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("with_toy")
def test_an_engine_that_is_only_a_package_runs_publishes_explains_and_erases(
    tmp_path: Path,
) -> None:
    home, env = tmp_path / "home", {"ECOM_WAREHOUSE": f"toy://{tmp_path}/shop.toy"}

    def toy(*arguments: str | Path) -> CommandResult:
        result = ecom(*arguments, home=home, env=env)
        assert result.exit_code == 0, result.err
        return result

    chosen = f'{FEW_TABLES[1]} or key:"{SNAPSHOT.to_user_string()}"'
    toy(
        "run",
        "--events",
        page_views(tmp_path / "events.csv", "2026-03-01", "2026-03-02"),
        "--select",
        chosen,
    )
    assert (tmp_path / "shop.toy").exists()
    assert list((home / "serving").glob("marts-*.duckdb"))
    explained = toy("explain", "mart.engagement_daily", "--column", "session_count", "--json").json
    assert explained["number"]["value"] == 2
    toy("erase", "--visitor", "ann", "--yes")
    row_counts = {row["table"]: row["rows"] for row in toy("status", "--json").json}
    assert (row_counts["raw.events"], row_counts["mart.sessions"]) == (0, 0)


TILL = """\
receipt;time;card;article;pieces;total
17;02.03.2026 09:15;c1;hat;1;19,90
17;02.03.2026 09:15;c1;hat;1;19,90
18;02.03.2026 09:40;c2;scarf;some;5,00
"""
"""Two equal lines of a receipt, and one whose number of pieces is not known."""
ASKED_TILL = """
import json, sys
from pathlib import Path
from dataclasses import asdict
from ecom_assets_tests.command import ecom
home = Path(sys.argv[1])
env = {"ECOM_SHOP_NAME": "Hats", "ECOM_SHOP_MOTTO": "Warm ears"}
check = ("mapping", "check", sys.argv[2], "--mapping", "corner_till", "--json")
asked = [
    (("shop", "--json"), env), (("shop",), {}), (("shop",), {"ECOM_SHOP_MOTO": "?"}), (check, {})
]
print(json.dumps([asdict(ecom(*words, home=home, env=env)) for words, env in asked]))
"""
SMALL_FILES = {
    "setting.txt": "core/settings/settings.py",
    "command.txt": "cli/shop.py",
    "corner_till.yaml": "ingestion/sources/order_mappings/corner_till.yaml",
}


@pytest.mark.slow
def test_a_setting_a_command_and_a_mapping_are_their_files(tmp_path: Path) -> None:
    package = tmp_path / "changed" / "ecom_assets"
    shutil.copytree(Path(ecom_assets.__file__).parent, package)
    texts = {name: (RECIPES / "small" / name).read_text(encoding="utf-8") for name in SMALL_FILES}
    for name in ("command.txt", "corner_till.yaml"):
        (package / SMALL_FILES[name]).write_text(texts[name], encoding="utf-8")
    for name, after, added in (
        (SMALL_FILES["setting.txt"], "    late_days: int = Field(\n", texts["setting.txt"]),
        ("cli/commands.py", '    "extract": Command(\n', COMMAND_LINES),
    ):
        text = (package / name).read_text(encoding="utf-8")
        assert text.count(after) == 1
        (package / name).write_text(text.replace(after, added + after), encoding="utf-8")
    (tmp_path / "till.csv").write_text(TILL, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", ASKED_TILL, str(tmp_path / "home"), str(tmp_path / "till.csv")],
        capture_output=True,
        text=True,
        env=environment(
            tmp_path / "home", {"PYTHONPATH": f"{package.parent}:{RECIPES.parents[1]}"}
        ),
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stderr
    named, unnamed, misspelt, checked = (
        CommandResult(**result) for result in json.loads(ran.stdout.splitlines()[-1])
    )
    assert named.json == {"name": "Hats", "motto": "Warm ears"}
    assert unnamed.sentence == "The shop has no name; set ECOM_SHOP_NAME."
    assert misspelt.sentence == (
        "ECOM_SHOP_MOTO is not a setting of ecom_assets; did you mean ECOM_SHOP_MOTTO?"
    )
    read = [(row["order_id"], row["received_payment_amount"]) for row in checked.json["preview"]]
    assert read == [("17", "19.90"), ("17", "19.90"), ("18", "5.00")]
    assert checked.json["rows"]["counted"] == 3, "pieces that nobody knows are null"


COMMAND_LINES = """\
    "shop": Command("ecom_assets.cli.shop:shop", "Show the shop's name and its motto."),
"""


def test_a_setting_a_command_and_a_mapping_are_shown_as_they_run() -> None:
    for heading, name in (
        ("Add a setting", "setting.txt"),
        ("Add a command", "command.txt"),
        ("Add a source mapping", "corner_till.yaml"),
    ):
        shown = section("CONTRIBUTING.md", heading).code[0]
        assert shown == (RECIPES / "small" / name).read_text(encoding="utf-8")
    assert section("CONTRIBUTING.md", "Add a command").code[1] == COMMAND_LINES


def test_every_shipped_mapping_can_be_loaded_by_the_name_of_its_file() -> None:
    """A mapping that is not valid is otherwise an error of the first shop that uses it."""
    shipped = [(feed, name) for feed in feeds().values() if feed.mapping for name in feed.shipped]
    named = {name: load_mapping_file(feed.model, name, feed.folder).name for feed, name in shipped}
    assert [name for name, own in named.items() if name != own] == []
    assert len(named) > len(feeds())


def test_every_setting_is_read_by_something() -> None:
    """One that nothing reads can be set, and changes nothing."""
    package = Path(ecom_assets.__file__).parent
    text = "\n".join(file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    words = {*re.findall(r"[.\"}](\w+)", text)}
    # Rules of identity and limits of tools are read by the ends of their names.
    fronts = ("identity", *TOOLS)
    unread = [
        name
        for name in Settings.model_fields
        if not words & {name, *(name.removeprefix(front) for front in fronts)}
        and not words & {name.removeprefix(f"{front}_") for front in fronts}
    ]
    assert unread == []
