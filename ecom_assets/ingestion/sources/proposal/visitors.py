"""Which column of a file of events says who a visitor is, where no name in our lists says it: each
session is of one of its values, and some values have several sessions.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.fields import (
    ID_WORDS,
    PERSON_WORDS,
    Found,
    free_values,
    has_decimals,
    is_list,
)
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

SHARE: Final = 0.98
"""The share of the sessions with a value that have one alone."""
FEWEST: Final = 3
"""Further sessions of visitors by which a column that is named so is taken without a question."""
VISITOR_WORDS: Final = (
    *PERSON_WORDS,
    *("visitor", "guest", "device", "account", "kunden", "besucher", "gast", "gerate", "konto"),
    *("mitglied", "mitglieds", "benutzer", "nutzer", "visiteur", "compte", "membre", "appareil"),
    *("visitante", "cuenta", "socio", "dispositivo", "usuario", "utilisateur", "account", "utente"),
    *("bezoeker", "lid", "gebruiker", "klient", "osoba", "konta", "urzadzenie"),
)
"""What a visitor is called, in several languages, without accents."""
_NAMES: Final = frozenset(map("".join, product(VISITOR_WORDS, ("", *ID_WORDS))))


def visitor_columns(values: FileValues, found: Found, empty: Value | None = None) -> list[Value]:
    """Return the values that can say who the visitor is, those that are named so first, then those
    with the most different ones.

    Args:
        values: The values of the file.
        found: Its fields; none can without sessions.
        empty: A value beside which some rows must have one, where it is empty itself.
    """
    if "session_id" not in found:
        return []
    session = found["session_id"].value
    sessions = values.different(session)
    tried = [
        value
        for value in free_values(values, found)
        if value.column != session.column
        and _can_be_people(values, value, sessions)
        and (empty is None or _stands_beside(values, value, empty))
    ]
    fitting = [value for value in tried if further_sessions(values, session, value)]
    return sorted(fitting, key=lambda column: (not is_named_so(column), -values.different(column)))


def is_named_so(value: Value) -> bool:
    """Return whether a visitor, or the id of one, is called so."""
    return bare(value.last_name) in _NAMES


def further_sessions(values: FileValues, session: Value, value: Value) -> int:
    """Return how many sessions there are beyond one of each visitor; 0 if sessions have several."""
    same = f"min({value.column}) = max({value.column}) AS is_one"
    by_session = select([same], TABLE, f"{session.column} IS NOT NULL", session.column)
    counts = "count(*) FILTER (is_one), count(is_one)"
    ((of_one, known),) = values.rows(select(counts, f"({by_session})"))
    return max(int(known) - values.different(value), 0) if of_one >= SHARE * known > 0 else 0


def _can_be_people(values: FileValues, value: Value, sessions: int) -> bool:
    """Return whether values are ids of some of many, rather than kinds of browsers: more than the
    root of the number of sessions; no times and no amounts.
    """
    different = values.different(value)
    if not 1 < different < sessions < different**2 or is_list(values, value) or value.joined:
        return False
    return not (values.time_formats(value) or has_decimals(values, value))


def _stands_beside(values: FileValues, value: Value, empty: Value) -> bool:
    filled: Sequence[tuple[int, int]] = values.rows(
        select(f"count(*), count({value.column})", TABLE, f"{empty.column} IS NULL")
    )
    ((rows, with_value),) = filled
    return with_value * 2 > rows
