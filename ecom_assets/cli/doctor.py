"""`ecom doctor`: check what the platform needs to run; each problem found has a fix."""

import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import requires, version
from pathlib import Path

import duckdb
import typer
from packaging.requirements import Requirement

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import EcomError
from ecom_assets.core.operations.heartbeats import heartbeats_of, late_sentence
from ecom_assets.core.operations.publications import dues_of
from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.dagster_instance import (
    INSTANCE,
    SHIPPED,
    lacking_sections,
    moved_modules,
)
from ecom_assets.core.settings.home import damage_of, open_to_others
from ecom_assets.core.settings.memory import answer_sentence, run_sentence
from ecom_assets.core.settings.settings import (
    PREFIX,
    Settings,
    load_settings,
    setting_names,
    written_paths,
)
from ecom_assets.core.state.ledger_store import ledger_address
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.raw_losses import (
    loss_sentence,
    lost_rows,
    stranded_rows,
    stranded_sentence,
)
from ecom_assets.ingestion.sources.customer_api.records import mapping_of
from ecom_assets.ingestion.sources.erased_people import open_key
from ecom_assets.ingestion.sources.events import (
    event_paths,
    is_table,
    open_events,
    sandbox_is_missing,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.first_partition import loaded_before, paths_of_last_run
from ecom_assets.ingestion.sources.order_reports.source import open_orders, order_paths
from ecom_assets.ingestion.sources.presence import CUSTOMERS, EVENTS, ORDERS
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.rules import require_rules, segments_of

LEAST_FREE_BYTES = 1_000_000_000
"""With less free space, a run over a few million events can fill the disk."""
WRONG_SETTING = "correct the environment or .env"
LOST_PATH = "put back what the last `ecom run` here read, or run again with other paths"


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it is ok, what was found, and how to fix it if it is not.

    What is ok can have a `fix`, too: what is left to do for who wants it.
    """

    subject: str
    ok: bool
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Problem:
    """What is wrong, and how to fix it."""

    detail: str
    fix: str = "see the sentence above"


@dataclass(frozen=True)
class Advice:
    """What is in order and may still be other than its owner wants, and what to do then."""

    detail: str
    fix: str = ""


def doctor(as_json: Json = False) -> None:
    """Check settings, versions, disk, warehouse, events, alerts, lineage, publishing, API;
    each problem has its fix.
    """
    findings, lines = diagnose(), []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject:10} {finding.found}")
        lines += [f"                fix: {finding.fix}"] if finding.fix else []
    print_answer([asdict(finding) for finding in findings], *lines, as_json=as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def diagnose() -> list[Finding]:
    """Check everything that a run needs, and return the findings."""
    try:
        settings = load_settings()
    except EcomError as error:
        return [Finding("settings", ok=False, found=str(error), fix=WRONG_SETTING)]
    looks: dict[str, Callable[[Settings], str | Problem | Advice]] = {
        "settings": _settings,
        "versions": _versions,
        "disk": _disk,
        "memory": _memory,
        "privacy": _privacy,
        "warehouse": _warehouse,
        "events": _events,
        "event ids": _event_ids,
        "orders": _orders,
        "customers": _customers,
        "dagster": _dagster_home,
        "requests": _requests,
        "daemon": _daemon,
        "alerts": _alerts,
        "lineage": _lineage,
        "publishing": _publishing,
        "api": _api,
        "keys": _keys,
    }
    findings = []
    for subject, look in looks.items():
        try:
            result = look(settings)
        except EcomError as error:
            result = Problem(str(error))
        if isinstance(result, str):
            result = Advice(result)
        is_ok = isinstance(result, Advice)
        findings.append(Finding(subject, is_ok, result.detail, result.fix))
    return findings


def _settings(settings: Settings) -> str | Problem:
    try:
        require_rules(settings)
    except EcomError as error:
        return Problem(str(error), WRONG_SETTING)
    try:
        require_rules(_with_remembered(settings))
    except EcomError as error:
        return Problem(str(error), LOST_PATH)
    return f"{len(setting_names())} known, all well"


def _with_remembered(settings: Settings) -> Settings:
    """Return settings with the paths of the last run, which `ecom api` and `ecom ui` take, too."""
    remembered = paths_of_last_run(settings)
    if not remembered:
        return settings
    return load_settings(
        **{name.removeprefix(PREFIX).lower(): path for name, path in remembered.items()}
    )


def _versions(_settings: Settings) -> str | Problem:
    wrong = []
    for line in requires("ecom-assets") or []:
        needed = Requirement(line)
        if needed.marker is None and version(needed.name) not in needed.specifier:
            wrong.append(f"{needed.name} {version(needed.name)} where {needed.specifier} is needed")
    if wrong:
        return Problem("; ".join(wrong), "make setup")
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, dagster {version('dagster')}, duckdb {version('duckdb')}"


def _disk(settings: Settings) -> str | Problem:
    folder = next(
        path
        for path in (settings.home.absolute(), *settings.home.absolute().parents)
        if path.exists()
    )
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free at {folder}"
    is_enough = free >= LEAST_FREE_BYTES
    return text if is_enough else Problem(text, "free some space, or set ECOM_HOME to another disk")


def _memory(settings: Settings) -> str:
    return f"{run_sentence(settings)}; {answer_sentence(settings)}"


def _privacy(settings: Settings) -> str | Problem:
    """Check whether other users of this machine can read customers, keys or logs, and whether
    addresses are published that should not be.
    """
    from ecom_assets.outputs.serving.email_consents import consents_path  # noqa: PLC0415 (loads Ibis)

    keys = [
        getattr(settings, name)
        for name in type(settings).model_fields
        if name.endswith("_key_path")
    ]
    secrets = [path for path in (Path(".env").absolute(), *keys) if path]
    left_open = open_to_others([*written_paths(settings), *secrets])
    addresses = consents_path(settings)
    if addresses.exists() and not settings.publish_email_addresses:
        return Problem(
            f"{addresses} has addresses of customers, though ECOM_PUBLISH_EMAIL_ADDRESSES is off",
            "run `ecom run --select serving/marts`, which removes it, or remove it",
        )
    if not left_open:
        published = "; addresses to write to are published" if addresses.exists() else ""
        return f"nothing that was written can be read by other users{published}"
    more = f" and {len(left_open) - 1:,} more" if len(left_open) > 1 else ""
    tops = [path for path in left_open if not any(other in path.parents for other in left_open)]
    return Problem(
        f"other users of this machine can read {left_open[0]}{more}",
        f"chmod -R go= {' '.join(dict.fromkeys(map(str, tops)))}",
    )


def _warehouse(settings: Settings) -> str | Problem:
    """Check that it opens, and that what is computed still has the received rows
    that it is computed from.
    """
    from ecom_assets.core.warehouse.migration import changes  # noqa: PLC0415 (as above)
    from ecom_assets.orchestration.registry import ALL, NOTES, RAW  # noqa: PLC0415 (loads Ibis)

    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        return f"none yet at {engine.address}; the first run makes it"
    with closing(engine.open()):
        older = [
            change
            for table in (*ALL, *NOTES)
            for change in changes(engine, table)
            if not change.is_automatic
        ]
        if older:
            return Problem(
                f"tables are of an older version, such as {older[0].table} ({older[0].column}: "
                f"{older[0].becomes})",
                (
                    "`ecom migrate` shows what changes in them, and `ecom migrate --yes` does it; "
                    "then run `ecom run`"
                ),
            )
        for raw in (table for table in RAW if engine.has(table)):
            if lost := lost_rows(engine, raw):
                return Problem(*loss_sentence(raw, lost).split("; ", 1))
        if stranded := stranded_rows(engine, ALL):
            return Problem(*stranded_sentence(stranded).split("; ", 1))
    return f"{engine.address} opens"


def _events(settings: Settings) -> str:
    if not settings.events and (without := _without(settings, EVENTS, "behaviour")):
        return without
    if not settings.events and sandbox_is_missing(settings):
        return "none set; the sandbox shop is made at the first run"
    if not is_table(settings):
        paths = event_paths(settings)
        return _fitting(open_events(duckdb.connect(), settings, paths), paths)
    with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
        from ecom_assets.ingestion.sources.event_table import EventTable  # noqa: PLC0415 (only event tables need the packages)

    with closing(EventTable(settings)) as table:
        days = table.newest_days
        count = sum(state.row_count for state in table.states(days).values())
        return f"{table.name} opens; {count} rows arrived from {days.first} to {days.dates[-1]}"


def _event_ids(settings: Settings) -> str | Advice:
    """Report events that share an id and disagree, with who, what and amount of the newest of them.

    It fails nobody's check: all of them count.
    """
    from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents  # noqa: PLC0415 (only needed here)
    from ecom_assets.behaviour.events.queries import conflict_counts, event_text, newest_conflict  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.orchestration.rules import order_rule  # noqa: PLC0415 (only needed here)
    from ecom_assets.outputs.serving.reading import WarehouseReading  # noqa: PLC0415 (loads Ibis)

    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        return "no events yet"
    try:
        with closing(engine.open()):
            if not (engine.has(CleanEvents) and engine.has(DuplicateEvents)):
                return "no events yet"
            reading = WarehouseReading.from_engine(
                engine, settings, order_rule(settings), now_utc().date()
            )
            counts = conflict_counts(reading)
            rows = newest_conflict(reading) if counts["id_count"] else []
    except EcomError:  # the check of the warehouse says so
        return "not known, as the warehouse cannot be read"
    if not rows:
        return "no two events share one and disagree"
    ids = counted(counts["id_count"], "is", "are")
    named = "; ".join(event_text(row, with_person=True) for row in rows)
    return Advice(
        f"{ids} shared by {counts['event_count']:,} events that disagree in who, what or amount, "
        f"and all count, such as {named}",
        (
            "look at who sent one that is not yours, and take it out of the landing files; else "
            "give each event an id of its own (GET /analytics/quality/conflicts and the page Data "
            "quality list all)"
        ),
    )


def _orders(settings: Settings) -> str:
    if settings.orders:
        return _fitting(open_orders(duckdb.connect(), settings), order_paths(settings))
    if settings.order_api_url:
        return f"come from {without_secrets(settings.order_api_url)}"
    if without := _without(settings, ORDERS, "sales"):
        return without
    missing = sandbox_is_missing(settings)
    return (
        "none set; the sandbox shop is made at the first run"
        if missing
        else "come from the sandbox shop"
    )


def _without(settings: Settings, source: str, tables: str) -> str:
    """Return what a run does where its source is not set;
    empty if the sandbox shop stands in for all of them.
    """
    earlier = loaded_before(settings)
    if source in earlier:
        return f"none set; the {source} that were loaded before stay, and count"
    return (
        f"none set; the tables of {tables} are skipped" if settings.has_own_data or earlier else ""
    )


def _fitting(files: RecordFiles, paths: list[str]) -> str:
    return f"{len(files.files())} files in {', '.join(paths)} fit the mapping {files.mapping.name}"


def _customers(settings: Settings) -> str:
    markets = ", ".join(segments_of(settings).names)
    if not (settings.customers or settings.customer_api_url):
        without = _without(settings, CUSTOMERS, "customers")
        return without or f"come from the sandbox shop; markets are {markets}"
    mapping = mapping_of(settings)
    scored = ", ".join(mapping.expected_fields) or "nothing"
    origin = settings.customers or without_secrets(settings.customer_api_url)
    result = f"come from {origin} by the mapping {mapping.name}"
    return f"{result}; the score expects {scored}; markets are {markets}"


def _dagster_home(settings: Settings) -> str | Problem | Advice:
    home = settings.dagster_home
    text = f"{home}" + ("" if (home / INSTANCE).exists() else " is made at the first run")
    if damage := damage_of(home, thorough=True):
        return Problem(*damage.split("; ", 1))
    if not _is_writable(home):
        return Problem(text, f"make {home} writable, or set DAGSTER_HOME")
    if moved := moved_modules(home):
        names = ", ".join(f"{old} is {new} now" for old, new in moved.items())
        return Problem(f"{home / INSTANCE} names modules that have moved", f"correct it: {names}")
    if missing := lacking_sections(home):
        return Advice(
            f"{home / INSTANCE} is yours, and lacks {', '.join(missing)}",
            f"compare it with {SHIPPED}, or remove it, so that the next run writes it",
        )
    return text


def _requests(settings: Settings) -> str | Problem:
    """Report where requests and notes of runs are: in a file,
    even if everything else is in Postgres.
    """
    if not settings.home_is_shared:
        open_key(settings, create=True)  # each of these says what must be set
        ledger_address(settings)
        BoardStore(settings)
        return "and uploads are refused: ECOM_HOME_IS_SHARED is false, and no run would see them"
    path = OperationsStore(settings.home).path.absolute()
    text = f"are in {path}, with what runs note of checks and tables"
    if isinstance(ledger_address(settings), str):
        text += (
            "; the ledger is in Postgres, but the API, the daemon and all runs must share this "
            "folder"
        )
    return (
        text
        if _is_writable(path.parent)
        else Problem(text, f"make {path.parent} writable for the API and runs")
    )


def _daemon(settings: Settings) -> str | Problem:
    """Report runs of sensors that failed, publications that did not come, and what of the daemon is
    late.
    """
    from ecom_assets.outputs.serving.places import last_published_at  # noqa: PLC0415 (loads Dagster)

    now, dues = now_utc(), dues_of(settings.home)
    heartbeats = heartbeats_of(settings.home)
    published_at = last_published_at(settings) if dues else None
    overdue = [due.overdue(published_at, now) for due in dues]
    problems = [each.sentence for each in overdue if each]
    problems += [
        due.sentence for due, late in zip(dues, overdue, strict=True) if due.sentence and not late
    ]
    if problems:
        fix = (
            "see the page of the run in Dagster, and fix what it says; or run the days by hand, "
            "with `ecom run --from … --to …`"
        )
        return Problem(" ".join(problems), fix)
    if heartbeats and all(each.is_late(now) for each in heartbeats):
        newest = max((each.beat_at for each in heartbeats if each.beat_at), default=None)
        since = f" since {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
        return f"no daemon is at work{since}; `ecom ui` starts one"
    if late := late_sentence(heartbeats, now):
        return Problem(*late.split(": ", 1))
    if not heartbeats:
        return "none has looked yet; `ecom ui` starts it"
    return f"it and its {len(heartbeats)} sensors, schedules and parts looked in time"


def _alerts(settings: Settings) -> str:
    if settings.alerts_are_set:
        from ecom_assets.orchestration.automation.alerts import Alerts  # noqa: PLC0415 (loads Dagster)

        if alerts := Alerts.from_settings(settings):
            alerts.server.try_login()
            return f"{alerts.server.address} answers; for {', '.join(alerts.recipients)}"
    return "none set; failures are shown by Dagster and by `ecom run` only"


def _lineage(settings: Settings) -> str | Problem:
    if not settings.openlineage_url:
        return "none set; runs are not reported as OpenLineage events"
    with packages_of("openlineage", "ECOM_OPENLINEAGE_URL"):
        from ecom_assets.orchestration.automation.openlineage import trouble_of_receiver  # noqa: PLC0415 (an extra)

    if trouble := trouble_of_receiver(settings):
        fix = (
            "start the receiver, or correct ECOM_OPENLINEAGE_URL and ECOM_OPENLINEAGE_API_KEY; "
            "runs go on without it"
        )
        return Problem(f"{settings.openlineage_url} {trouble}", fix)
    return f"{settings.openlineage_url} answers; each run is reported to it"


def _publishing(settings: Settings) -> str | Problem:
    from ecom_assets.orchestration.registry import MARTS  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.outputs.serving.places import published_state  # noqa: PLC0415 (loads Dagster)

    state = published_state(settings, MARTS)
    text = state.found or "none set; the marts stay in the warehouse"
    return text if state.ok else Problem(text)


def _is_writable(folder: Path) -> bool:
    """Return whether files can be written to a folder; one that is not there yet will be made."""
    if not folder.exists():
        return True
    probe = folder / ".ecom-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _api(settings: Settings) -> str | Problem:
    from ecom_assets.interfaces.api.auth.access import credentials_of, refuse_open_access  # noqa: PLC0415 (loads Starlette)
    from ecom_assets.interfaces.api.store.served_data import require_current  # noqa: PLC0415 (loads DuckDB)
    from ecom_assets.orchestration.registry import MARTS  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.outputs.serving.snapshot import OlderPublicationError  # noqa: PLC0415 (as above)

    credentials = credentials_of(settings)
    refuse_open_access(settings, credentials)
    if url := settings.redis_url.get_secret_value():
        from ecom_assets.interfaces.api.cache.answers import redis_trouble  # noqa: PLC0415 (loads FastAPI)

        if trouble := redis_trouble(url):
            fix = (
                "start Redis or unset ECOM_REDIS_URL; until then each process keeps answers for "
                "itself"
            )
            return Problem(trouble, fix)
    try:
        require_current(settings, MARTS)
    except OlderPublicationError as error:
        return Problem(str(error), "run `ecom run --select serving/marts`")
    callers = (
        "who holds a key or a token"
        if credentials.are_needed()
        else "everybody on this machine, as no key was made"
    )
    return f"answers {callers}, at {settings.api_host}:{settings.api_port}"


def _keys(settings: Settings) -> str | Advice:
    """Report which keys in pages sent aliases, which only keys with the scope `link` may send.

    It fails nobody's check: a stranger can send aliases with such a key.
    """
    from ecom_assets.ingestion.collector.sent_aliases import public_keys, refused_aliases  # noqa: PLC0415 (loads the collector)

    public = public_keys(settings)
    landing = _with_remembered(settings)
    refused = [
        f"{count:,} by {public.get(caller, caller or 'pages without a key')}"
        for caller, count in sorted(refused_aliases(landing).items())
    ]
    joined = _alias_count(settings) if public else 0
    if not (refused or joined):
        return (
            f"{len(public)} may send events and join no users"
            if public
            else "none may send events from pages"
        )
    sentences = [f"aliases were refused: {', '.join(refused)}"] if refused else []
    if joined:
        sentences.append(
            f"staging.identity_aliases has {joined:,}, and before there was the scope link, "
            f"{', '.join(public.values())} could send aliases"
        )
    fixes = [
        (
            "a server that sends aliases needs a key of `ecom api-key create --scope collect "
            "--scope link`"
        )
    ]
    if joined:
        fixes.append(
            "take aliases that you do not know out of the landing files, and run with "
            "--allow-withdrawal"
        )
    return Advice("; ".join(sentences), "; ".join(fixes))


def _alias_count(settings: Settings) -> int | None:
    """Return the number of aliases of the warehouse; None if it is not there, or in use."""
    from ecom_assets.behaviour.identity.contracts import IdentityAliases  # noqa: PLC0415 (only needed here)

    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        return None
    try:
        with closing(engine.open()):
            return engine.row_count(IdentityAliases) if engine.has(IdentityAliases) else None
    except EcomError:  # the check of the warehouse says so
        return None
