"""What keeps the servers of `ecom ui` up: with small real processes, which are killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecom_assets.core.file_lock import has_ended
from ecom_assets.interfaces.ui import supervisor as module
from ecom_assets.interfaces.ui.rotated_log import RotatedLog
from ecom_assets.interfaces.ui.services import LocalServer, services_of, services_text
from ecom_assets.interfaces.ui.supervisor import FAILED, INTERRUPTED, STOPPED, Supervisor
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.ports import free_port

# The number and the end of its line at once: `print` may be killed between the two.
SAYS_ITSELF = "os.write(1, b'%d\\n' % os.getpid())"
WAITS = (
    "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    f"{SAYS_ITSELF}; time.sleep(600)"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_AFTER_S", 0.01)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(module, "PROBE_EVERY_S", 0.02)


class Kept:
    """Services that are kept up in a thread, and what was said about them."""

    def __init__(self, supervisor: Supervisor, said: list[str]) -> None:
        self.supervisor = supervisor
        self.said = said
        self.code: int | None = None

    def run(self) -> None:
        """Keep them up until they are stopped."""
        self.code = self.supervisor.run()


@contextmanager
def kept_up(
    *services: LocalServer, probe: Callable[[str], bool] = lambda _: True
) -> Iterator[Kept]:
    said: list[str] = []
    kept = Kept(Supervisor(services, said.append, probe), said)
    thread = threading.Thread(target=kept.run)
    thread.start()
    try:
        yield kept
    finally:
        kept.supervisor.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def program(log: Path, text: str = WAITS, **more: str) -> LocalServer:
    return LocalServer(f"the {log.stem}", (sys.executable, "-c", text), str(log), **more)


def printed(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def newest(log: Path, count: int) -> int:
    """Return the process that a service printed as its so many-th."""
    wait_until(lambda: len(printed(log)) >= count, PATIENCE_S)
    return int(printed(log)[count - 1])


def test_a_killed_service_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    api, daemon = tmp_path / "api.log", tmp_path / "daemon.log"
    with kept_up(program(api), program(daemon)) as kept:
        newest(api, 1)
        os.kill(newest(daemon, 1), signal.SIGKILL)
        again = newest(daemon, 2)
        assert len(printed(api)) == 1
    assert kept.said == [
        f"The daemon ended (by signal 9) and is started again; {daemon} says why.",
        STOPPED,
    ]
    assert kept.code == INTERRUPTED
    assert has_ended(str(again))
    assert has_ended(printed(api)[0])


def test_one_that_ends_six_times_in_ten_minutes_ends_all_with_a_sentence(tmp_path: Path) -> None:
    api, daemon = tmp_path / "api.log", tmp_path / "daemon.log"
    with kept_up(program(api), program(daemon, "print('no'); raise SystemExit(3)")) as kept:
        newest(api, 1)
        wait_until(lambda: kept.code is not None, PATIENCE_S)
    assert kept.code == FAILED
    assert kept.said[-1] == (
        f"The daemon ended 6 times in 10 minutes (exit code 3), so all stops; {daemon} says why."
    )
    assert len(kept.said) == 6
    assert printed(daemon) == ["no"] * 6
    assert has_ended(printed(api)[0])


def test_ends_that_are_long_ago_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTARTS_WITHIN_S", 0.0)
    daemon = tmp_path / "daemon.log"
    with kept_up(program(daemon, "print('no')\nraise SystemExit(3)")) as kept:
        wait_until(lambda: len(printed(daemon)) > 8, PATIENCE_S)
        assert kept.code is None


def test_one_that_has_done_its_work_is_left_alone(tmp_path: Path) -> None:
    shop, api = tmp_path / "shop.log", tmp_path / "api.log"
    with kept_up(program(shop, "print('done')"), program(api)) as kept:
        newest(api, 1)
        wait_until(lambda: printed(shop) == ["done"], PATIENCE_S)
    assert (kept.said, printed(shop)) == ([STOPPED], ["done"])


def test_a_code_server_that_answers_no_more_is_started_again(tmp_path: Path) -> None:
    code, daemon, is_well = tmp_path / "code.log", tmp_path / "daemon.log", threading.Event()
    socket = str(tmp_path / "code.sock")
    services = program(code, socket=socket), program(daemon, after=socket)
    with kept_up(*services, probe=lambda _: is_well.is_set()) as kept:
        newest(code, 1)
        assert not daemon.exists(), "it waits for the code server"
        is_well.set()
        newest(daemon, 1)
        is_well.clear()
        newest(code, 2)
        is_well.set()
    assert f"The code ended (it did not answer) and is started again; {code} says why." in kept.said
    assert len(printed(daemon)) == 1


SERVES = """
import os, socket, time
{says_itself}
while not os.path.exists({may_serve!r}):
    time.sleep(0.02)
server = socket.create_server(("127.0.0.1", {port}))
while True:
    with server.accept()[0] as caller:
        caller.recv(4096)
        caller.sendall(b"HTTP/1.0 303 See Other\\r\\n\\r\\n")
"""


def test_an_address_is_said_once_it_answers_and_what_waits_for_it_begins_then(
    tmp_path: Path,
) -> None:
    api, dagster, may_serve = tmp_path / "api.log", tmp_path / "dagster.log", tmp_path / "go"
    port = free_port()
    page = f"http://127.0.0.1:{port}/"
    serves = SERVES.format(says_itself=SAYS_ITSELF, may_serve=str(may_serve), port=port)
    shop = program(api, serves, address=page, ready=f"Your shop: {page}")
    with kept_up(shop, program(dagster, after=page)) as kept:
        first = newest(api, 1)
        assert (kept.said, dagster.exists()) == ([], False), "nobody is sent to a closed port"
        may_serve.touch()
        newest(dagster, 1)
        wait_until(lambda: bool(kept.said), PATIENCE_S)
        os.kill(first, signal.SIGKILL)
        newest(api, 2)
    assert kept.said == [
        f"Your shop: {page}",
        f"The api ended (by signal 9) and is started again; {api} says why.",
        STOPPED,
    ]
    assert len(printed(dagster)) == 1


def test_what_a_service_has_started_ends_with_it_all(tmp_path: Path) -> None:
    log = tmp_path / "code.log"
    starts = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAITS!r}]).wait()"
    with kept_up(program(log, starts)):
        run = newest(log, 1)
    wait_until(lambda: has_ended(str(run)), PATIENCE_S)


def test_a_module_ends_with_who_started_it(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    wrapped = [sys.executable, "-m", "ecom_assets.interfaces.ui.until_parent_ends"]
    starts = (
        "import os, subprocess\n"
        f"command = {wrapped!r} + [str(os.getpid()), 'waits']\n"
        "subprocess.Popen(command, process_group=0).wait()"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    parent = subprocess.Popen(
        [sys.executable, "-c", starts],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        cwd=Path(module.__file__).parents[3],
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = parent.stdout.readline().strip()
        parent.kill()
        parent.wait(PATIENCE_S)
    wait_until(lambda: has_ended(child), PATIENCE_S)


def test_services_are_handed_on_as_they_are() -> None:
    services = [
        LocalServer("the API", ("python", "-c", "print('ä')"), "api.log"),
        LocalServer("x", ("y",)),
    ]
    assert services_of(services_text(services)) == services


# Logs


def test_a_log_goes_on_after_a_new_start_and_its_oldest_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "dagster.log"
    for number in range(8):
        log = RotatedLog(path, largest_bytes=20, kept_files=2)
        log.write(b"line %d....\n" % number)
        log.close()
    files = {each.name: each.read_text().split("....\n")[:-1] for each in tmp_path.iterdir()}
    assert files == {
        "dagster.log": ["line 7"],
        "dagster.log.1": ["line 6"],
        "dagster.log.2": ["line 5"],
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_an_erasure_has_rewritten_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    log = RotatedLog(path)
    log.write(b"ann\nbob\n")
    cleaned = tmp_path / "cleaned"
    cleaned.write_text("bob\n")
    cleaned.replace(path)
    log.write(b"eve\n")
    log.close()
    assert path.read_text() == "bob\neve\n"
