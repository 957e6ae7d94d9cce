"""Whether two versions of the code answer the same: every command,
route and page over one sandbox shop.

`python -m benchmarks.same_answers record FOLDER --shop SHOP` makes the shop if it is not there,
asks what `same_answers.yaml` lists, and writes a file per answer, without what differs from one
minute to the next. `python -m benchmarks.same_answers compare BEFORE AFTER` says what differs, and
ends with 1 if anything does. `--only funnel` does either for one subject, `--only commands`,
`questions`, `routes` or `pages` for one kind.
"""

# ruff: noqa: PLC0415  # the platform is loaded where it is asked, in processes of their own

import argparse
import difflib
import hashlib
import json
import math
import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import unquote

import yaml

QUESTIONS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)
SUBJECTS: dict[str, Any] = QUESTIONS["subjects"]
REAL_FILES = Path(__file__).parents[2] / "shared" / "data"
UNTIL, OPENED = "2026-01-30", "20"
ECOM = (sys.executable, "-c", "from ecom_assets.cli import main; main()")
DAY = time.strftime("%Y-%m-%d", time.gmtime())
PASSING = (
    (rf"{DAY}[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00| UTC)?", "<now>"),
    (r'"(\w*age_s)": ?[\d.]+', r'"\1": 0'),
    (r"(\?v=|nonce[=-]['\"]?|value=\")[\w-]{16,}", r"\1<token>"),
)
"""What differs from one minute to the next, and what stands for it."""
SPAWN = multiprocessing.get_context("spawn")
DRAWN_ALIKE = re.compile(
    "--(preset|order|model|session-rule|starting|range-of|from|last|segment|where|occurrence|hold|"
    "per|idle) "
)
"""Options with other numbers, but no other text around them: they are asked as JSON only."""
Answer = dict[str, Any]
Asked = tuple[str, Callable[[], Answer]]
"""A question as text, and what asks it."""
Questions = Callable[[], Iterator[Asked]]
SHOWN, MOST, WIDTH = 3, 20, 200
"""Of those that differ alike, the differences of each, and the characters of each."""


# The shop.


def make_shop(shop: Path) -> None:
    """Run the platform over a sandbox shop of its own, and write the files that commands read."""
    files = shop / "files"
    files.mkdir(parents=True)
    (files / "segments.yaml").write_text(SEGMENTS)
    (files / "four.csv").write_text(FOUR)
    (files / "broken.csv").write_text("colour,size\nred,7\n")
    (files / "unknown_key.yaml").write_text("colour: red\n")
    (files / "no_mapping.yaml").write_text("- purchase\n")
    (files / "broken.yaml").write_text("steps: [\n")
    shutil.copy(
        Path(__file__).parents[1] / "ecom_sandbox/sample_event_data.csv", files / "sample.csv"
    )
    for name in ("rees46_2019_10_01.csv", "user_order_log.csv"):
        if (REAL_FILES / name).exists():
            shutil.copy(REAL_FILES / name, files / name.replace("_2019_10_01", ""))
    environment = {**os.environ, **settings_of(shop, shop / "home"), "ECOM_SANDBOX_DAYS": OPENED}
    arguments = (
        "sandbox",
        "data",
        "--days",
        "20",
        "--visitors",
        "150",
        "--out",
        str(files / "sandbox"),
    )
    subprocess.run([*ECOM, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    one_file(files)
    subprocess.run([*ECOM, "run"], env=environment, check=True, stdout=subprocess.DEVNULL)
    list_addresses(shop)


def one_file(files: Path) -> None:
    """Write the first days of a simulated shop as one file, over which a
    question takes half as long.
    """
    import duckdb

    days = (
        "SELECT * EXCLUDE (received_date) FROM 'sandbox/events/*/*.parquet' WHERE received_date "
        "<= '2026-01-14'"
    )
    rows = days.replace("sandbox/", f"{files}/sandbox/") + " ORDER BY event_timestamp, event_id"
    duckdb.connect().execute(f"COPY ({rows}) TO '{files}/shop.csv'")


def list_addresses(shop: Path) -> None:
    """Write which addresses are asked: what changes in the API or the forms must
    not change the questions.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepare(shop, Path(folder))
        (shop / "asked.json").write_text(
            json.dumps({"routes": [*routes()], "pages": [*pages()]}, indent=1)
        )


FOUR = """\
event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,cart_value
e1,ann,product_view,2026-01-05T10:00:00Z,p1,Shoes,s1,https://shop.example/p/1,https://www.google.com/,
e2,ann,add_to_cart,2026-01-05T10:01:00Z,p1,Shoes,s1,https://shop.example/p/1,,30
e3,ann,purchase,2026-01-06T10:02:00Z,p1,Shoes,s2,https://shop.example/thanks,,30
e4,bob,product_view,2026-01-06T11:00:00Z,p2,Bags,s3,https://shop.example/p/2,,
"""
SEGMENTS = """\
buyers: {did: purchase, within: 7d}
sleeping:
  - {did: product_view}
  - not: {did: "*", within: 5d}
"""


def settings_of(shop: Path, home: Path) -> dict[str, str]:
    """Return the settings by which commands and the API run."""
    return {
        "ECOM_HOME": str(home),
        "ECOM_SANDBOX_UNTIL": UNTIL,
        "ECOM_VISITOR_SEGMENTS": str(shop / "files/segments.yaml"),
        "ECOM_SCHEDULES": "off",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "COLUMNS": "160",
        "NO_COLOR": "1",
    }


def prepare(shop: Path, folder: Path) -> None:
    """Set this process up: a folder of its own with the shop's files, and a copy of its home."""
    for name in [*os.environ]:
        if name.startswith(("ECOM_", "DAGSTER_")):
            del os.environ[name]
    process_folder = folder / str(os.getpid())
    shutil.copytree(shop / "home", process_folder / "home")
    (process_folder / "files").mkdir()
    for path in (shop / "files").iterdir():
        (process_folder / "files" / path.name).symlink_to(path)
    os.environ.update(settings_of(shop, process_folder / "home"))
    os.chdir(process_folder / "files")


@cache
def client() -> Any:  # noqa: ANN401 (starlette's, which is loaded here only)
    """Return a client of the API with the dashboard, in this process."""
    from starlette.testclient import TestClient

    from ecom_assets.core.settings.settings import load_settings
    from ecom_assets.interfaces.dashboard.app import build_dashboard_app

    return TestClient(
        build_dashboard_app(load_settings()), raise_server_exceptions=False, follow_redirects=False
    )


def routes() -> Iterator[str]:
    """Yield the addresses of every GET route: alone, and with each value of each parameter."""
    document = client().get("/openapi.json").json()
    for path, methods in document["paths"].items():
        if "get" not in methods or path.endswith("/metrics"):
            continue
        parameters = [
            (row["name"], values_of(row), row["in"]) for row in methods["get"].get("parameters", ())
        ]
        addresses = [path]
        for name, values, location in parameters:
            if location == "path":
                addresses = [
                    path.replace(f"{{{name}}}", value) for path in addresses for value in values
                ]
        in_query = [
            f"{name}={value}"
            for name, values, location in parameters
            if location == "query"
            for value in values
        ]
        days = "start_date=2026-01-20&end_date=2026-01-22"
        more = [days, f"{days}&limit=2&offset=1", "format=csv&limit=2"] if in_query else []
        yield from (
            f"{address}?{query}".rstrip("?")
            for address in addresses
            for query in ["", *more, *in_query]
        )


def values_of(parameter: dict[str, Any]) -> list[str]:
    """Return the values of a parameter that are asked: those that its schema lists,
    and those of `parameters`.
    """
    schemas = [parameter["schema"], *parameter["schema"].get("anyOf", ())]
    listed = [str(value) for schema in schemas for value in schema.get("enum", ())]
    return [*dict.fromkeys([*listed, *QUESTIONS["parameters"].get(parameter["name"], ())])]


def pages() -> Iterator[str]:
    """Yield the addresses of every page, with each choice of its forms and an odd
    text in each of their fields.
    """
    from ecom_assets.interfaces.dashboard.page import all_pages

    sys.path.append(str(Path(__file__).parents[1]))
    from ecom_assets_tests.interfaces.dashboard.html import read
    from ecom_assets_tests.interfaces.dashboard.test_crawl import (
        NEEDS,
        address_of,
        forms_of,
        submissions,
    )

    for page in all_pages():
        first = address_of(page, {"product": "1036"} if page.path in NEEDS else {}).rstrip("?")
        forms = forms_of(read(client().get(first).text))
        chosen = [
            address_of(page, {k: v for k, v in submission.items() if v})
            for form in forms
            for submission in submissions(form)
        ]
        yield from dict.fromkeys([first, *chosen])


# What is asked.


def commands(subject: str) -> Iterator[Asked]:
    """Yield the questions of a command: over each file, with each option, with wrong ones,
    and from definitions.
    """
    asked = SUBJECTS[subject]
    first, shop = asked["first"], QUESTIONS["files"]["shop"]
    events = "definitions" in asked
    for name, source in QUESTIONS["files"].items():
        plain = first
        for standard_name, source_name in QUESTIONS["real_types"].items() if name == "real" else ():
            plain = plain.replace(standard_name, source_name)
        whole = f"{subject} {source} {plain}"
        yield from (
            as_text_and_json(whole) if name in {"four", "shop"} else [command(f"{whole} --json")]
        )
    for line in [*lines(asked["options"]), *(lines(QUESTIONS["days"]) if events else ())]:
        whole = f"{subject} {'' if '--orders' in line else shop} {options(first, line)}"
        yield from (
            [command(f"{whole} --json")] if DRAWN_ALIKE.search(line) else as_text_and_json(whole)
        )
    for line in [*lines(asked["wrong"]), *(lines(QUESTIONS["wrong"]) if events else ())]:
        yield command(f"{subject} {QUESTIONS['files']['four']} {options(first, line)}")
    for n, definition in enumerate(asked.get("definitions", ())):
        Path(f"{subject}{n}.yaml").write_text(
            yaml.safe_dump(definition, sort_keys=False), encoding="utf-8"
        )
        yield command(f"{subject} {shop} --definition {subject}{n}.yaml --json")
    if events:
        Path(f"{subject}.json").write_text(json.dumps(asked["definitions"][1]), encoding="utf-8")
        yield command(f"{subject} {shop} --definition {subject}.json --last 7d --segment buyers")
    yield from (
        command(f"{subject} {arguments}") for arguments in ("--help", first, "--events broken.csv")
    )


def options(first: str, arguments: str) -> str:
    """Return a question's arguments after those of the first question,
    unless it sets them otherwise or in a file.
    """
    taken = "--definition" in arguments or (
        first and first.split(maxsplit=1)[0] in arguments.split()
    )
    return arguments if taken else f"{first} {arguments}"


def lines(text: str) -> list[str]:
    """Return the questions of a text: one per line, or several with semicolons."""
    return [part for line in text.splitlines() for part in re.split(r" ;\s+", line.strip()) if part]


def as_text_and_json(arguments: str) -> Iterator[Asked]:
    """Yield a question as text and as JSON."""
    yield from (command(arguments), command(f"{arguments} --json"))


def platform() -> Iterator[Asked]:
    """Yield the questions of commands over the published shop."""
    yield from (command(line) for line in lines(QUESTIONS["platform"]))


def gets(addresses: list[str]) -> Iterator[Asked]:
    """Yield the questions at some addresses."""
    yield from (request("GET", address) for address in addresses)


def posts(subject: str) -> Iterator[Asked]:
    """Yield a subject's definitions as bodies of its route, and its builder with
    questions in the address.
    """
    asked, path = SUBJECTS[subject], "/analytics/" + subject
    for body in [*asked["definitions"], *asked["bodies"], [], {"timezone": "Mars/Phobos"}]:
        yield request("POST", f"{path}?limit=20", body)
    whole = asked["definitions"][0]
    for query in (
        "format=csv",
        "fields=numbers",
        "explain=true",
        "limit=1&offset=1",
        "limit=0",
        "nonsense=1",
    ):
        yield request("POST", f"{path}?{query}", whole)
    yield from (
        request("POST", f"/v1/analytics/{route}", body) for route, body in asked.get("posts", ())
    )
    yield from (
        request("GET", f"/dashboard/{asked['page']}?{query}") for query in lines(asked["pages"])
    )


def documents() -> Iterator[Asked]:
    """Yield the API's own document, and the tools for assistants."""

    def tools() -> Answer:
        from ecom_assets.interfaces.api.mcp.tools import questions_of

        found = questions_of(client().get("/openapi.json").json()).values()
        return {
            tool.name: [tool.method, tool.path, tool.description, tool.input_schema]
            for tool in found
        }

    yield request("GET", "/openapi.json")
    yield "tools for assistants", tools


def subject_of(address: str) -> str:
    """Return the last words of a path that name what it is about, such as `sales`."""
    return address.partition("?")[0].removeprefix("/v1").strip("/").split("/")[-1] or "index"


# How it is asked.


def command(arguments: str) -> Asked:
    """Return a question by a command, in this process."""
    return f"ecom {' '.join(arguments.split())}", partial(run_command, shlex.split(arguments))


def run_command(arguments: list[str]) -> Answer:
    """Return what a command prints, what it writes and how it ends."""
    from ecom_assets.cli import command as run

    out, err, environment, before = StringIO(), StringIO(), dict(os.environ), {*Path().iterdir()}
    exit_code: object = 0
    sys.argv = ["ecom", *arguments]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run()
        except SystemExit as end:
            exit_code = end.code or 0
        except Exception as error:  # noqa: BLE001 (an answer too, which should be another one)
            exit_code = f"not caught: {error!r}"
    os.environ.clear()
    os.environ.update(environment)
    written = {path.name: rows_of(path) for path in sorted({*Path().iterdir()} - before)}
    return {
        "exit_code": exit_code,
        "out": parsed(out.getvalue()),
        "err": err.getvalue().splitlines(),
    } | written


def rows_of(path: Path) -> Answer:
    """Return the first rows of a file that a command wrote, and a hash of all; the file goes."""
    import duckdb

    read = f"read_csv('{path}', all_varchar = true)" if path.suffix == ".csv" else f"'{path}'"
    found = duckdb.connect().sql(f"SELECT * FROM {read}")
    rows = sorted(str(row) for row in found.fetchall())
    columns = [f"{name} {kind}" for name, kind in zip(found.columns, found.types, strict=True)]
    path.unlink()
    return {"columns": columns, "rows": len(rows), "first": rows[:5], "all": digest("".join(rows))}


def request(method: str, address: str, body: object = None) -> Asked:
    """Return a question by HTTP, in this process."""
    asked = f"{method} {address}" + ("" if body is None else f" {json.dumps(body)}")
    return asked, partial(send, method, address, body)


def send(method: str, address: str, body: object) -> Answer:
    """Return what an address answers."""
    answer = client().request(method, address, json=body)
    text = (
        re.sub(r">\s*<", ">\n<", answer.text)
        if "html" in answer.headers.get("content-type", "")
        else answer.text
    )
    return {
        "status": answer.status_code,
        "type": answer.headers.get("content-type"),
        "out": parsed(text),
    }


def parsed(text: str) -> Any:  # noqa: ANN401 (any JSON)
    """Return JSON as such, and other text by line."""
    try:
        return json.loads(text)
    except ValueError:
        return [
            line.strip() if line.startswith(" " * 200) else line.rstrip()
            for line in text.splitlines()
        ]


def digest(text: str) -> str:
    """Return eight characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# Recording.


def tasks(shop: Path, only: str | None) -> dict[str, Questions]:
    """Return what yields the questions of each folder of the record,
    all or those of one subject.
    """
    every: dict[str, Questions] = {"commands/platform": platform, "questions/documents": documents}
    for subject, asked in SUBJECTS.items():
        every[f"commands/{subject}"] = partial(commands, subject)
        if "definitions" in asked:
            every[f"questions/{subject}"] = partial(posts, subject)
    for kind, addresses in json.loads((shop / "asked.json").read_text(encoding="utf-8")).items():
        by_subject = defaultdict(list)
        for address in addresses:
            by_subject[subject_of(address)].append(address)
        every |= {f"{kind}/{subject}": partial(gets, some) for subject, some in by_subject.items()}
    return {name: ask for name, ask in every.items() if only is None or only in name.split("/")}


def record(into: Path, shop: Path, only: str | None, jobs: int, *, more: bool) -> None:
    """Ask everything in some processes, and write an answer per file."""
    if not (shop / "asked.json").exists():
        shutil.rmtree(shop, ignore_errors=True)
        making = SPAWN.Process(target=make_shop, args=(shop,))
        making.start()
        making.join()
    started, waiting = time.monotonic(), tasks(shop, only)
    with tempfile.TemporaryDirectory() as folder, pool(jobs, shop, Path(folder)) as workers:
        running = {
            workers.submit(answer, into / name, ask, shop, more): name
            for name, ask in waiting.items()
        }
        for done in as_completed(running):
            print(
                f"{time.monotonic() - started:6.1f} s  {running[done]}: {done.result()} answers",
                flush=True,
            )


def pool(jobs: int, shop: Path, folder: Path) -> ProcessPoolExecutor:
    """Return processes that share nothing with this one."""
    return ProcessPoolExecutor(jobs, SPAWN, prepare, (shop, folder))


def answer(into: Path, questions: Questions, shop: Path, more: bool) -> int:  # noqa: FBT001 (a process takes no names)
    """Write the answers of a folder of the record, and return how many they are."""
    if not more:
        shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True, exist_ok=True)
    count = 0
    for asked, ask in questions():
        name = re.sub(r"[^\w=.,*&-]+", "_", asked)[:100]
        path = into / f"{name}-{digest(asked)}.json"
        if path.exists():
            continue
        text = json.dumps({"asked": asked, **ask()}, indent=1, ensure_ascii=False)
        for pattern, instead in (
            *PASSING,
            (str(Path.cwd().parent), "<home>"),
            (str(shop), "<shop>"),
        ):
            text = re.sub(pattern, instead, text)
        path.write_text(text, encoding="utf-8")
        count += 1
    return count


# Comparing.


def compare(before: Path, after: Path, *, numbers: bool, only: str | None) -> int:
    """Print what differs, the same differences once, and return how many answers do."""
    paths = sorted(
        {path.relative_to(folder) for folder in (before, after) for path in folder.rglob("*.json")}
    )
    paths = [path for path in paths if only is None or only in path.parts]
    same: dict[tuple[str, ...], list[tuple[str, list[str]]]] = defaultdict(list)
    for path in paths:
        missing = [folder for folder in (before, after) if not (folder / path).exists()]
        old, new = (
            json.loads((folder / path).read_text()) if folder not in missing else {}
            for folder in (before, after)
        )
        found = (
            [f"! not in {missing[0]}"] if missing else [*differences(old, new, "", numbers=numbers)]
        )
        if found:
            pattern = tuple(
                dict.fromkeys(re.sub(r"\[\d+\]", "[]", line.partition(": ")[0]) for line in found)
            )
            same[str(path.parent), *pattern].append(((old or new)["asked"], found))
    for (folder, *_), answers in same.items():
        print(f"\n{folder}: " + "\n  and ".join(asked for asked, _ in answers[:SHOWN]), end="")
        print(f"\n  and {len(answers) - SHOWN} more" if len(answers) > SHOWN else "")
        found = answers[0][1]
        print(
            "\n".join(f"    {line}" for line in found[:MOST]),
            f"    … {len(found) - MOST} more" * (len(found) > MOST),
        )
    wrong = sum(map(len, same.values()))
    print(
        f"\n{wrong} of {len(paths)} answers differ."
        if wrong
        else f"All {len(paths)} answers are the same."
    )
    return wrong


def differences(old: object, new: object, path: str, *, numbers: bool) -> Iterator[str]:
    """Yield how two values differ, a line each: `+` a new key, `-` one that went,
    `~` another value.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        yield from (f"- {path}.{key}: {shown(old[key])}" for key in old if key not in new)
        yield from (
            f"+ {path}.{key}: {shown(new[key])}" for key in new if key not in old and not numbers
        )
        for key in old.keys() & new.keys():
            yield from differences(old[key], new[key], f"{path}.{key}", numbers=numbers)
    elif is_text(old) and is_text(new):
        changed = [*difflib.unified_diff(unfolded(old), unfolded(new), n=0, lineterm="")][2:]
        yield from (f"{path}: {shown(line)}" for line in changed if not line.startswith("@@"))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"~ {path}: {len(old)} → {len(new)} elements"
        for n, (old_item, new_item) in enumerate(zip(old, new, strict=False)):
            yield from differences(old_item, new_item, f"{path}[{n}]", numbers=numbers)
    elif not (
        old == new or (isinstance(old, float) and isinstance(new, float) and math.isclose(old, new))
    ):
        yield f"~ {path}: {shown(old)} → {shown(new)}"


def unfolded(text: list[str]) -> list[str]:
    """Return a text with the lines of the documents that its links contain."""
    return [line for quoted in text for line in unquote(quoted).splitlines()]


def is_text(value: object) -> TypeGuard[list[str]]:
    """Return whether a value is a text by line."""
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def shown(value: object) -> str:
    """Return a value as a line that is not too long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) < WIDTH else f"{text[:WIDTH]}…"


def main() -> None:
    """Record or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="what", required=True)
    recording, comparing = parts.add_parser("record"), parts.add_parser("compare")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--shop", type=Path, required=True, help="made if it is not there")
    recording.add_argument("--jobs", type=int, default=os.cpu_count())
    recording.add_argument(
        "--more", action="store_true", help="ask only what is not recorded in FOLDER yet"
    )
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument(
        "--numbers", action="store_true", help="leave keys of JSON out that were added"
    )
    for subparser in (recording, comparing):
        subparser.add_argument(
            "--only", help="a subject, such as funnel, or commands, questions, routes or pages"
        )
    arguments = parser.parse_args()
    if arguments.what == "record":
        record(
            arguments.folder.resolve(),
            arguments.shop.resolve(),
            arguments.only,
            arguments.jobs,
            more=arguments.more,
        )
    else:
        sys.exit(
            compare(
                arguments.before, arguments.after, numbers=arguments.numbers, only=arguments.only
            )
            > 0
        )


if __name__ == "__main__":
    main()
