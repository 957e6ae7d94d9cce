"""What a caller sees of uploads: by the columns of the contracts of their rows, what is personal
data for those with the scope `personal`, and what the shop pays for those with `costs`.

Who sends a file sees all of it until it is loaded: from then on it is the shop's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.uploads.look import KEPT_MARK, UploadLook
from ecom_assets.ingestion.uploads.store import Upload

RECORD: Final = "payload"
"""The column of a record as it came: where it is hidden, so is each of its fields."""
ALWAYS: Final = frozenset({"reject_reason"})
"""What is seen of a row in any case: it quotes no value."""
NOT_SAID: Final = "Why can be seen by an admin, or with a key that may see personal data and costs."
"""What stands for a sentence that may quote values of rows."""


@dataclass(frozen=True)
class Sight:
    """What a caller sees of the rows of some kinds.

    Attributes:
        seen: The columns that the caller sees; of other names it is not known what they hold.
        hidden: The columns that are hidden.
    """

    seen: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is hidden, so that sentences may quote any value."""
        return not self.hidden

    def shows(self, *columns: str) -> bool:
        """Return whether the caller sees some columns."""
        is_known = RECORD not in self.hidden and self.seen.issuperset(columns)
        return self.is_whole or is_known or ALWAYS.issuperset(columns)

    def row(self, row: NamedValues) -> dict[str, Any]:
        """Return a row with what is hidden replaced; null stays null."""
        return {
            name: value if value is None or self.shows(name) else HIDDEN
            for name, value in row.items()
        }


WHOLE: Final = Sight()


def sight_of(upload: Upload, caller: Caller, kind: str = "") -> Sight:
    """Return what a caller sees of the rows of an upload.

    Args:
        upload: The upload.
        caller: Who looks.
        kind: What its rows are read as, if that is another kind than it is noted to be.
    """
    is_own = upload.is_of(caller) and not upload.was_loaded
    if is_own or caller.may(Scope.ADMIN):
        return WHOLE
    kinds = {kind, upload.kind, *(landed.kind for landed in upload.landed)} & feeds().keys()
    return _sight(kinds or feeds(), caller)


def _sight(kinds: Iterable[str], caller: Caller) -> Sight:
    seen, hidden = set[str](), set[str]()
    for kind in kinds:
        for name, column in feeds()[kind].raw.columns.items():
            is_hidden = (column.pii and not caller.may(Scope.PERSONAL)) or (
                column.is_cost and not caller.may(Scope.COSTS)
            )
            (hidden if is_hidden else seen).add(name)
    return Sight(frozenset(seen - hidden), frozenset(hidden))


def sees_numbers(upload: Upload, caller: Caller) -> bool:
    """Return whether a caller sees how much an upload has: without the scope `costs`, not of what
    ads or products cost.
    """
    sight = sight_of(upload, caller)
    kinds = upload.kinds_with_rows or (upload.kind,)
    columns = [feeds()[kind].amount_column for kind in kinds if kind in feeds()]
    return all(sight.shows(column) for column in columns if column)


def seen_look(look: UploadLook, caller: Caller) -> UploadLook:
    """Return what a caller sees of a look: rows and money by their columns, and what may quote any
    value only where nothing is hidden.

    A mapping that is kept has the words of the files that it was made for.
    """
    sight = sight_of(look.upload, caller, look.kind)
    if sight.is_whole:
        is_of_others = look.mapping.startswith(KEPT_MARK) and look.kind in feeds()
        shows_text = not is_of_others or _sight([look.kind], caller).is_whole
        return look if shows_text else replace(look, text="")
    feed = feeds().get(look.kind)
    shows_amount = feed is not None and sight.shows(feed.amount_column)
    return UploadLook(
        look.upload,
        kind=look.kind,
        kinds=look.kinds,
        lines=look.lines,
        rows=look.rows,
        money=look.money if shows_amount else {},
        spent=look.spent if shows_amount else (),
        not_clean=tuple(replace(why, example=sight.row(why.example)) for why in look.not_clean),
        event_types=look.event_types if sight.shows("event_type") else (),
        preview=tuple(sight.row(row) for row in look.preview),
        is_part=look.is_part,
        refusal=NOT_SAID if look.refusal else "",
    )


def seen_problem(sentence: str, caller: Caller) -> str:
    """Return what a run said that was about the rows of all kinds, for a caller."""
    return sentence if not sentence or _sight(feeds(), caller).is_whole else NOT_SAID


def seen_sentence(upload: Upload, caller: Caller) -> str:
    """Return what the list says of an upload, for a caller: it may quote values of rows."""
    if not upload.sentence or sight_of(upload, caller).is_whole:
        return upload.sentence
    return NOT_SAID
