"""What Dagster's own storage and run launcher need,
and the names for it that Dagster does not export.
"""

# Until `execute_in_process` takes the origin of its run, by which Overview shows it.
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME

# Until Dagster stores events of a step together on SQLite.
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
)

# Until Dagster's own launcher supports health checks of runs, or Dagster exports what such a check
# returns.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

# As the name of the repository above.
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# Until Dagster exports what it knows of the looks of sensors and schedules.
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

# Until Dagster stores events of a batch together on SQLite, as it does on Postgres, and planned
# ones on both; and until it can forget the steps of old runs.
from dagster._core.storage.event_log import (
    EventLogRecord,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

# Until Dagster's own launcher knows whether a run's process is still there.
from dagster._core.storage.tags import GRPC_INFO_TAG

# Until Dagster exports the argument with which it makes the classes that `dagster.yaml` names.
from dagster._serdes import ConfigurableClassData

# Until a schedule says when its next and its last time is.
from dagster._utils.schedules import cron_string_iterator

# Until Dagster exports what `deserialize_value` raises.
from dagster_shared.serdes.errors import DeserializationError

__all__ = [
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    "EVENT_TYPE_TO_PIPELINE_RUN_STATUS",
    "GRPC_INFO_TAG",
    "SINGLETON_REPOSITORY_NAME",
    "AssetCheckExecutionsTable",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DeserializationError",
    "EventLogRecord",
    "InstigatorState",
    "InstigatorTick",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "TickStatus",
    "WorkerStatus",
    "cron_string_iterator",
]
