"""The ids of topics: a topic that is deleted and created again has another one, and offsets that start again."""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ecom_assets.errors import SourceError, WorkError
from ecom_assets.optional_imports import packages_of

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


def ids_of_brokers(config: Mapping[str, str]) -> TopicIds:
    """Return a function that asks the brokers for topic ids."""
    client = AdminClient({name: value for name, value in config.items() if name not in _OF_CONSUMERS})

    def ids(topics: Sequence[str]) -> dict[str, str]:
        answers = client.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
        return {topic: _id_of(topic, answer) for topic, answer in answers.items()}

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
    found = b64decode(in_base64 + "==").hex()  # the text has slashes, and file names have it
    return topic if found == WITHOUT_ID else found


_OF_CONSUMERS: Final = {
    "enable.auto.commit", "auto.offset.reset", "isolation.level", "partition.assignment.strategy",
    "enable.partition.eof", "group.id", "queued.max.messages.kbytes",
}  # fmt: skip
