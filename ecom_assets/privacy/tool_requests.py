"""Requests to the tools that received a person's records to delete them, each id once, and their responses."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ecom_assets.clock import now_utc_without_zone
from ecom_assets.delivery.batch_sender import patience
from ecom_assets.delivery.sender import HttpRule, Limits, Sender
from ecom_assets.delivery.tool import Deletion, Tool, patient
from ecom_assets.delivery.tools.all import TOOLS
from ecom_assets.errors import DeliveryError
from ecom_assets.identity.visitors import ANONYMOUS
from ecom_assets.privacy.person import Person
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.values import batches_of

Answers = dict[str, list[dict[str, Any]]]
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
                f"{' '.join(failures)} Everything else was removed; fix this and run the same command again, "
                "or leave the tool out with --skip-tool."
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
                notes.append(f"{tool.title} was not asked, since {' and '.join(missing)} is not set; do it there.")
            else:
                notes.append(f"{tool.title} deletes later: see there that the job has run.")
                notes += [tool.deletion.cannot] if tool.deletion.cannot and self._anonymous else []
        return notes

    def _set_tools(self) -> dict[str, Tool[Any]]:
        return {name: tool for name, tool in TOOLS.items() if tool.is_set(tool.tool_settings(self.settings))}

    @property
    def _anonymous(self) -> list[str]:
        """The ids of the person in events without a user: as visitors, and as the devices that are sent."""
        visitors = [visitor for visitor in self.person.visitors if visitor.startswith(ANONYMOUS)]
        return list(dict.fromkeys([*visitors, *self.person.devices]))

    def _request_deletion(
        self, tool: Tool[Any], deletion: Deletion[Any], answers: Answers, save: Callable[[Answers], None]
    ) -> None:
        settings = tool.tool_settings(self.settings)
        users = [visitor for visitor in self.person.visitors if not visitor.startswith(ANONYMOUS)]
        ids = deletion.ids(settings, users, self._anonymous)
        done = answers.setdefault(tool.name, [])
        id_count = sum(request["id_count"] for request in done)
        rule = HttpRule(tool.title, "", tool.secrets(settings), per_s=deletion.per_s, connections=1)  # one at a time
        with closing(Sender(rule)) as sender:
            send = patient(sender, patience(self.settings, Limits(1, 1)))
            for id_batch in batches_of(ids[id_count:], deletion.most):
                answer = deletion.request_deletion(settings, id_batch, send)
                at = now_utc_without_zone().isoformat(sep=" ", timespec="seconds")
                done.append({"id_count": len(id_batch), "answer": answer, "answered_at": at})
                save(answers)
