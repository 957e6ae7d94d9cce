"""`ecom doctor`: check what the platform needs to run; each problem found has a fix."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import requires, version
from pathlib import Path

import duckdb
import typer
from packaging.requirements import Requirement

from ecom_assets.cli.options import Json
from ecom_assets.delivery.ledger.store import ledger_place
from ecom_assets.errors import EcomError
from ecom_assets.operations.requests import OperationsStore
from ecom_assets.optional_imports import packages_of
from ecom_assets.redact_url import without_secrets
from ecom_assets.rules import segments_of
from ecom_assets.settings.private_files import open_to_others, own_places
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.customer_api.mapping import mapping_of
from ecom_assets.sources.customer_api.source import has_customers
from ecom_assets.sources.events import events_place, is_table, open_events, sandbox_is_missing
from ecom_assets.sources.order_reports.source import has_events, has_orders, open_orders, orders_place
from ecom_assets.warehouse.factory import new_engine

LEAST_FREE_BYTES = 1_000_000_000
"""With less free space, a run over a few million events can fill the disk."""


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it is ok, what was found, and how to fix it."""

    subject: str
    ok: bool
    found: str
    fix: str = ""


def show_diagnosis(*, as_json: bool) -> bool:
    """Print every finding, and return whether all are ok."""
    findings = diagnose()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject:10} {finding.found}")
            if finding.fix and not finding.ok:
                typer.echo(f"                fix: {finding.fix}")
    return all(finding.ok for finding in findings)


def diagnose() -> list[Finding]:
    """Check everything that a run needs, and return the findings."""
    try:
        settings = load_settings()
    except EcomError as error:
        return [Finding("settings", ok=False, found=str(error), fix="correct the environment or .env")]
    looks: list[tuple[str, Callable[[Settings], Finding]]] = [
        ("versions", _versions),
        ("disk", _disk),
        ("privacy", _privacy),
        ("warehouse", _warehouse),
        ("events", _events),
        ("orders", _orders),
        ("customers", _customers),
        ("dagster", _dagster_home),
        ("requests", _requests),
        ("alerts", _alerts),
        ("lineage", _lineage),
        ("publishing", _publishing),
        ("api", _api),
    ]
    findings = [Finding("settings", ok=True, found=f"{len(Settings.model_fields)} known, all well")]
    for subject, look in looks:
        try:
            findings.append(look(settings))
        except EcomError as error:
            findings.append(Finding(subject, ok=False, found=str(error), fix="see the sentence above"))
    return findings


def _versions(_settings: Settings) -> Finding:
    wrong = []
    for line in requires("ecom-assets") or []:
        needed = Requirement(line)
        if needed.marker is None and version(needed.name) not in needed.specifier:
            wrong.append(f"{needed.name} {version(needed.name)} where {needed.specifier} is needed")
    python = ".".join(map(str, sys.version_info[:3]))
    rows = "; ".join(wrong) or f"Python {python}, dagster {version('dagster')}, duckdb {version('duckdb')}"
    return Finding("versions", ok=not wrong, found=rows, fix="make setup")


def _disk(settings: Settings) -> Finding:
    place = next(path for path in (settings.home.absolute(), *settings.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    result = f"{free / 1e9:.1f} GB free at {place}"
    return Finding(
        "disk",
        ok=free >= LEAST_FREE_BYTES,
        found=result,
        fix="free some space, or set ECOM_HOME to another disk",
    )


def _privacy(settings: Settings) -> Finding:
    """Check whether other users of this machine can read customers, keys or logs."""
    secrets = [path for path in (Path(".env").absolute(), settings.snowflake_private_key_path) if path]
    left_open = open_to_others([*own_places(settings), *secrets])
    if not left_open:
        return Finding("privacy", ok=True, found="nothing that was written can be read by other users")
    more = f" and {len(left_open) - 1:,} more" if len(left_open) > 1 else ""
    return Finding(
        "privacy",
        ok=False,
        found=f"other users of this machine can read {left_open[0]}{more}",
        fix=f"chmod -R go= {' '.join(dict.fromkeys(map(str, _tops(left_open))))}",
    )


def _tops(paths: list[Path]) -> list[Path]:
    """Return the paths that are not inside another of them."""
    return [path for path in paths if not any(other in path.parents for other in paths)]


def _warehouse(settings: Settings) -> Finding:
    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        return Finding("warehouse", ok=True, found=f"none yet at {engine.address}; the first run makes it")
    engine.open()
    engine.close()
    return Finding("warehouse", ok=True, found=f"{engine.address} opens")


def _events(settings: Settings) -> Finding:
    if not has_events(settings):
        return Finding("events", ok=True, found="none set; the tables of behaviour are skipped")
    if not settings.events and sandbox_is_missing(settings):
        return Finding("events", ok=True, found="none set; the sandbox shop is made at the first run")
    if is_table(settings):
        return _event_table(settings)
    files = open_events(duckdb.connect(), settings, events_place(settings))
    result = f"{len(files.files())} files in {', '.join(events_place(settings))} fit the mapping {files.mapping.name}"
    return Finding("events", ok=True, found=result)


def _orders(settings: Settings) -> Finding:
    if not has_orders(settings):
        return Finding("orders", ok=True, found="none set; the tables of sales are skipped")
    if not settings.orders and sandbox_is_missing(settings):
        return Finding("orders", ok=True, found="none set; the sandbox shop is made at the first run")
    if not settings.orders:
        return Finding("orders", ok=True, found=f"come from {settings.order_api_url or 'the sandbox shop'}")
    files = open_orders(duckdb.connect(), settings)
    places = ", ".join(orders_place(settings))
    return Finding(
        "orders", ok=True, found=f"{len(files.files())} files in {places} fit the mapping {files.mapping.name}"
    )


def _customers(settings: Settings) -> Finding:
    markets = ", ".join(segments_of(settings).names)
    if not has_customers(settings):
        return Finding("customers", ok=True, found="none set; the tables of customers are skipped")
    if not settings.customer_api_url:
        return Finding("customers", ok=True, found=f"come from the sandbox shop; markets are {markets}")
    mapping = mapping_of(settings)
    scored = ", ".join(mapping.expected_fields) or "nothing"
    result = f"come from {without_secrets(settings.customer_api_url)} by the mapping {mapping.name}"
    return Finding("customers", ok=True, found=f"{result}; the score expects {scored}; markets are {markets}")


def _event_table(settings: Settings) -> Finding:
    with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
        from ecom_assets.sources.event_table import opened_table  # noqa: PLC0415 (only event tables need the packages)

    with opened_table(settings) as table:
        days = table.newest_days
        count = sum(state.row_count for state in table.states(days).values())
        result = f"{table.name} opens; {count} rows arrived from {days.first} to {days.dates[-1]}"
    return Finding("events", ok=True, found=result)


def _dagster_home(settings: Settings) -> Finding:
    home = settings.dagster_home
    ready = (home / "dagster.yaml").exists()
    result = f"{home}" + ("" if ready else " is made at the first run")
    writable = not home.exists() or _is_writable(home)
    return Finding("dagster", ok=writable, found=result, fix=f"make {home} writable, or set DAGSTER_HOME")


def _requests(settings: Settings) -> Finding:
    """Report where requests and notes of runs are: in a file, even if everything else is in Postgres."""
    place = OperationsStore(settings.home).path.absolute()
    result = f"are in {place}, with what runs note of checks and tables"
    if isinstance(ledger_place(settings), str):
        result += "; the ledger is in Postgres, but the API, the daemon and all runs must share this folder"
    writable = not place.parent.exists() or _is_writable(place.parent)
    return Finding("requests", ok=writable, found=result, fix=f"make {place.parent} writable for the API and for runs")


def _alerts(settings: Settings) -> Finding:
    from ecom_assets.automation.alerts import Alerts  # noqa: PLC0415 (loads Dagster)

    alerts = Alerts.of(settings)
    if alerts is None:
        return Finding("alerts", ok=True, found="none set; failures are shown by Dagster and by `ecom run` only")
    alerts.server.try_login()
    return Finding("alerts", ok=True, found=f"{alerts.server.address} answers; for {', '.join(alerts.recipients)}")


def _lineage(settings: Settings) -> Finding:
    if not settings.openlineage_url:
        return Finding("lineage", ok=True, found="none set; runs are not reported as OpenLineage events")
    with packages_of("openlineage", "ECOM_OPENLINEAGE_URL"):
        from ecom_assets.automation.openlineage import trouble_of_receiver  # noqa: PLC0415 (an extra)

    trouble = trouble_of_receiver(settings)
    return Finding(
        "lineage",
        ok=not trouble,
        found=f"{settings.openlineage_url} {trouble or 'answers; each run is reported to it'}",
        fix="start the receiver, or correct ECOM_OPENLINEAGE_URL and ECOM_OPENLINEAGE_API_KEY; runs go on without it",
    )


def _publishing(settings: Settings) -> Finding:
    from ecom_assets.registry import MARTS  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.serving.published import published_state  # noqa: PLC0415 (loads Dagster)

    state = published_state(settings, MARTS)
    fix = "see the sentence above"
    return Finding("publishing", ok=state.ok, found=state.found or "none set; the marts stay in the warehouse", fix=fix)


def _is_writable(folder: Path) -> bool:
    probe = folder / ".ecom-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _api(settings: Settings) -> Finding:
    from ecom_assets.api.cache.redis import redis_trouble  # noqa: PLC0415 (only needed here)
    from ecom_assets.api.middleware.request_context import credentials_of, refuse_open_door  # noqa: PLC0415 (loads FastAPI)

    credentials = credentials_of(settings)
    refuse_open_door(settings, credentials)
    place = f"{settings.api_host}:{settings.api_port}"
    who = "who holds a key or a token" if credentials.are_needed() else "everybody on this machine, as no key was made"
    trouble = redis_trouble(settings.redis_url.get_secret_value())
    return Finding(
        "api",
        ok=not trouble,
        found=trouble or f"answers {who}, at {place}",
        fix="start Redis or unset ECOM_REDIS_URL; until then each process keeps answers for itself",
    )


def doctor(as_json: Json = False) -> None:
    """Check settings, versions, disk, warehouse, events, alerts, lineage, publishing, API; each finding has its fix."""
    if not show_diagnosis(as_json=as_json):
        raise typer.Exit(1)
