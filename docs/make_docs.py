"""Write the parts of the documents that are made from the code: `make docs`.

The picture of the asset graph, the data dictionary, the statements that create tables, the page of settings, the
API's table of paths, what presets set, and the conditions of cleaning as SQL. Tests compare what lies here with what
this would write. Not here: documents that people write.
"""

import re
from collections.abc import Iterable
from html import escape
from io import StringIO
from pathlib import Path

from graph_picture import Asset, Picture
from ibis.backends.postgres import Backend as PostgresBackend
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.text import Text
from tool_presets import with_preset_table

from ecom_assets.api.app import build_app
from ecom_assets.definitions import build_definitions
from ecom_assets.delivery.tools.all import TOOLS
from ecom_assets.registry import ALL, data_dictionary
from ecom_assets.settings.alerts import AlertSettings
from ecom_assets.settings.delivery import DestinationSettings, LedgerSettings
from ecom_assets.settings.lineage import LineageSettings
from ecom_assets.settings.privacy import PrivacySettings
from ecom_assets.settings.serving import AnswerSettings, ServingSettings
from ecom_assets.settings.settings import PREFIX, Settings
from ecom_assets.settings.sources import GateSettings, OrderGateSettings, SourceSettings
from ecom_assets.sources.files import compiled
from ecom_assets.tables.presets import TOOLS as PRESET_TOOLS
from ecom_assets.warehouse.engines.postgres import PostgresEngine
from ecom_assets.warehouse.engines.snowflake.engine import SnowflakeEngine

ROOT = Path(__file__).parents[1]
GRAPH = ROOT / "docs" / "asset_graph.svg"
DICTIONARY = ROOT / "docs" / "data_dictionary.md"
SETTINGS = ROOT / "docs" / "settings.md"
FIRST_RUN = ROOT / "docs" / "first_run.md"
SUMMARY = ROOT / "docs" / "summary.svg"
SNOWFLAKE_TABLES = ROOT / "deploy" / "snowflake" / "tables.sql"
POSTGRES_TABLES = ROOT / "deploy" / "postgres" / "tables.sql"
API = ROOT / "docs" / "api.md"
TOOL_PAGES = {tool: ROOT / "docs" / f"from_{tool}.md" for tool in PRESET_TOOLS}
PATHS_BEGIN, PATHS_END = "<!-- paths, made by `make docs` -->\n", "<!-- end of paths -->"

SETTINGS_OPENING = """# Settings

From the environment or a `.env` file in the working folder. All are optional. An unknown name or a wrong value is
refused at start. `DAGSTER_HOME`, if set, is where Dagster keeps its history; else that is `dagster/` in `ECOM_HOME`.
This page is made by `make docs`.
"""
SETTINGS_OF: dict[type[BaseSettings], str] = {
    Settings: "The warehouse, what comes in, and what numbers mean",
    OrderGateSettings: "When a day of orders is held back",
    GateSettings: "When a source is no longer believed",
    SourceSettings: "The APIs of customers, orders and stock",
    DestinationSettings: "Deliveries to any tool",
    **{tool.settings: f"Deliveries to {tool.title}" for tool in TOOLS.values()},
    LedgerSettings: "The ledger of deliveries, and customers.json",
    PrivacySettings: "Erasing people, and how long rows are kept",
    ServingSettings: "The HTTP API: where it listens, who may ask, how much",
    AnswerSettings: "The HTTP API: ad-hoc questions",
    AlertSettings: "Alerts and reports",
    LineageSettings: "Lineage",
}
"""What each class of settings is about."""


def main() -> None:
    """Write everything again."""
    GRAPH.write_text(asset_graph(), encoding="utf-8")
    DICTIONARY.write_text(data_dictionary(), encoding="utf-8")
    SNOWFLAKE_TABLES.write_text(snowflake_tables(), encoding="utf-8")
    POSTGRES_TABLES.write_text(postgres_tables(), encoding="utf-8")
    SETTINGS.write_text(settings_page(), encoding="utf-8")
    API.write_text(with_paths(API.read_text(encoding="utf-8")), encoding="utf-8")
    for tool, page in TOOL_PAGES.items():
        page.write_text(with_preset_table(page.read_text(encoding="utf-8"), tool), encoding="utf-8")
    SUMMARY.write_text(summary_picture(), encoding="utf-8")
    compiled.PATH.write_text(compiled.compiled_text(), encoding="utf-8")


def summary_picture() -> str:
    """Return the first run's summary down to its sales as a picture of a terminal."""
    _, summary, _ = FIRST_RUN.read_text(encoding="utf-8").split("```", 2)
    visits, _, _ = summary.removeprefix("text\n").partition("\nSales\n")
    console = Console(record=True, width=100, file=StringIO())
    console.print(Text(visits.rstrip()))
    picture = console.export_svg(title="make run", unique_id="summary")
    # Rich asks a host on the internet for the font; the reader's own monospace one will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


def with_paths(page: str) -> str:
    """Return the page of the API with its paths as the code has them."""
    before, rest = page.split(PATHS_BEGIN)
    _, after = rest.split(PATHS_END)
    return before + PATHS_BEGIN + paths_table() + PATHS_END + after


def paths_table() -> str:
    """Return the paths of the API with their parameters, as a Markdown table."""
    described = build_app(Settings()).openapi()["paths"]
    lines = ["| path | answers | parameters beside `format` and `explain` |", "| --- | --- | --- |"]
    for path, methods in described.items():
        for method, one in methods.items():
            given = [parameter["name"] for parameter in one.get("parameters", [])]
            names = [f"`{name}`" for name in given if name not in {"format", "explain"}]
            parameters = ", ".join([*(["a definition"] if "requestBody" in one else []), *names])
            lines.append(f"| `{method.upper()} {path.removeprefix('/v1')}` | {one['summary']} | {parameters} |")
    return "\n".join(lines) + "\n"


def snowflake_tables() -> str:
    """Return the statements that create every table in Snowflake."""
    engine = SnowflakeEngine(Settings(warehouse="snowflake://USER:PASSWORD@ACCOUNT/DATABASE"))
    why = "Why\n-- the types are what they are, and what ECOM_LOCKS is for: docs/adr/0009-snowflake-types.md."
    return _script(why, (statement for contract in ALL for statement in engine.ddl(contract)))


def postgres_tables() -> str:
    """Return the statements that create every table in Postgres."""
    engine = PostgresEngine(Settings(warehouse="postgres://USER:PASSWORD@HOST/DATABASE"))
    engine.con = PostgresBackend()  # not connected: it only spells
    schemas = (f"CREATE SCHEMA IF NOT EXISTS {engine.quoted(contract.layer)}" for contract in ALL)
    tables = (statement for contract in ALL for statement in engine.create_statements(contract))
    return _script(
        "Why\n-- texts have a collation: docs/adr/0008-one-interface-for-four-engines.md.", [*schemas, *tables]
    )


def _script(why: str, statements: Iterable[str]) -> str:
    opening = (
        "-- Every table of the platform, made from the contracts by `make docs`. The platform runs these statements\n"
        "-- by itself, and adds columns that contracts gain: run them by hand to look at the tables beforehand. "
        f"{why}\n"
    )
    return opening + "".join(f"\n{statement};\n" for statement in dict.fromkeys(statements))


def settings_page() -> str:
    """Return the page of settings: a table for each class that declares some, in the order that people meet them."""
    sections = [f"## {title}\n\n{_settings_table(owner)}" for owner, title in SETTINGS_OF.items()]
    return "\n".join([SETTINGS_OPENING, *sections])


def _settings_table(owner: type[BaseSettings]) -> str:
    inherited = {name for base in owner.__mro__[1:] for name in getattr(base, "model_fields", {})}
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in owner.model_fields.items():
        if name not in inherited:
            default = f"`{field.default}`" if field.default or field.default == 0 else "none"
            lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {escape(field.description or '', quote=False)} |")
    return "\n".join(lines) + "\n"


def asset_graph() -> str:
    """Return the picture of the asset graph, a box per subject."""
    graph = build_definitions(Settings()).resolve_asset_graph()
    nodes = [graph.get(key) for key in sorted(graph.materializable_asset_keys)]
    return Picture(
        tuple(
            Asset(
                node.key.to_user_string(),
                node.group_name,
                frozenset(parent.to_user_string() for parent in node.parent_keys & graph.materializable_asset_keys),
            )
            for node in nodes
        )
    ).svg


if __name__ == "__main__":
    main()
