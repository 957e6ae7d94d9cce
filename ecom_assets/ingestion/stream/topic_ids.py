"""The ids of topics: a topic that is deleted and created again has another one,
and offsets that start again.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ecom_assets.core.errors import SourceError, WorkError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.ingestion.sources.stream_ledger import note_topic_id, noted_topic_id

with packages_of("kafka", "`ecom stream`"):
    from confluent_kafka import KafkaError, KafkaException, TopicCollection
    from confluent_kafka.admin import AdminClient

TopicIds = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns the present id of each topic."""
TIMEOUT_S: Final = 10.0
_NOT_THERE: Final = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}
WITHOUT_ID: Final = "0" * 32
"""What brokers answer that give topics no ids."""


class BrokerDownError(WorkError):
    """No broker answers; messages wait."""


class TopicMissingError(SourceError):
    """The brokers do not have a topic, or not yet after they have come up."""

    def __init__(self, topic: str, reason: str) -> None:
        """Name the topic, and what the brokers say."""
        super().__init__(f"The topic {topic} cannot be read ({reason}); check its name.")
        self.topic = topic


@dataclass(frozen=True)
class StreamTopics:
    """The topics of a stream.

    With `accepts_reset`, those that were created again, and partitions that lost their end, are
    read as they are now.
    """

    names: tuple[str, ...]
    ids: TopicIds
    accepts_reset: bool = False

    def begin(self, landing: Path, ids: Mapping[str, str]) -> None:
        """Note the ids of topics that are read for the first time, or again by consent.

        Raises:
            SourceError: A topic was created again.
        """
        if self.accepts_reset:
            for topic, topic_id in ids.items():
                note_topic_id(landing, topic, topic_id)
        self._require_same(landing, ids)

    def check(self, landing: Path) -> None:
        """Ask the brokers whether the topics are still the same.

        Raises:
            SourceError: A topic was created again.
            BrokerDownError: The brokers do not answer.
        """
        try:
            ids = self.ids(self.names)
        except (
            TopicMissingError
        ) as error:  # of a broker that has just come up, or until the topic is created again
            raise BrokerDownError(str(error)) from error
        self._require_same(landing, ids)

    def _require_same(self, landing: Path, ids: Mapping[str, str]) -> None:
        for topic, topic_id in ids.items():
            noted = noted_topic_id(landing, topic)
            if noted is None:
                note_topic_id(landing, topic, topic_id)
            elif noted != topic_id:
                raise SourceError(
                    f"The topic {topic} was deleted and created again, so its offsets start "
                    "again; if that was meant, run `ecom stream --accept-reset` once."
                )


def ids_of_brokers(config: Mapping[str, str]) -> TopicIds:
    """Return a function that asks the brokers for topic ids."""
    errors: list[str] = []
    own: dict[str, Any] = {
        name: value for name, value in config.items() if name not in _OF_CONSUMERS
    }
    own["error_cb"] = lambda error: errors.append(error.str())
    client = AdminClient(own)

    def ids(topics: Sequence[str]) -> dict[str, str]:
        errors.clear()
        answers = client.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
        try:
            return {topic: _id_of(topic, answer) for topic, answer in answers.items()}
        except BrokerDownError as error:
            client.poll(0)  # calls error_cb, which knows why, such as a wrong password
            if errors:
                raise BrokerDownError(f"The brokers do not answer ({errors[0]}).") from error
            raise

    return ids


def _id_of(topic: str, answer: object) -> str:
    try:
        in_base64 = str(answer.result(timeout=2 * TIMEOUT_S).topic_id)  # type: ignore[attr-defined]  # a Future
    except KafkaException as error:
        if error.args[0].code() in _NOT_THERE:
            raise TopicMissingError(topic, error.args[0].str()) from error
        raise BrokerDownError(f"The brokers do not answer ({error.args[0].str()}).") from error
    except TimeoutError as error:
        raise BrokerDownError("The brokers do not answer in time.") from error
    topic_id = b64decode(in_base64 + "==").hex()  # the text has slashes, and file names have it
    return topic if topic_id == WITHOUT_ID else topic_id


_OF_CONSUMERS: Final = {
    "enable.auto.commit",
    "auto.offset.reset",
    "isolation.level",
    "partition.assignment.strategy",
    "enable.partition.eof",
    "group.id",
    "queued.max.messages.kbytes",
}
