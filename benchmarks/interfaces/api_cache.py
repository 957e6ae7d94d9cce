"""A cached answer of the API against a bare FastAPI route that returns the same bytes,
each in a server of its own.

Both are served by uvicorn with the same settings, on loopback, and asked in turn over one kept
connection each. The cached one passes all that `ecom api` puts in front: log, metrics, key, rates,
cache. The target is for the median time of a request; the servers' CPU time is reported beside it.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI, Response

from benchmarks.measuring import Result, report, say, script

KEY = "a-key-of-the-benchmark-only"
TARGET = 1.3
BLOCKS = 20
BODY_BYTES = 1_300
"""An answer of `/analytics/sales` is as long."""
HEADERS = {"ETag": 'W/"0123456789abcdef"', "Cache-Control": "no-cache"}


def body() -> bytes:
    """JSON of the usual size."""
    return json.dumps({"data_as_of": "2026-01-30", "text": "x" * (BODY_BYTES - 50)}).encode()


def serve(kind: str, home: Path) -> None:
    """Serve the route, bare or as `ecom api` does, and print the port."""
    from ecom_assets.core.http_server.json_log import json_lines  # noqa: PLC0415 (the process that asks imports none of it)

    app, answer = FastAPI(), body()

    @app.get("/analytics/sales")
    async def sales() -> Response:
        return Response(answer, media_type="application/json", headers=HEADERS)

    listening = socket.create_server(("127.0.0.1", 0))
    bare = uvicorn.Config(app, access_log=False, log_config=None)
    config = _config_of_ecom_api(app, home) if kind == "cached" else bare
    config.timeout_keep_alive = 600  # while the other one is asked
    print(listening.getsockname()[1], flush=True)
    with (
        (home / "api.log").open("w") as log,
        json_lines(log) if kind == "cached" else nullcontext(),
    ):
        uvicorn.Server(config).run(sockets=[listening])


def _config_of_ecom_api(app: FastAPI, home: Path) -> uvicorn.Config:
    from ecom_assets.core.settings.settings import Settings  # noqa: PLC0415 (as in `serve`)
    from ecom_assets.interfaces.api.app import build_stack  # noqa: PLC0415 (as in `serve`)
    from ecom_assets.interfaces.api.middleware.request_log import ApiMetrics  # noqa: PLC0415 (as in `serve`)
    from ecom_assets.interfaces.api.server import new_config  # noqa: PLC0415 (as in `serve`)

    async def version() -> str:
        # as the pointer of the snapshot is looked at
        os.stat(home)  # noqa: PTH116 (as in served_data.py)
        return "1"

    app.state.served = SimpleNamespace(version=version)
    app.state.metrics = ApiMetrics(lambda: 0.0)
    settings = Settings(
        home=home,
        api_keys=f"read:{KEY}",
        rate_limit_key="1000000/second",
        rate_limit_address="1000000/second",
    )
    return new_config(settings, build_stack(settings, app))


class Asker:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = (
            "GET /analytics/sales HTTP/1.1\r\n"
            "host: 127.0.0.1\r\n"
            f"authorization: Bearer {KEY}\r\n"
            "\r\n"
        ).encode()

    def ask(self) -> tuple[float, bytes]:
        """Ask once; return the seconds it took and the body."""
        begun = time.perf_counter()
        self._socket.sendall(self._request)
        got = self._socket.recv(65_536)
        while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < len(BODY):
            if not (more := self._socket.recv(65_536)):
                sys.exit("the server hung up")
            got += more
        return time.perf_counter() - begun, got.partition(b"\r\n\r\n")[2]


BODY = body()


@contextmanager
def serving(kind: str, home: Path) -> Iterator[tuple[Asker, int]]:
    """A server, once it answers: who asks it, and its process."""
    command = [*script("interfaces.api_cache"), "--serve", kind, "--home", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            port = int(process.stdout.readline()) if process.stdout else 0
            asker = Asker(port)
            if asker.ask()[1] != BODY:
                sys.exit(f"the {kind} route does not answer the bytes that are compared")
            yield asker, process.pid
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(requests: int) -> None:
    """Ask both in turn, in blocks, so that what else the machine does falls on both."""
    times: dict[str, list[float]] = {"bare": [], "cached": []}
    used = dict.fromkeys(times, 0.0)
    with (
        TemporaryDirectory() as home,
        serving("bare", Path(home)) as bare,
        serving("cached", Path(home)) as cached,
    ):
        servers = {"bare": bare, "cached": cached}
        for _ in range(BLOCKS):
            for kind, (asker, pid) in servers.items():
                before = cpu_s(pid)
                times[kind] += [asker.ask()[0] for _ in range(requests // BLOCKS)]
                used[kind] += cpu_s(pid) - before
    medians = {kind: statistics.median(some) for kind, some in times.items()}
    for kind, median in medians.items():
        say(
            f"{kind}: median {median * 1e6:.0f} µs, server CPU {used[kind] / requests * 1e6:.0f} "
            "µs a request"
        )
    about: dict[str, object] = {
        "bare_us": round(medians["bare"] * 1e6, 1),
        "cached_us": round(medians["cached"] * 1e6, 1),
        "cpu_ratio": round(used["cached"] / used["bare"], 3),
        "requests": requests,
    }
    report(
        Result(
            "api: a cached answer / a bare FastAPI route",
            medians["cached"] / medians["bare"],
            "x",
            TARGET,
            about=about,
        )
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--serve", choices=["bare", "cached"], help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.home)
    else:
        measure(arguments.requests)


if __name__ == "__main__":
    main()
