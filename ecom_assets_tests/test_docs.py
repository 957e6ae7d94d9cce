"""The documents held against the code: what they list exists, what exists is listed,
what they show comes out.

Not here: the examples of `docs/metrics/` (`test_metrics_doc.py`), what mappings may say
(`sources/`).
"""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
import typer

from ecom_assets.cli.app import app
from ecom_assets.core.settings.settings import PREFIX, Settings, setting_names
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT, Section, section, sections

README = ROOT / "README.md"
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "RELEASING.md", "CHANGELOG.md", "SECURITY.md")
    ),
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
TARGETS = set(
    re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)

each_page = each("page", PAGES)


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    """The script that `make docs` runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module("make_docs")


def commands(command: Any, *arguments: str) -> Iterator[tuple[str, Any]]:
    """Give every command with its words, from Typer's tree of groups."""
    is_group = hasattr(command, "list_commands")
    for name in command.list_commands(None) if is_group else ():
        yield from commands(command.get_command(None, name), *arguments, name)
    if not is_group:
        yield " ".join(["ecom", *arguments]), command


COMMANDS = dict(commands(typer.main.get_command(app)))


# What `make docs` writes


def test_the_picture_of_the_asset_graph_is_that_of_the_definitions(make_docs: ModuleType) -> None:
    assert make_docs.GRAPH.read_text(encoding="utf-8") == make_docs.asset_graph(), "run `make docs`"


def test_the_data_dictionary_is_that_of_the_contracts(make_docs: ModuleType) -> None:
    assert make_docs.DICTIONARY.read_text(encoding="utf-8") == make_docs.data_dictionary(), (
        "run `make docs`"
    )


def test_the_pages_of_metrics_have_the_measures_of_their_subjects(make_docs: ModuleType) -> None:
    for page in make_docs.METRICS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text == make_docs.with_measures(text, page.stem), f"{page.name}: run `make docs`"
    assert "Average order value" in (make_docs.METRICS / "sales.md").read_text(encoding="utf-8")


def test_the_page_of_metrics_lists_every_page_of_its_folder() -> None:
    folder = ROOT / "docs" / "metrics"
    linked = set(re.findall(r"\((\w+\.md)", (folder / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in folder.glob("*.md")} - {"README.md"}


def test_the_statements_for_postgres_are_those_of_the_contracts(
    make_docs: ModuleType, postgres_url: str
) -> None:
    script = make_docs.POSTGRES_TABLES.read_text(encoding="utf-8")
    assert script == make_docs.postgres_tables(), "run `make docs`"
    with psycopg.connect(postgres_url) as con:
        con.execute(script.encode())
        con.execute((make_docs.POSTGRES_TABLES.parent / "ecommerce_events.sql").read_bytes())
        actual = con.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tableowner = current_user"
        )
        names = {name for (name,) in actual.fetchall()}
    assert {*(contract.qualified_name() for contract in ALL), "public.ecommerce_events"} <= names


@pytest.mark.slow
def test_the_statements_for_snowflake_are_those_of_the_contracts(make_docs: ModuleType) -> None:
    assert make_docs.SNOWFLAKE_TABLES.read_text(encoding="utf-8") == make_docs.snowflake_tables(), (
        "run `make docs`"
    )


def test_the_page_of_settings_has_every_setting_once_and_no_other(make_docs: ModuleType) -> None:
    assert make_docs.SETTINGS.read_text(encoding="utf-8") == make_docs.settings_page(), (
        "run `make docs`"
    )
    listed = re.findall(r"^\| `(ECOM_[A-Z0-9_]+)[=`]", make_docs.settings_page(), re.MULTILINE)
    assert sorted(listed) == sorted(PREFIX + name.upper() for name in setting_names())


def test_the_settings_to_begin_with_exist() -> None:
    (table,) = section("docs/own_data.md", "Settings to begin with").tables
    named = {name for line in table for name in re.findall(r"ECOM_[A-Z_]+", line["setting"])}
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.slow
def test_the_page_of_the_api_has_every_path_and_no_other(make_docs: ModuleType) -> None:
    page = make_docs.API.read_text(encoding="utf-8")
    assert page == make_docs.with_paths(page), "run `make docs`"


def test_the_page_of_exports_has_every_guide(make_docs: ModuleType) -> None:
    assert make_docs.EXPORTS.read_text(encoding="utf-8") == make_docs.exports_page(), (
        "run `make docs`"
    )


def test_the_pages_about_other_tools_say_what_their_presets_set(make_docs: ModuleType) -> None:
    for tool, path in make_docs.TOOL_PAGES.items():
        page = path.read_text(encoding="utf-8")
        assert page == make_docs.with_preset_table(page, tool), "run `make docs`"


def test_the_picture_of_the_summary_is_that_of_the_first_run(make_docs: ModuleType) -> None:
    assert make_docs.SUMMARY.read_text(encoding="utf-8") == make_docs.summary_picture(), (
        "run `make docs`"
    )


# What the pages list


def test_the_readme_can_be_read_in_five_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_index_has_every_page_and_no_other() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    (listed,) = section("docs/README.md", "Documentation").tables
    assert {re.sub(r"^\[(.*)\]\(.*\)$", r"\1", line["page"]) for line in listed} == {
        *pages,
        "adr/",
        "metrics/",
    }


@each_page
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    named = set(
        re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert named <= {*TARGETS, "setup", "setup-dev"}


def test_the_page_of_commands_has_every_command_and_no_other() -> None:
    listed = re.findall(r"`(ecom [a-z][a-z -]*)`", section("docs/commands.md", "Commands").text)
    assert sorted(listed) == sorted(COMMANDS)


@each_page
def test_every_command_shown_has_the_options_that_it_is_shown_with(page: Path) -> None:
    shown = re.findall(
        r"(?:^|`)(ecom [a-z][^`\n#]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    for line in shown:
        arguments = shlex.split(line)
        (name,) = {" ".join(arguments[:2]), " ".join(arguments[:3])} & COMMANDS.keys()
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {
            word for word in arguments if word.startswith("--") and word != "--help"
        } <= options, line


def test_every_definition_that_the_code_names_has_its_heading() -> None:
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "ecom_assets").rglob("*.py")]
    named = {name for text in code for name in re.findall(r'METRICS "([^"]+)"', text)}
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "metrics").glob("*.md")]
    headings = {
        heading for page in pages for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    assert len(named) > 15
    assert named - headings == set()


def test_every_folder_of_the_package_is_in_the_recipes() -> None:
    (listed,) = section("CONTRIBUTING.md", "Where things are").tables
    paths = {line["place"] for line in listed}
    packages = [
        path.parent
        for depth in ("*", "*/*")
        for path in (ROOT / "ecom_assets").glob(f"{depth}/__init__.py")
    ]
    rooms = {
        f"{path.relative_to(ROOT).as_posix()}/" for path in packages if path.parent.name != "cli"
    }
    assert rooms <= paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_asset_in_the_recipes_is_the_one_in_the_code() -> None:
    (shown,) = section("CONTRIBUTING.md", "How a table is made").code
    assert shown in (ROOT / "ecom_assets" / "behaviour" / "sessions" / "assets.py").read_text()


# What the pages show


@pytest.mark.slow
def test_the_summary_of_the_first_run_is_what_a_run_over_the_sandbox_shop_prints(
    tmp_path: Path, make_docs: ModuleType
) -> None:
    home = tmp_path / "home"
    result = ecom("run", home=home, env=make_docs.SHOP)
    assert result.exit_code == 0
    shown = make_docs.FIRST_RUN.read_text(encoding="utf-8")
    assert _comparable(make_docs.as_shown(result.out, str(home))) == _comparable(shown), (
        "run `make first-run`"
    )


def test_the_part_of_the_summary_in_the_readme_is_that_of_the_first_run(
    make_docs: ModuleType,
) -> None:
    whole = make_docs.FIRST_RUN.read_text(encoding="utf-8")
    rest = iter(whole.splitlines())
    part = [
        line for line in section("README.md", "Two commands").code[1].splitlines() if line != "…"
    ]
    assert [
        line for line in part if line not in rest
    ] == []  # in their order: each is looked for after the one before


def test_the_readme_s_own_file_gives_the_funnel_that_it_shows(tmp_path: Path) -> None:
    clicks, question, answer, _ = section("README.md", "Your own data").code
    (tmp_path / "clicks.csv").write_text(clicks)
    result = ecom(*shlex.split(question.splitlines()[-1])[1:], home=tmp_path / "home", cwd=tmp_path)
    assert (result.exit_code, result.out) == (0, answer)


def test_own_data_give_the_funnel_that_is_shown(tmp_path: Path) -> None:
    clicks, mapping, question, answer, _ = section("docs/own_data.md", "Your own data").code
    (tmp_path / "clicks.csv").write_text(clicks)
    (tmp_path / "my_shop.yaml").write_text(mapping)
    result = ecom(*shlex.split(question)[1:], home=tmp_path / "home", cwd=tmp_path)
    assert (result.exit_code, result.out) == (0, answer)


def test_the_settings_that_are_shown_for_own_data_fit_them(tmp_path: Path) -> None:
    clicks, mapping, _, _, export = section("docs/own_data.md", "Your own data").code
    (tmp_path / "clicks.csv").write_text(clicks)
    (tmp_path / "my_shop.yaml").write_text(mapping)
    exported = dict(word.split("=", 1) for word in shlex.split(export.splitlines()[0])[1:])
    own_home = tmp_path / exported.pop("ECOM_HOME")
    (events,) = [
        row
        for row in ecom("doctor", "--json", home=own_home, cwd=tmp_path, env=exported).json
        if row["subject"] == "events"
    ]
    assert (events["ok"], events["found"]) == (
        True,
        "1 files in clicks.csv fit the mapping my_shop",
    )


def test_the_funnel_file_that_is_shown_is_a_definition(tmp_path: Path) -> None:
    clicks, mapping, *_ = section("docs/own_data.md", "Your own data").code
    *_, definition = section("docs/commands.md", "Funnels").code
    for name, text in {
        "clicks.csv": clicks,
        "my_shop.yaml": mapping,
        "lamps.yaml": definition,
    }.items():
        (tmp_path / name).write_text(text)
    arguments = (
        "funnel",
        "--events",
        "clicks.csv",
        "--mapping",
        "my_shop.yaml",
        "--definition",
        "lamps.yaml",
        "--json",
    )
    result = ecom(*arguments, home=tmp_path / "home", cwd=tmp_path)
    assert [step["count"] for step in result.json["steps"]] == [2, 1, 1]


@pytest.mark.slow
def test_the_funnel_commands_that_are_shown_answer(tmp_path: Path) -> None:
    header = (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
        "user_session"
    )
    rows = [
        f"2019-10-01 0{n}:00:00 UTC,{kind},1,1,a,b,20,7,s"
        for n, kind in enumerate(("view", "cart", "purchase"))
    ]
    (tmp_path / "clicks.csv").write_text("\n".join([header, *rows]))
    shown = [
        block
        for block in section("docs/commands.md", "Funnels").code
        if block.startswith("ecom funnel")
    ]
    lines = [line for block in shown for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        result = ecom(*shlex.split(line)[1:], home=tmp_path / "home", cwd=tmp_path)
        assert (result.exit_code, result.err) == (0, ""), line


# What all pages point to


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in {
                anchor_of(heading) for heading, _ in sections(str(file.relative_to(ROOT)))
            }, target


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@each_page
def test_every_file_of_the_code_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:ecom_assets|ecom_assets_tests|benchmarks|docs)/[\w/.-]*)`",
        page.read_text(encoding="utf-8"),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


@each("page", ADRS)
def test_every_decision_has_its_parts_and_its_number(page: Path) -> None:
    title, *parts = [heading for heading, _ in sections(str(page.relative_to(ROOT)))]
    number, _, _ = title.partition(".")
    assert page.name.startswith(f"{int(number):04}-")
    considered = ["Considered"] if "Considered" in parts else []
    assert parts == ["Context", "Decision", *considered, "Consequences"]


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_index_of_decisions_has_every_decision_in_order() -> None:
    (listed,) = section("docs/adr/README.md", "Architecture decisions").tables
    assert [line["number"] for line in listed] == [
        f"[{int(page.name[:4])}]({page.name})" for page in ADRS
    ]


def test_code_and_tables_are_read_from_a_page_by_section() -> None:
    part = Section("| a | b |\n| --- | --- |\n| `1` | |\n\n```sh\n# no heading\n```\n")
    assert part.tables == [[{"a": "1", "b": ""}]]
    assert part.code == ["# no heading\n"]


def _comparable(summary: str) -> list[str]:
    """Return the lines, sorted, because reasons that are equally frequent
    come in no particular order.

    Which of the requests that are made side by side something happens to is chance; what GA4 may
    have got shows it.
    """
    by_chance = r"^(Fetched for \S+|  ga4_events .* sent now): .*"
    return sorted(re.sub(by_chance, r"\1", line) for line in summary.strip().splitlines())
