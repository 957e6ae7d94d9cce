"""A process in which files of other people are read: what they make of memory and time has limits,
and a library that dies of one takes nothing with it.

    with ReadingChild(ReadingLimits(memory_mb=600, cpu_s=300, time_s=600)) as child:
        for path in paths:
            found = child.run(path.name, names_person, path, needles)

A file of 2 kB can name a billion cells, or unpack to gigabytes; the libraries that read it, in C++
and Rust, then end the process. The child is copied from a server process that imports nothing of
its own accord, so that its start takes a hundredth of a second where the function's module is
imported there, and what that module takes to be imported elsewhere.
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection as connections
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType, TracebackType
from typing import Any, Final, Literal, TypeVar

from ecom_assets.core.errors import EcomError, SourceError, WorkError, first_line, system_reason
from ecom_assets.core.settings.environment import hand_on, handing_on

Limit = Literal["memory", "CPU time", "time"]
"""What a file took too much of: memory, seconds of a processor, or seconds of a clock."""
S = TypeVar("S")
T = TypeVar("T")
WATCH_S: Final = 0.02
"""How often the memory of a child is looked at: some 50 MB are taken meanwhile at most."""
KEPT_SHARE: Final = 0.25
"""The share of its memory that a child may have kept of earlier files; then another one begins."""
UNTOUCHED: Final = 1_500_000_000
"""What libraries ask the system for and never write to, which `RLIMIT_DATA` counts all the same;
the parent, who counts what is written, looks less often than a library can ask for gigabytes.
"""
ARROW_POOL: Final = "ARROW_DEFAULT_MEMORY_POOL"
USUAL_STACK: Final = 8 << 20
PAGE: Final = resource.getpagesize()
_CONTEXT: Final = get_context("forkserver")  # a fork of a server itself would have its locks
_MB: Final = 1_000_000


@dataclass(frozen=True)
class ReadingLimits:
    """What reading one file may take.

    Attributes:
        memory_mb: Megabytes of a million bytes, besides those of the imported program.
        cpu_s: Seconds of a processor; those of several threads add up.
        time_s: Seconds of the clock.
    """

    memory_mb: int
    cpu_s: int
    time_s: float


FOREIGN_FILE: Final = ReadingLimits(memory_mb=500, cpu_s=600, time_s=1_200)
"""What reading a file of other people may take, unless the caller sets less."""


class OverLimitError(SourceError):
    """A file takes more to read than it may; `limit` says of what."""

    def __init__(self, message: str, limit: Limit) -> None:
        """Note what there was too little of."""
        super().__init__(message)
        self.limit = limit

    def __reduce__(self) -> tuple[type["OverLimitError"], tuple[str, Limit]]:
        """Return how it is sent to another process."""
        return type(self), (str(self), self.limit)


class ReadingChild:
    """A process that reads one file after the other; a context manager.

    It starts with the first file, and again after one that ended it. Within another child,
    functions are called where they are, in the narrower limits of memory. One thread uses it at a
    time.
    """

    def __init__(self, limits: ReadingLimits) -> None:
        """Set what each file may take."""
        self._limits = limits
        self._process: Any = None
        self._connection: Connection | None = None
        self._first_bytes: int | None = None
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> "ReadingChild":
        """Return itself; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.end()

    def run(self, name: str, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 (as the function takes them)
        """Return what a function of a module returns of a file.

        Args:
            name: The name of the file, for the sentence about it.
            function: A function that another process can import by its name. Its arguments and
                what it returns or raises are sent between processes, so they are small.
            args: Its arguments.

        Raises:
            OverLimitError: The file takes more than it may.
            WorkError: The process cannot be started.
            Exception: What the function raises.
        """
        if _Here.is_child:
            with _within(name, self._limits):
                return function(*args)
        try:
            next(self._answered(name, function, args))
        except StopIteration as end:
            result: T = end.value
            return result
        raise TypeError(f"{function.__name__} yields; use `steps`.")

    def steps(
        self,
        name: str,
        function: Callable[..., Generator[S, None, T]],
        *args: Any,  # noqa: ANN401 (as the function takes them)
    ) -> Generator[S, None, T]:
        """Yield what a generator function yields, such as how far it is, and return what it
        returns; otherwise as `run`.
        """
        if _Here.is_child:
            with _within(name, self._limits):
                return (yield from function(*args))
        result: T = yield from self._answered(name, function, args)
        return result

    def end(self) -> None:
        """End the process at once, whatever it does."""
        process, connection = self._process, self._connection
        self._process = self._connection = self._first_bytes = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _answered(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Generator[Any, None, Any]:
        goes_on = False
        try:
            try:
                connection = self._started(function.__module__)
                connection.send_bytes(pickle.dumps((function, args)))
                kind, value = _next(connection, None)
            except (EOFError, OSError) as error:
                raise WorkError(
                    f"No process can be started to read {name} ({system_reason(error)}); see that "
                    "the machine has memory left, and try again."
                ) from error
            watch = _Watch(self._process.pid, self._limits, value if kind == BEGUN else None)
            self._first_bytes = self._first_bytes or watch.first_bytes
            while kind in {BEGUN, STEP, WITHIN}:
                if kind == STEP:
                    yield value
                elif kind == WITHIN:
                    watch.narrow(*value)
                kind, value = self._awaited(connection, watch, name)
            if kind == FAILED:
                goes_on = isinstance(value, EcomError) and not self._has_kept_much()
                raise value
            if kind == OVER:
                raise _over(name, value, self._limits)
            goes_on = not self._has_kept_much()
            return value
        finally:
            if not goes_on:  # also where the steps are left, or Ctrl-C was pressed
                self.end()

    def _started(self, module: str) -> Connection:
        if self._connection is not None and self._process.is_alive():
            return self._connection
        self.end()
        self._connection, of_child = _CONTEXT.Pipe()
        self._folder = TemporaryDirectory(prefix="ecom_reading_", ignore_cleanup_errors=True)
        args = (of_child, self._limits, self._folder.name)
        self._process = _CONTEXT.Process(target=_serve, args=args, daemon=True)
        try:
            start_server(module)
            with _as_children_begin():
                self._process.start()
        except (EOFError, OSError):
            self._process = None
            raise
        finally:
            of_child.close()
        return self._connection

    def _awaited(self, connection: Connection, watch: "_Watch", name: str) -> tuple[str, Any]:
        """Return the next message of the process, which ends where it takes too much."""
        try:
            return _next(connection, watch)
        except (EOFError, OSError):
            self._process.join()
            limit = watch.over or _limit_of(self._process.exitcode)
            raise _over(name, limit, watch.limits) from None

    def _has_kept_much(self) -> bool:
        now = memory_bytes(self._process.pid)
        if now is None or self._first_bytes is None:
            return False
        return now - self._first_bytes > KEPT_SHARE * self._limits.memory_mb * _MB


def start_server(module: str) -> None:
    """Start the process that children are copied from, unless it is there; it imports a module
    first, with which children begin. Nothing waits for it.
    """
    with _STARTING:
        if not _Here.has_server:
            _CONTEXT.set_forkserver_preload([module])
            _Here.has_server = True
    with _as_children_begin():
        forkserver.ensure_running()


@contextmanager
def _as_children_begin() -> Iterator[None]:
    """Start the process that children are copied from as they need it, if it is started now.

    It does not import the script that this program was started by, which takes time, and runs what
    a script without `if __name__ == "__main__"` does once more. Arrow, whose usual allocator begins
    with 1 GB, asks the system for what it writes only; it looks for that where it is imported.
    """
    with _STARTING, handing_on(ARROW_POOL, "system"):
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


_STARTING: Final = threading.Lock()


def memory_mb_here() -> int | None:
    """Return the megabytes that a file may take in this process; None if it is no child."""
    return _Here.memory_mb if _Here.is_child else None


BEGUN, STEP, WITHIN, DONE, FAILED, OVER = "begun", "step", "within", "done", "failed", "over"
"""What a child says: the function is imported and begins; it yields; it has so many megabytes from
now on; it returns; it raises; it has no memory left.
"""


class _Here:
    """What this process is."""

    has_server = False
    is_child = False
    connection: Connection
    memory_mb: int
    """Of a child: to whom it answers, and what it may take now."""


@contextmanager
def _within(name: str, limits: ReadingLimits) -> Iterator[None]:
    """Take no more memory than some limits within a child that may have more."""
    outer = _Here.memory_mb
    if outer <= limits.memory_mb:
        yield
        return
    _Here.memory_mb = limits.memory_mb
    _Here.connection.send((WITHIN, (limits.memory_mb, memory_bytes(os.getpid()))))
    try:
        with _LimitedMemory(limits.memory_mb):
            yield
    except MemoryError as error:
        raise _over(name, "memory", limits) from error
    finally:
        _Here.memory_mb = outer
        _Here.connection.send((WITHIN, (outer, None)))


class _Watch:
    """Looks at the memory and the time of one file, and ends a process that takes more."""

    def __init__(self, process_id: int, limits: ReadingLimits, first_bytes: int | None) -> None:
        self._id, self.limits, self._outer = process_id, limits, limits
        self.first_bytes = self._from_bytes = first_bytes
        self._until = time.monotonic() + limits.time_s
        self.over: Limit | None = None

    def narrow(self, memory_mb: int, now_bytes: int | None) -> None:
        """Let the process take so much more than it has, or, as before, what its limits say."""
        if self.over:  # it was ended just now
            return
        self.limits = replace(self.limits, memory_mb=memory_mb)
        is_as_before = memory_mb == self._outer.memory_mb
        self._from_bytes = self.first_bytes if is_as_before else now_bytes

    def look(self) -> None:
        """End the process if it takes more than it may."""
        now = memory_bytes(self._id)
        grown = now - self._from_bytes if now is not None and self._from_bytes is not None else 0
        if grown > self.limits.memory_mb * _MB:
            self.over = "memory"
        elif time.monotonic() > self._until:
            self.over = "time"
        if self.over:
            os.kill(self._id, signal.SIGKILL)


def memory_bytes(process_id: int) -> int | None:
    """Return the memory of a process that is its own, and of no file; None if nobody says it."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{process_id}/statm").read_text("ascii").split()
    except FileNotFoundError:
        return None if Path("/proc/self/statm").exists() else _resident_bytes(process_id)
    except (OSError, ValueError):
        return None
    return (int(resident) - int(shared)) * PAGE


def _resident_bytes(process_id: int) -> int | None:
    """Return the memory of a process where there is no `/proc`, as on macOS."""
    command = ["ps", "-o", "rss=", "-p", str(process_id)]
    said = subprocess.run(command, capture_output=True, check=False, text=True).stdout.strip()  # noqa: S603 (a number)
    return int(said) * 1024 if said.isdecimal() else None


def _next(connection: Connection, watch: _Watch | None) -> tuple[str, Any]:
    while watch is not None and not connection.poll(WATCH_S):
        watch.look()
    message: tuple[str, Any] = connection.recv()
    return message


def _limit_of(exit_code: int | None) -> Limit:
    """Return what there was too little of where a process ended by itself.

    A library that gets no memory aborts, or is killed by the system.
    """
    return "CPU time" if exit_code == -signal.SIGXCPU else "memory"


def _over(name: str, limit: Limit, limits: ReadingLimits) -> OverLimitError:
    taken = {
        "memory": f"{limits.memory_mb:,} MB of memory",
        "CPU time": f"{limits.cpu_s:,} s of a processor",
        "time": f"{limits.time_s:,g} s",
    }[limit]
    return OverLimitError(
        f"{name} takes more than {taken} to read; save it again as CSV, or send it in parts, such "
        "as a file per month.",
        limit,
    )


def _serve(connection: Connection, limits: ReadingLimits, folder: str) -> None:
    """Call functions that come by a connection until it is closed: the whole life of a child."""
    _Here.is_child, _Here.connection, _Here.memory_mb = True, connection, limits.memory_mb
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this then
    tempfile.tempdir = folder  # what it leaves when it dies goes with it
    hand_on({"TMPDIR": folder})
    _be_quiet()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = connection.recv_bytes()
        except EOFError:
            return
        _limit_time(limits)
        try:
            function, args = pickle.loads(task)  # noqa: S301 (of the parent)
            connection.send((BEGUN, memory_bytes(os.getpid())))
            with _LimitedMemory(limits.memory_mb):
                message = _called(connection, function, args)
        except MemoryError:
            message = (OVER, "memory")
        except BaseException as error:  # noqa: BLE001 (a panic of Rust is no Exception)
            message = (FAILED, _sendable(error))
        try:
            connection.send(message)
        except (
            TypeError,
            AttributeError,
            pickle.PicklingError,
        ) as error:  # a result of its own kind
            connection.send((FAILED, TypeError(f"{function.__name__}: {error}")))


def _called(
    connection: Connection, function: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[str, Any]:
    result = function(*args)
    if not isinstance(result, Generator):
        return DONE, result
    while True:
        try:
            step = next(result)
        except StopIteration as end:
            return DONE, end.value
        connection.send((STEP, step))


def _end_with_parent() -> None:
    """End this process when the one that reads by it is gone."""
    parent = parent_process()
    if parent is not None:
        connections.wait([parent.sentinel])
        os._exit(1)


def _be_quiet() -> None:
    """Keep what libraries write before they abort off the terminal, but not what this logs."""
    own = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    sys.stderr = own


def _limit_time(limits: ReadingLimits) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    whole = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_s
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = whole if hard == resource.RLIM_INFINITY else min(whole, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


class _LimitedMemory:
    """The memory of this process while a function reads a file.

    It is what the system refuses at once; what is written to is counted by the parent, closer.
    """

    def __init__(self, memory_mb: int) -> None:
        self._bytes = memory_mb * _MB
        self._before: tuple[int, int] | None = None

    def __enter__(self) -> None:
        if (now := data_bytes()) is None:  # only the parent looks then
            return
        stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
        stack = USUAL_STACK if stack == resource.RLIM_INFINITY else stack
        of_threads = 2 * (os.cpu_count() or 1) * stack  # DuckDB's and Arrow's
        soft, hard = self._before = resource.getrlimit(resource.RLIMIT_DATA)
        most = now + self._bytes + UNTOUCHED + of_threads
        most = most if soft == resource.RLIM_INFINITY else min(most, soft)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))

    def __exit__(self, *_: object) -> None:
        if self._before is not None:  # what was found has still to be sent
            resource.setrlimit(resource.RLIMIT_DATA, self._before)


def data_bytes() -> int | None:
    """Return what `RLIMIT_DATA` counts of this process; None where nobody says it."""
    try:
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _sendable(error: BaseException) -> BaseException:
    """Return an error as another process can have it: itself, or what it says."""
    if not isinstance(error, EcomError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        is_sent = isinstance(pickle.loads(pickle.dumps(error)), Exception)  # noqa: S301 (as above)
    except Exception:  # noqa: BLE001 (whatever an error of a library does)
        is_sent = False
    said = f"The file cannot be read ({first_line(error)}); save it again, and send it again."
    return error if is_sent else SourceError(said)
