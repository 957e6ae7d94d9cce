"""Sentences that several pages say: what a key lacks, and what data lack."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.interfaces.dashboard.blocks import Block

MAY: Final = {
    Scope.PERSONAL: "see people",
    Scope.COSTS: "see costs",
    Scope.WRITE: "change things",
    Scope.ADMIN: "load and undo",
}
"""What the scopes of keys allow, as people say it."""
BROUGHT: Final = {
    "ECOM_EVENTS": "events",
    "ECOM_ORDERS": "orders",
    "ECOM_CUSTOMER_API_URL": "customers",
    "ECOM_CATALOGUE": "stock",
    "ECOM_COSTS": "costs",
    "ECOM_AD_SPEND": "what ads cost",
}
"""What can be brought in on *Your data* in place of a setting."""
_SETTING: Final = re.compile(r"; set (ECOM_[A-Z_]+)")


def needs_key(what: str, scope: Scope) -> str:
    """Return who may see or do something, and the command that lets somebody; commands stand in
    backticks.
    """
    return (
        f"{what} needs a key that may {MAY[scope]}. Who looks after the platform makes one: "
        f"`ecom api-key create --name NAME --scope {scope.value}`."
    )


@dataclass(frozen=True)
class Lacking(Block):
    """What a shop lacks for a section, and where it is brought in.

    `remedy` is how somebody at a terminal does it; `brought` names the files for the page *Your
    data*.
    """

    template: ClassVar[str] = "lacking.html"
    text: str
    remedy: str
    brought: str
    is_shown_once: bool = False


def lacking(sentence: str, *, is_shown_once: bool = False) -> Lacking | None:
    """Return a sentence that ends in a setting as what is missing; None for any other sentence."""
    setting = _SETTING.search(sentence)
    brought = BROUGHT.get(setting[1]) if setting else None
    if setting is None or brought is None:
        return None
    remedy = sentence[setting.start() + 2 :]
    return Lacking(
        f"{sentence[: setting.start()]}.",
        f"{remedy[:1].upper()}{remedy[1:]}",
        brought,
        is_shown_once,
    )
