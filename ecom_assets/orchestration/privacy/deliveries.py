"""A person's records that were delivered: in the ledger of deliveries,
and at the tools that received them.

In the ledger their ids become keyed hashes, so that counts stay the same. The tools are requested
to delete them, each id once, and their responses are kept.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.tables.values import batches_of
from ecom_assets.ingestion.sources.erased_people import KeyedHashes
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.outputs.delivery.batch_sender import patience
from ecom_assets.outputs.delivery.hashed_addresses import with_hashes
from ecom_assets.outputs.delivery.ledger.sent_ids import forget
from ecom_assets.outputs.delivery.ledger.sent_sessions import count_sessions, forget_sessions
from ecom_assets.outputs.delivery.sender import HttpRule, Limits, Sender
from ecom_assets.outputs.delivery.tool import Deletion, Tool, patient
from ecom_assets.outputs.delivery.tools.all import TOOLS

ERASED = "erased-"
"""How the ids of erased records begin."""
RECORD = "record"
HASH_BYTES = 8
"""Bytes of each record's payload hash in a batch."""
PAGE = 50
"""Batches that are read at a time."""


@dataclass(frozen=True)
class LedgerPerson:
    """The ids by which the ledger can have a person's records: of events,
    with their days, and of users, and by the source sessions that are only theirs.
    """

    events: Mapping[str, date]
    users: frozenset[str]
    sessions: frozenset[str] = frozenset()

    @classmethod
    def of_person(cls, person: Person, records: Mapping[str, date]) -> "LedgerPerson":
        """Return a person's ids in the ledger; `records` are those of their events."""
        return cls(records, frozenset(person.users), frozenset(person.sessions))

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of users and events together."""
        return self.users.union(self.events)


def count_records(store: Database, person: LedgerPerson) -> int:
    """Return how many records of a person the ledger has by their ids."""
    return sum(
        len(person.ids.intersection(json.loads(ids))) for _, ids, _ in _batches(store, person)
    )


def is_in_ledger(store: Database, person: LedgerPerson) -> bool:
    """Return whether the ledger has a record or a session of a person."""
    return bool(count_records(store, person) or count_sessions(store, person.sessions))


def hash_records(store: Database, person: LedgerPerson, hashes: KeyedHashes) -> int:
    """Replace the ids of a person's records by keyed hashes,
    and remove payload hashes and the tools' messages.

    Each batch is changed in a transaction of its own, so that a killed erasure goes on where it
    stopped.
    """
    changed = 0
    for number, ids, payload_hashes in list(_batches(store, person)):
        records: list[str] = json.loads(ids)
        positions = [
            position for position, record_id in enumerate(records) if record_id in person.ids
        ]
        blank = bytearray(payload_hashes)
        for position in positions:
            records[position] = hashed(hashes, records[position])
            blank[position * HASH_BYTES : (position + 1) * HASH_BYTES] = bytes(HASH_BYTES)
        with store.transaction():
            store.count(
                "UPDATE batches SET record_ids = ?, payload_hashes = ? WHERE number = ?",
                (json_text(records), bytes(blank), number),
            )
            store.many(
                "UPDATE exceptions SET words = '' WHERE batch = ? AND place = ?",
                [(number, position) for position in positions],
            )
            if len(positions) == len(records):
                store.count(
                    "UPDATE batches SET words = '' WHERE number = ? AND words IS NOT NULL",
                    (number,),
                )
        changed += len(positions)
    with store.transaction():
        renamed = [(hashed(hashes, person_id), person_id) for person_id in sorted(person.ids)]
        store.many("UPDATE changes SET record_id = ? WHERE record_id = ?", renamed)
        forget(store, person.users)
        forget_sessions(store, person.sessions)
    return changed


def hashed(hashes: KeyedHashes, record_id: str) -> str:
    """Return the replacement of the id of an erased record."""
    return ERASED + hashes.hash_of(RECORD, record_id)


def _batches(store: Database, person: LedgerPerson) -> Iterator[tuple[int, str, Any]]:
    """Yield the batches that have a record of the person: its number, its ids as JSON,
    and its payload hashes.
    """
    for identity, name in store.rows("SELECT id, name FROM destinations ORDER BY id"):
        if name.endswith("_users"):
            yield from _having(store, person.users, "destination_id = ?", (identity,))
            continue
        for day in sorted(set(person.events.values())):
            ids = frozenset(
                event_id for event_id, its_day in person.events.items() if its_day == day
            )
            yield from _having(
                store, ids, "destination_id = ? AND day = ?", (identity, day.isoformat())
            )


def _having(
    store: Database, ids: frozenset[str], where: str, parameters: tuple[Any, ...]
) -> Iterator[tuple[int, str, Any]]:
    after = 0
    query = f"SELECT number, record_ids, payload_hashes FROM batches WHERE {where} AND number > ? "  # noqa: S608 (fixed text)
    while page := store.rows(query + f"ORDER BY number LIMIT {PAGE}", (*parameters, after)):
        for number, record_ids, payload_hashes in page:
            if ids.intersection(json.loads(record_ids)):
                yield int(number), record_ids, payload_hashes
        after = page[-1][0]


Answers = dict[str, list[Row]]
"""The responses of each tool, by its name: one entry for each request."""


@dataclass(frozen=True)
class ToolRequests:
    """The requests to all configured tools, except those that are `skipped`, to delete a person."""

    settings: Settings
    person: Person
    skipped: frozenset[str] = frozenset()

    def send(self, answers: Answers, save: Callable[[Answers], None]) -> Answers:
        """Send the requests without a response; `save` is called after each response.

        Raises:
            DeliveryError: A tool does not take a request, after all retries; the others were asked.
        """
        failures: list[str] = []
        for name, tool in self._set_tools().items():
            if (
                tool.deletion is None
                or name in self.skipped
                or tool.deletion.missing(tool.tool_settings(self.settings))
            ):
                continue
            try:
                self._request_deletion(tool, tool.deletion, answers, save)
            except DeliveryError as error:
                failures.append(str(error))
        if failures:
            raise DeliveryError(
                f"{' '.join(failures)} Everything else was removed; fix this and run the same "
                "command again, or leave the tool out with --skip-tool."
            )
        return answers

    def to_confirm(self) -> list[str]:
        """Return, as sentences, what somebody must check at the tools."""
        notes: list[str] = []
        for name, tool in self._set_tools().items():
            if tool.deletion is None:
                notes.append(f"{tool.title} cannot be asked to delete a person; do it there.")
            elif name in self.skipped:
                notes.append(f"{tool.title} was not asked (--skip-tool); delete the person there.")
            elif missing := tool.deletion.missing(tool.tool_settings(self.settings)):
                notes.append(
                    f"{tool.title} was not asked, since {' and '.join(missing)} is not set; do it "
                    "there."
                )
            else:
                notes.append(f"{tool.title} deletes later: see there that the job has run.")
                notes += [tool.deletion.cannot] if tool.deletion.cannot and self._anonymous else []
        return notes

    def _set_tools(self) -> dict[str, Tool[Any]]:
        return {
            name: tool
            for name, tool in TOOLS.items()
            if tool.is_set(tool.tool_settings(self.settings))
        }

    @property
    def _anonymous(self) -> list[str]:
        """The ids of the person in events without a user: as visitors,
        and as the devices that are sent.
        """
        visitors = [visitor for visitor in self.person.visitors if visitor.startswith(ANONYMOUS)]
        return list(dict.fromkeys([*visitors, *self.person.devices]))

    def _request_deletion(
        self,
        tool: Tool[Any],
        deletion: Deletion[Any],
        answers: Answers,
        save: Callable[[Answers], None],
    ) -> None:
        settings = tool.tool_settings(self.settings)
        users = [visitor for visitor in self.person.visitors if not visitor.startswith(ANONYMOUS)]
        # What was sent before addresses were hashed is there by the address.
        ids = deletion.ids(settings, with_hashes(users), with_hashes(self._anonymous))
        done = answers.setdefault(tool.name, [])
        id_count = sum(request["id_count"] for request in done)
        rule = HttpRule(
            tool.title, "", tool.secrets(settings), per_s=deletion.per_s, connections=1
        )  # one at a time
        with closing(Sender(rule)) as sender:
            send = patient(sender, patience(self.settings, Limits(1, 1)))
            for id_batch in batches_of(ids[id_count:], deletion.most):
                answer = deletion.request_deletion(settings, id_batch, send)
                at = now_utc_without_zone().isoformat(sep=" ", timespec="seconds")
                done.append({"id_count": len(id_batch), "answer": answer, "answered_at": at})
                save(answers)
