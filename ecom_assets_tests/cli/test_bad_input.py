"""Files, options and settings that are wrong: one sentence, an exit code of 1 or 2,
and nothing written.
"""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ecom_assets.behaviour.sessions.rule import PRESETS
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.ingestion.sources.first_partition import remember_paths
from ecom_assets_tests.command import HEADER, ecom, page_views
from ecom_assets_tests.each import each

UNTYPED = (
    HEADER.replace("event_type,", "") + "\ne1,ann,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,"
)
OWN = ("--events", "own.csv")
GOOD_ROW = "e1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return page_views(tmp_path / "own.csv", "2026-01-01")


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def binary(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


BAD_FILES = [
    (
        "unknown.csv",
        text(f"{HEADER},colour\n{GOOD_ROW},red\n"),
        2,
        "unknown column 'colour' in unknown.csv",
    ),
    ("missing.csv", text(f"{UNTYPED}\n"), 2, "missing.csv has no column 'event_type'"),
    (
        "renamed.csv",
        text(HEADER.replace("event_type", "type").replace("event_timestamp", "timestamp") + "\n"),
        2,
        (
            "renamed.csv has no columns 'event_type' and 'event_timestamp' (did you mean "
            "'timestamp'?), which mapping"
        ),
    ),
    (
        "semicolons.csv",
        text(HEADER.replace(",", ";") + "\n"),
        2,
        "semicolons.csv is separated by ';', which mapping",
    ),
    ("book.xlsx", binary(b"PK"), 1, "{path} is not a workbook that can be read"),
    ("binary.csv", binary(bytes(range(256)) * 50), 1, "binary.csv is not text"),
    ("cut.parquet", binary(b"PAR1nothing"), 1, "cut.parquet is a cut-off Parquet file"),
    ("plain.csv.gz", binary(b"not packed"), 1, "plain.csv.gz is not gzip inside"),
    ("cut.csv.gz", binary(gzip.compress(f"{HEADER}\n".encode() * 99)[:40]), 1, "cut.csv.gz"),
    ("empty.csv", text(""), 1, "empty.csv is empty (0 bytes)"),
    ("blank.csv", text("\n\r\n"), 1, "blank.csv holds nothing but blank lines"),
    ("header.csv", text(f"{HEADER}\n"), 1, "{path} holds no rows"),
    ("notes.docx", text("hello"), 1, "{path} is of a kind that is not read here"),
    ("folder", Path.mkdir, 1, "the folder {path} holds no files"),
    ("nowhere.csv", lambda _path: None, 2, "{path} does not exist"),
    ("none*.csv", lambda _path: None, 2, "no file matches {path}"),
]


@pytest.mark.slow
@each("command", [("run",), ("sessions",), ("funnel", "--steps", "page_view,purchase")])
@each("name, make, exit_code, begin", BAD_FILES)
def test_a_file_that_cannot_be_read_is_named(  # noqa: PLR0913, PLR0917 (a case has that many sides)
    home: Path,
    command: tuple[str, ...],
    name: str,
    make: Callable[[Path], object],
    exit_code: int,
    begin: str,
) -> None:
    path = home.parent / command[0] / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    result = ecom(*command, "--events", path, home=home)
    assert result.exit_code == exit_code
    assert result.sentence.startswith(begin.format(path=path))
    assert result.out == ""
    assert not home.exists()


@pytest.mark.parametrize("command", [("run",), ("sessions",)])
def test_an_address_that_is_no_file_s_is_refused_without_its_password(
    home: Path, command: tuple[str, ...]
) -> None:
    result = ecom(*command, "--events", "postgres://ann:s3cret@h/shop", home=home)
    assert result.exit_code == 2
    assert "s3cret" not in result.err
    assert result.sentence.startswith("Events cannot come from postgres://ann@h/shop; name files")
    assert not home.exists()


@pytest.mark.slow
def test_a_column_of_the_wrong_type_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "otto.jsonl"
    path.write_text('{"session": 1, "events": "none"}\n')
    result = ecom("run", "--events", path, "--events-mapping", "otto", home=home)
    assert result.exit_code in {1, 2}
    assert "otto.jsonl" in result.sentence
    assert not home.exists()


@pytest.mark.slow
@each(
    "arguments, sentence",
    [
        (("--events-mapping", "reees46"), "there is no mapping 'reees46' (did you mean 'rees46'?)"),
        (("--events-mapping", "/nowhere/own.yaml"), "/nowhere/own.yaml"),
        (
            ("--select", "mart/session"),
            (
                "--select 'mart/session' selects no table that has data; there are landing/files, "
                "mart/cart_abandonment"
            ),
        ),
        (
            ("--select", 'key:"mart/nothing"'),
            "--select 'key:\"mart/nothing\"' selects no table that has data",
        ),
        (("--select", "(("), "--select '((' is not an asset selection"),
    ],
)
def test_an_unknown_mapping_or_table_fails(
    home: Path, events: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("run", "--events", events, *arguments, home=home)
    assert result.exit_code == 2
    assert sentence in result.sentence
    assert not home.exists()


@each(
    "arguments, error",
    [
        (("rum",), "No such command 'rum'; did you mean 'run'? Known: run, init, extract, ui,"),
        (("run", "--selct", "x"), "No such option: --selct"),
        (("run", "--events"), "Option '--events' requires an argument."),
        (("sandbox", "data"), "Missing option '--out'."),
        (("sandbox", "data", "--out", "x", "--days", "many"), "Invalid value for '--days'"),
        (("ui", "--port", "http"), "Invalid value for '--port'"),
    ],
)
def test_wrong_words_are_answered_with_usage(
    home: Path, arguments: tuple[str, ...], error: str
) -> None:
    result = ecom(*arguments, home=home)
    assert result.exit_code == 2
    assert error in result.err
    assert "Traceback" not in result.err


@each(
    "arguments, begin",
    [
        (("run", "own.csv"), "'own.csv' is given without an option; write --events own.csv."),
        (("sessions",), "No events were given"),
        (
            ("sessions", "--events", "own.csv", "--rule", "ga5"),
            "The session rule 'ga5' is unknown; did you mean 'ga4'?",
        ),
        (
            ("sessions", "--events", "own.csv", "--idle", "soon"),
            "The duration 'soon' is not understood",
        ),
        (
            ("sessions", "--events", "own.csv", "--idle", "25h"),
            "An idle timeout of 90000 s cannot be",
        ),
        (
            ("sessions", "--events", "own.csv", "--out", "x.txt"),
            "--out x.txt is neither .parquet nor .csv",
        ),
        (("funnel", "--events", "own.csv"), "A funnel needs either --steps or --definition FILE"),
        (
            ("funnel", *OWN, "--steps", "page_view,purchase", "--to", "9999-12-31"),
            "Days from 1900-01-01 to 2200-12-31",
        ),
        (
            ("funnel", *OWN, "--steps", "page_view", "--from", "0001-01-01"),
            "Days from 1900-01-01 to 2200-12-31",
        ),
        (("retention", *OWN, "--whole-until", "9999-12-31"), "Days from 1900-01-01 to 2200-12-31"),
        (
            ("journeys", *OWN, "--min-count", f"1{'0' * 20}"),
            "`min_count` of a journey definition is at most 1000000000",
        ),
        (
            (
                "experiment",
                *OWN,
                "--variant",
                "page_url",
                "--goal",
                "x",
                "--share",
                "control=1e308",
                "--share",
                "b=1e308",
            ),
            "The share of the variant 'control' cannot be 1e+308; give a number above 0",
        ),
        (
            ("trend", *OWN, "--formula", "1e999*A"),
            "The formula '1e999*A' has a number above 1e+300",
        ),
        (
            ("trend", *OWN, "--timezone", "localtime"),
            "--timezone 'localtime' is not an IANA time zone",
        ),
        (
            ("trend", *OWN, "--timezone", "posix/Europe/Berlin"),
            "--timezone 'posix/Europe/Berlin' is not",
        ),
        (
            ("trend", *OWN, "--last", "0d"),
            "--last '0d' is not of 1 to 36,600 whole days; write d (days) or w (weeks)",
        ),
        (("trend", *OWN, "--compare", "before"), "`compare` needs days that begin somewhere"),
        (
            ("segments", *OWN, "--orders-mapping", "shopify"),
            "--orders-mapping is of order lines; give --orders PATH",
        ),
        (
            ("trend", "--events", ""),
            "--events is empty, as a variable that is not set leaves it; give it a value.",
        ),
        (("trend", "--events="), "--events is empty"),
        (("trend", *OWN, ""), "A path is empty"),
        (("trend", *OWN, "--series", "page_view", "--json", ""), "A path is empty"),
        (("trend", *OWN, "--", ""), "A path is empty"),
        (("mapping", "check", "--mapping", "ecommerce", ""), "A path is empty"),
        (("mapping", "check", "--orders", "", "--mapping", "ecommerce"), "A path is empty"),
        (("mapping", "init", ""), "A path is empty"),
        (
            ("boards", "pull", ""),
            "A path is empty, as a variable that is not set leaves it; name a folder.",
        ),
        (("boards", "check", "--json", ""), "A path is empty"),
        (("value", "--orders", ""), "--orders is empty"),
        (("run", *OWN, "--events-mapping", ""), "--events-mapping is empty"),
        (("sessions", *OWN, "--out", ""), "--out is empty"),
        (("trend", *OWN, "--definition", ""), "--definition is empty"),
        (("sandbox", "data", "--out", "shop", "--days", "0"), "`days` is 0"),
        (("sandbox", "data", "--out", "shop", "--from", "now"), "--from 'now' is not a date"),
        (
            ("sandbox", "data", "--out", "full"),
            "{folder}/full holds files that are not a simulated shop",
        ),
    ],
)
def test_impossible_values_are_one_sentence(
    home: Path, events: Path, arguments: tuple[str, ...], begin: str
) -> None:
    (home.parent / "full").mkdir(exist_ok=True)
    (home.parent / "full" / "letter.txt").write_text("mine")
    result = ecom(*arguments, home=home)
    assert events.exists()
    assert result.exit_code == 2
    assert result.sentence.startswith(begin.format(folder=home.parent))
    assert sorted(path.name for path in home.parent.iterdir()) == ["full", "own.csv"]


@each("path", ["/proc/sessions.csv", "nowhere/sessions.parquet"])
def test_sessions_that_cannot_be_written_leave_nothing(home: Path, events: Path, path: str) -> None:
    result = ecom("sessions", "--events", events, "--out", path, home=home)
    assert result.exit_code == 1
    assert result.sentence.startswith(f"{path} cannot be written")
    assert [path.name for path in home.parent.iterdir()] == ["own.csv"]


@pytest.mark.slow
@each(
    "name, value, sentence",
    [
        (
            "ECOM_LATE_DAY",
            "3",
            "ECOM_LATE_DAY is not a setting of ecom_assets; did you mean ECOM_LATE_DAYS?",
        ),
        (
            "ECOM_QQQQQQQQQQ",
            "3",
            "ECOM_QQQQQQQQQQ is not a setting of ecom_assets; known are ECOM_",
        ),
        (
            "ECOM_LATE_DAYS",
            "many",
            "ECOM_LATE_DAYS='many' is wrong: Input should be a valid integer",
        ),
        (
            "ECOM_LATE_DAYS",
            "61",
            "ECOM_LATE_DAYS='61' is wrong: Input should be less than or equal to 60",
        ),
        (
            "ECOM_TIMEZONE",
            "Mars/Phobos",
            "ECOM_TIMEZONE='Mars/Phobos' is not an IANA time zone",
        ),
        ("ECOM_FIRST_DAY", "yesterday", "ECOM_FIRST_DAY='yesterday' is wrong"),
        (
            "ECOM_MEMORY_LIMIT",
            "1MB",
            "ECOM_MEMORY_LIMIT='1MB' is not a size of at least 200MB",
        ),
        (
            "ECOM_MEMORY_LIMIT",
            "lots",
            "ECOM_MEMORY_LIMIT='lots' is not a size of at least 200MB",
        ),
        (
            "ECOM_WAREHOUSE",
            "mysql://a/b",
            "ECOM_WAREHOUSE='mysql://a/b' is not an address of a warehouse",
        ),
        (
            "ECOM_WAREHOUSE",
            "duckdb://",
            "ECOM_WAREHOUSE='duckdb://' is not an address of a warehouse",
        ),
        (
            "ECOM_SESSION_RULE",
            "ga5",
            "ECOM_SESSION_RULE: There is no session rule 'ga5'; did you mean ga4?",
        ),
        (
            "ECOM_SESSION_RULE",
            "snowplow",
            "ECOM_SESSION_RULE: This session rule needs all of a visitor's history",
        ),
        ("ECOM_FUNNEL_WINDOW", "soon", "ECOM_FUNNEL_WINDOW: The duration 'soon' is not understood"),
        (
            "ECOM_FUNNEL_STEPS",
            ",".join(["purchase"] * 65),
            "ECOM_FUNNEL_STEPS: `steps` of a funnel definition has at most 64 values, not 65.",
        ),
        ("ECOM_EVENTS_MAPPING", "otta", "there is no mapping 'otta' (did you mean 'otto'?)"),
        ("ECOM_HOME", "/proc/nowhere", "/proc/nowhere/dagster cannot be written"),
        (
            "ECOM_HOME",
            "{events}",
            "ECOM_HOME='{events}' is no folder, and none can be made there, since ",
        ),
        (
            "ECOM_HOME",
            "{events}/home",
            "ECOM_HOME='{events}/home' is no folder, and none can be made there",
        ),
        ("DAGSTER_HOME", "{events}", "{events} cannot be written (File exists)"),
    ],
)
def test_a_wrong_setting_is_named_at_once(
    home: Path, events: Path, name: str, value: str, sentence: str
) -> None:
    result = ecom("run", "--events", events, home=home, env={name: value.format(events=events)})
    assert result.exit_code == 2
    assert result.sentence.startswith(sentence.format(events=events))
    assert not home.exists()


def test_a_setting_may_stand_in_a_dotenv_file_and_is_refused_there_too(
    home: Path, events: Path
) -> None:
    (home.parent / ".env").write_text("ECOM_LATE_DAY=3\n")
    assert ecom("run", "--events", events, home=home).sentence.endswith(
        "did you mean ECOM_LATE_DAYS?"
    )
    (home.parent / ".env").write_bytes(b"\xff\xfe\x00")
    result = ecom("run", "--events", events, home=home)
    assert (result.exit_code, result.sentence.split(";")[0]) == (
        2,
        f"{home.parent / '.env'} cannot be read as UTF-8 text",
    )


def test_a_wrong_setting_is_a_finding_of_doctor(home: Path, tmp_path: Path) -> None:
    result = ecom("doctor", home=home, cwd=tmp_path, env={"ECOM_LATE_DAYS": "many"})
    assert result.exit_code == 1
    assert "FAIL settings   ECOM_LATE_DAYS='many' is wrong" in result.out


@pytest.mark.slow
@each(
    "setting, value, sentence",
    [
        ("ECOM_IDENTITY", "x", "ECOM_IDENTITY: There is no identity rule 'x'; "),
        ("ECOM_SESSION_RULE", "x", "ECOM_SESSION_RULE: There is no session rule 'x'; "),
        ("ECOM_FUNNEL_WINDOW", "7x", "ECOM_FUNNEL_WINDOW: The duration '7x' is not understood; "),
        ("ECOM_FUNNELS", "nope.yaml", "ECOM_FUNNELS: nope.yaml cannot be read"),
        ("ECOM_VISITOR_SEGMENTS", "nope.yaml", "ECOM_VISITOR_SEGMENTS: nope.yaml cannot be read"),
        ("ECOM_CITIES", "nope.csv", "ECOM_CITIES: nope.csv does not exist; "),
        ("ECOM_MARKET_SEGMENTS", "nope.yaml", "ECOM_MARKET_SEGMENTS: nope.yaml cannot be read"),
        ("ECOM_EVENTS_MAPPING", "zzz", "there is no mapping 'zzz'; "),
        ("ECOM_ORDERS_MAPPING", "zzz", "there is no mapping 'zzz'; "),
        ("ECOM_CUSTOMERS_MAPPING", "zzz", "there is no mapping 'zzz'; "),
        (
            "ECOM_CATALOGUE",
            "nope.csv",
            "The catalogue nope.csv cannot be read, as there is no such file; give ECOM_CATALOGUE",
        ),
        ("ECOM_RATES", "nope.csv", "ECOM_RATES: nope.csv does not exist; "),
    ],
)
def test_a_setting_whose_rule_cannot_be_made_is_refused_at_start_by_all_in_the_same_sentence(
    home: Path, tmp_path: Path, setting: str, value: str, sentence: str
) -> None:
    env = {setting: value}
    found = ecom("doctor", "--json", home=home, cwd=tmp_path, env=env)
    (settings,) = [row for row in found.json if row["subject"] == "settings"]
    assert (found.exit_code, settings["ok"]) == (1, False)
    assert settings["found"].startswith(sentence)
    for command in ("run", "api", "ui"):
        refused = ecom(command, home=home, cwd=tmp_path, env=env)
        assert (refused.exit_code, refused.sentence) == (2, settings["found"]), command
    assert not home.exists()


def test_a_mapping_of_the_last_run_that_is_gone_is_refused_at_start_too(
    home: Path, events: Path
) -> None:
    gone = home.parent / "gone.yaml"
    remember_paths(load_settings(home=home, events=str(events), events_mapping=str(gone)))
    found = ecom("doctor", "--json", home=home)
    (settings,) = [row for row in found.json if row["subject"] == "settings"]
    assert (found.exit_code, settings["ok"]) == (1, False)
    assert settings["found"].startswith(f"the mapping {gone} cannot be read")
    assert (
        settings["fix"]
        == "put back what the last `ecom run` here read, or run again with other paths"
    )
    for command in ("api", "dashboard", "ui"):
        # Nothing can listen at that address, so a command that begins to serve ends too, with
        # another sentence.
        refused = ecom(command, "--host", "192.0.2.1", home=home)
        assert (refused.exit_code, refused.sentence) == (2, settings["found"]), command
    gone.write_text("extends: ecommerce\nname: own\n")
    (settings,) = [
        row for row in ecom("doctor", "--json", home=home).json if row["subject"] == "settings"
    ]
    assert settings["ok"]


def test_doctor_finds_events_that_do_not_fit(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("event_id\n1\n")
    result = ecom("doctor", home=home, env={"ECOM_EVENTS": str(tmp_path / "bad.csv")})
    assert result.exit_code == 1
    assert "FAIL events" in result.out
    assert "Traceback" not in result.err


def test_the_message_about_session_rules_names_every_preset(home: Path, events: Path) -> None:
    result = ecom("sessions", "--events", events, "--rule", "xyzzy", home=home)
    assert all(name in result.sentence for name in PRESETS)
    assert Settings.model_fields["session_rule"].default in PRESETS


@each(
    "command, text, sentence",
    [
        ("funnel", None, "{file} cannot be read (No such file or directory); check the path."),
        ("funnel", "steps: [page_view\norder: any\n", "at line 2, column 6; correct it there."),
        (
            "funnel",
            "steps: [page_view]\norder: any\norder: exact\n",
            "{file}: the key 'order' is given twice at line 3, column 1; leave one of them out.",
        ),
        (
            "funnel",
            '{"steps": ["page_view"], "steps": ["a"]}',
            "{file}: the key 'steps' is given twice; leave one of them out.",
        ),
        (
            "segments",
            "- a\n",
            "{file} holds no segments definition; begin it with `session_rule:`.",
        ),
        ("retention", "- a\n", "{file} holds no retention definition; begin it with `start:`."),
        (
            "trend",
            "timezone: Mars/Olympus\n",
            "`timezone` in {file} is 'Mars/Olympus', which is not an IANA time zone",
        ),
    ],
)
def test_a_wrong_definition_file_is_named_with_the_place(
    home: Path, events: Path, command: str, text: str | None, sentence: str
) -> None:
    file = home.parent / "definition.yaml"
    if text is not None:
        file.write_text(text)
    result = ecom(command, "--events", events, "--definition", file, home=home)
    assert result.exit_code == 2
    assert sentence.format(file=file) in result.sentence


DEEP = (
    ("deep.yaml", "[" * 20_000),
    ("deep.json", "[" * 20_000 + "]" * 20_000),
    ("indented.yaml", "".join(f"{' ' * level}steps:\n" for level in range(2_000))),
)
TAKES_DEFINITION: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "mapping of events": (("funnel", "--steps", "page_view", "--mapping", "{file}"), {}),
    "mapping of orders": (("run", "--orders", "{events}", "--orders-mapping", "{file}"), {}),
    "mapping of the customer API": (
        ("run",),
        {"ECOM_CUSTOMER_API_MAPPING": "{file}", "ECOM_CUSTOMER_API_URL": "http://127.0.0.1:9/"},
    ),
    "funnel": (("funnel", "--definition", "{file}"), {}),
    "trend": (("trend", "--definition", "{file}"), {}),
    "retention": (("retention", "--definition", "{file}"), {}),
    "journeys": (("journeys", "--definition", "{file}"), {}),
    "correlation": (("correlation", "--definition", "{file}"), {}),
    "experiment": (("experiment", "--definition", "{file}"), {}),
    "sales": (("sales", "--orders", "{events}", "--definition", "{file}"), {}),
    "segment": (("funnel", "--steps", "page_view", "--segment", "{file}"), {}),
    "declared segments": (("run",), {"ECOM_VISITOR_SEGMENTS": "{file}"}),
    "declared funnels": (("run",), {"ECOM_FUNNELS": "{file}"}),
    "market segments": (("run",), {"ECOM_MARKET_SEGMENTS": "{file}"}),
}


@pytest.mark.slow
@each("name, text", DEEP)
@each("kind", TAKES_DEFINITION)
def test_a_definition_of_thousands_of_levels_is_refused(
    home: Path, events: Path, kind: str, name: str, text: str
) -> None:
    file = home.parent / name
    file.write_text(text)
    arguments, env = TAKES_DEFINITION[kind]
    own = () if "--orders" in arguments else ("--events", str(events))
    formatted = [word.format(file=file, events=events) for word in arguments]
    result = ecom(
        *formatted,
        *own,
        home=home,
        env={key: value.format(file=file) for key, value in env.items()},
    )
    assert result.exit_code == 2
    assert str(file) in result.sentence
    assert "nested hundreds of levels deep" in result.sentence


def test_so_is_a_setting(home: Path, events: Path) -> None:
    result = ecom("run", "--events", events, home=home, env={"ECOM_EVENT_TYPES": "[" * 20_000})
    assert result.sentence.startswith("ECOM_EVENT_TYPES=")


OF_EVENTS = (
    ("sessions",),
    ("funnel", "--steps", "page_view,purchase"),
    ("trend",),
    ("retention",),
    ("journeys",),
    ("attribution",),
    ("segments",),
    ("value",),
    ("correlation", "--steps", "page_view,purchase"),
    ("experiment", "--variant", "page_url", "--goal", "purchase"),
    ("run",),
)
ORDER = "1,o{0},2026-03-02 10:00:00,1,Bonn,c{0},,,7,Hat,1,20,shipped\n"
ORDER_HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
    "payment_amount,status\n"
)


def damaged_parquet(path: Path, text: str, *, names_file: bool) -> Path:
    """Write text of CSV as a Parquet file whose footer is whole, and whose pages cannot be read."""
    path.with_suffix(".csv").write_text(text)
    duckdb.sql(
        f"COPY (FROM read_csv('{path.with_suffix('.csv')}', all_varchar=true)) TO '{path}' "
        "(FORMAT parquet)"
    )
    path.with_suffix(".csv").unlink()
    content = bytearray(path.read_bytes())
    # From the first page's header on, or within its values.
    first, last = (40, 70) if names_file else (4, len(content) // 3)
    content[first:last] = bytes(byte ^ 0x5A for byte in content[first:last])
    path.write_bytes(content)
    with pytest.raises(duckdb.Error) as fault:
        duckdb.connect().execute(f"FROM '{path}'").fetchall()
    assert (str(path) in str(fault.value)) == names_file
    return path


@pytest.mark.slow
@each("names_file", [False, True])
@each("command", OF_EVENTS)
def test_events_whose_pages_are_damaged_are_named(
    home: Path, command: tuple[str, ...], *, names_file: bool
) -> None:
    rows = "".join(
        GOOD_ROW.replace("e1", f"e{number}").replace("ann", f"u{number}") + "\n"
        for number in range(500)
    )
    path = damaged_parquet(home.parent / "e.parquet", f"{HEADER}\n{rows}", names_file=names_file)
    result = ecom(*command, "--events", path, home=home)
    assert result.exit_code == 1
    assert re.search(
        rf"{path} is a damaged Parquet file: a part of it cannot be read \(.+\); deliver",
        result.sentence,
    )


@each("command", ["retention", "segments", "value", "run"])
def test_so_are_orders(home: Path, command: str) -> None:
    rows = "".join(ORDER.format(number) for number in range(500))
    path = damaged_parquet(home.parent / "o.parquet", ORDER_HEADER + rows, names_file=False)
    result = ecom(command, "--orders", path, home=home)
    assert result.exit_code == 1
    assert f"{path} is a damaged Parquet file: a part of it cannot be read (" in result.sentence
