"""One Spark session per process: its address, its settings,
starting it without a word, and ending it.
"""

import os
import re
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import parse_qsl, quote, unquote

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ecom_assets.core.errors import SettingError, WarehouseError, first_line, system_reason
from ecom_assets.core.file_lock import has_ended
from ecom_assets.core.settings.memory import limit_of_heap
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.spark.settings import SparkSettings

CONNECT_TIMEOUT_S = 5.0
EXECUTOR_TIMEOUT_S = 60.0
"""How long to wait for a cluster to give the first executor."""
FORMS = (
    "spark://local, spark://local[2]/folder, spark://HOST:7077/folder or "
    "spark://HOST:15002/folder?connect=true"
)
SECRET = re.compile("secret|password|token|access.?key|credential", re.IGNORECASE)
GLOB_SIGNS = set("*?[]{}")
ESCAPE = "%"
"""In a folder's name delta-rs takes it for the beginning of an escaped sign,
and finds no table there.
"""
SCRATCH = "_spark"


@dataclass(frozen=True)
class SparkAddress:
    """Where Spark runs, and the folder of the tables that are kept in files.

    `master` is Spark's own form, such as `local[2]`, `spark://host:7077`, or `sc://host:15002` for
    Spark Connect.
    """

    master: str
    folder: Path
    shown: str

    @property
    def is_local(self) -> bool:
        """Return whether Spark runs in a separate process on this machine."""
        return self.master.startswith("local")

    @property
    def is_connect(self) -> bool:
        """Return whether the address is that of a Spark Connect server."""
        return self.master.startswith("sc://")

    @property
    def scratch(self) -> Path:
        """Return the folder of this process's logs, spilled data and stored parts of queries."""
        return self.folder / SCRATCH / str(os.getpid())

    @classmethod
    def parse(cls, url: str, home: Path) -> "SparkAddress":
        """Parse `ECOM_WAREHOUSE`; the default folder is `spark` in the platform's home.

        Raises:
            SettingError: It is not an address of Spark, or a folder that Spark would read as a
                pattern.
        """
        match = re.fullmatch(r"spark://(?:([^@/?]*)@)?([^/?]+)(/[^?]*)?(?:\?(.*))?", url)
        user_info, host, path, query = match.groups() if match else (None, "", None, None)
        is_local = re.fullmatch(r"local(\[(\d+|\*)\])?", host or "") is not None
        if not is_local and not re.fullmatch(r"[^\[\]:]+:\d+", host or ""):
            raise SettingError(f"ECOM_WAREHOUSE names no Spark; write {FORMS}.")
        options = dict(parse_qsl(query or ""))
        connects = options.pop("connect", "") == "true"
        folder = Path(unquote(path)) if path and path.strip("/") else home.absolute() / "spark"
        if GLOB_SIGNS & set(str(folder)):
            raise SettingError(
                f"ECOM_WAREHOUSE: Spark reads signs of {folder} as a pattern; name a folder "
                f"without *?[]{{}}."
            )
        if ESCAPE in str(folder):
            raise SettingError(
                f"ECOM_WAREHOUSE: {folder} has a sign that Delta tables cannot have; name a "
                "folder without %."
            )
        if options or (is_local and connects):
            raise SettingError(
                "ECOM_WAREHOUSE: Spark's address takes only ?connect=true after a host; write "
                f"{FORMS}."
            )
        shown = f"spark://{host}{folder}" + ("?connect=true" if connects else "")
        if connects:
            return cls(f"sc://{host}{_credentials(user_info)}", folder, shown)
        master = host if "[" in host else "local[*]"
        return cls(master if is_local else f"spark://{host}", folder, shown)


def _credentials(user_info: str | None) -> str:
    user, _, token = (user_info or "").partition(":")
    parts = {"user_id": unquote(user), "token": unquote(token)}
    return "/" + "".join(
        f";{name}={quote(value, safe='')}" for name, value in parts.items() if value
    )


_RUNNING: dict[str, SparkSession] = {}
"""The process's Spark, by the master that it was started for; at most one,
as Spark allows no more in a process.
"""


def session_for(address: SparkAddress, settings: Settings) -> SparkSession:
    """Return a session of the process's Spark, which is started first where none runs;
    its views are its own.

    Raises:
        WarehouseError: Spark cannot be started or reached, or the process has another one.
        SettingError: `ECOM_SPARK_CONF` is wrong.
    """
    conf = parse_conf(SparkSettings.part_of(settings).spark_conf.get_secret_value())
    session = (
        _connected(address)
        if address.is_connect
        else _own_spark(address, settings, conf).newSession()
    )
    for key, value in {**SESSION_CONF, **conf}.items():
        if key.startswith("spark.sql.") and session.conf.isModifiable(key):
            session.conf.set(key, value)
    return session


def _own_spark(address: SparkAddress, settings: Settings, conf: dict[str, str]) -> SparkSession:
    java = java_process()
    if java is not None and java.poll() is not None:
        end_session()
    if _RUNNING and address.master not in _RUNNING:
        raise WarehouseError(
            f"This process already uses Spark at {next(iter(_RUNNING))}, and can use only one; "
            f"name the same Spark with another folder in place of {address.shown}."
        )
    if not _RUNNING:
        _RUNNING[address.master] = _started(address, {**_standard_conf(address, settings), **conf})
    return _RUNNING[address.master]


def java_process() -> "Popen[bytes] | None":
    """Return the Java process in which Spark runs locally or drives a cluster;
    None if there is none.
    """
    gateway = SparkContext._gateway  # noqa: SLF001 (nothing else knows the process)
    return None if gateway is None else gateway.proc


def end_session() -> None:
    """End the process's Spark, dead or alive, so that the next to ask starts a new one."""
    while _RUNNING:
        _, root = _RUNNING.popitem()
        with suppress(Exception):  # whatever a dead one says of being ended, it is gone
            root.stop()
    gateway = SparkContext._gateway  # noqa: SLF001 (the only way to a second start in one process)
    if gateway is not None:
        with suppress(Exception):  # also
            gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None  # noqa: SLF001 (as above)


def parse_conf(text: str) -> dict[str, str]:
    """Parse `key=value,key=value`; a comma ends a value only if `spark.` follows.

    Raises:
        SettingError: A part is not a setting of Spark.
    """
    conf: dict[str, str] = {}
    for number, part in enumerate(
        re.split(r",(?=\s*spark\.)", text) if text.strip() else [], start=1
    ):
        key, equals, value = part.strip().partition("=")
        if not equals or not key.startswith("spark."):
            raise SettingError(
                f"ECOM_SPARK_CONF: part {number} is not spark.name=value; correct it."
            )
        conf[key.strip()] = value.strip()
    return conf


SESSION_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    # listing days is no work for a job
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
}


def _standard_conf(address: SparkAddress, settings: Settings) -> dict[str, str]:
    scratch = _scratch(address)
    memory = re.sub(r"i?B$", "", limit_of_heap(settings).replace(" ", "")).lower()
    conf = {
        "spark.app.name": "ecom_assets",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": memory,
        "spark.local.dir": str(scratch / "local"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": f"file://{address.folder}/_catalog",
        "spark.pyspark.python": sys.executable,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={scratch}",
        **SESSION_CONF,
    }
    if address.is_local:
        threads = re.sub(r"\D", "", address.master) or str(os.cpu_count())
        conf |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": threads,
            "spark.driver.extraJavaOptions": (
                f"{conf['spark.driver.extraJavaOptions']} {LOCAL_JAVA_OPTIONS}"
            ),
        }
    return conf


LOCAL_JAVA_OPTIONS = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -XX:ReservedCodeCacheSize=240m "
    "-XX:MetaspaceSize=256m"
)
"""Short runs on few cores: Spark's start and first queries took 7.5 s with the
first three, 12 s without.

With one compiler Java has 48 MB for compiled code. Spark generates more in a run of a whole shop,
which spent a tenth of its time on making room. It also collected the garbage of classes from 21 MB
of them on.
"""


def _scratch(address: SparkAddress) -> Path:
    """Create the scratch folder, and remove those of processes of this machine that have ended."""
    scratch = address.scratch
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        for left_over in scratch.parent.iterdir():
            if has_ended(left_over.name):
                shutil.rmtree(left_over, ignore_errors=True)
    except OSError as error:
        raise WarehouseError(
            f"{address.folder} cannot be written: {error.strerror}; fix that, or name another "
            "folder in ECOM_WAREHOUSE."
        ) from error
    return scratch


def _started(address: SparkAddress, settings: dict[str, str]) -> SparkSession:
    if not address.is_local:
        _require_listening(address)
    conf = SparkConf(loadDefaults=False).setMaster(address.master).setAll(list(settings.items()))
    # What is handed to Java at its start stands in the list of processes; Spark itself gets the
    # secrets later.
    public = SparkConf(loadDefaults=False).setAll(
        [pair for pair in conf.getAll() if not SECRET.search(pair[0])]
    )
    log = _scratch(address) / "spark.log"
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with log.open("w") as file:  # the file takes what Java and Spark would print
            gateway = launch_gateway(public, popen_kwargs={"stdout": file, "stderr": file})  # type: ignore[no-untyped-call]  # Spark's
        context = SparkContext(conf=conf, gateway=gateway)
        if not address.is_local:
            _await_executor(context, address)
        return SparkSession(context)
    except Exception as error:  # whatever keeps Java or Spark from starting is said in one sentence
        end_session()
        raise _why_not_started(address, log, error) from error
    finally:
        with suppress(
            ValueError
        ):  # only the main thread has handlers, and Spark has set none elsewhere
            signal.signal(signal.SIGINT, interrupt)


def _why_not_started(address: SparkAddress, log: Path, error: Exception) -> WarehouseError:
    if isinstance(error, WarehouseError):
        return error
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if any("JAVA_HOME" in line or "bin/java" in line or "java: " in line for line in lines):
        return WarehouseError(
            f"{address.shown} needs Java and none was found; install Java 17 or 21, or set "
            "JAVA_HOME to one."
        )
    errors = (
        [line for line in lines if "rror" in line or "xception" in line] or lines or [str(error)]
    )
    return WarehouseError(
        f"{address.shown}: Spark did not start ({errors[0][:200]}); fix that, see ECOM_SPARK_CONF."
    )


def _connected(address: SparkAddress) -> SparkSession:
    _require_listening(address)
    try:
        session: SparkSession = SparkSession.builder.remote(address.master).create()
        session.range(1).count()
    except (PySparkException, RuntimeError, ImportError) as error:
        reason = first_line(error)
        raise WarehouseError(
            f"{address.shown}: Spark Connect does not answer ({reason}); see that it runs."
        ) from error
    return session


def _require_listening(address: SparkAddress) -> None:
    host, port = address.master.partition("://")[2].partition("/")[0].rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S):
            return
    except (OSError, OverflowError) as error:
        raise WarehouseError(
            f"{address.shown}: nothing answers at {host}:{port} ({system_reason(error)}); start "
            "Spark there, or correct ECOM_WAREHOUSE."
        ) from error


def _await_executor(context: SparkContext, address: SparkAddress) -> None:
    deadline = time.monotonic() + EXECUTOR_TIMEOUT_S
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # noqa: PLR2004, SLF001 (the driver is one; Python has no call)
        if time.monotonic() > deadline:
            raise WarehouseError(
                f"{address.shown}: the cluster gave no executor within {EXECUTOR_TIMEOUT_S:.0f} "
                "s; give it a worker, or ask for less with "
                "ECOM_SPARK_CONF=spark.executor.memory=…,spark.executor.cores=…."
            )
        time.sleep(0.2)
