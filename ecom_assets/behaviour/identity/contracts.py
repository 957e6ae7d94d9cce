"""Contracts of identity: what links users and devices, whom it joins,
and the visitors of each day.
"""

from ecom_assets.behaviour.events.contracts import JOINED_BY
from ecom_assets.core.tables.contract import Table, count, day, flag, instant, text

ID_KINDS = ("user", "device", "source_session")
ERASED = "erased"
PUBLIC_KEY = "public_key"
SHARED_REASONS = (
    "placeholder",
    "device_users",
    "session_users",
    "user_devices",
    "group_users",
    ERASED,
    PUBLIC_KEY,
)
"""Why an id joins nobody."""


class IdentityLinks(Table):
    """One row per day, device and run of consecutive events on it by one user,
    or by nobody who is known.

    A run ends where another user signs in or is no longer known, where the device is silent for 30
    minutes, and between events that a public key sent and others.
    """

    layer = "staging"
    key = ("event_date", "device_id", "run_number")
    day_column = "event_date"

    event_date = day("The day of the events")
    device_id = text("The device, or the source session of events without a device", pii=True)
    run_number = count("Place among the runs of the device on this day, from 1", unit="place")
    is_device = flag("Whether it is a device; else it is a source session")
    user_id = text(
        "The user of all these events; null if none of them has one", nullable=True, pii=True
    )
    first_seen_at = instant("The first of these events")
    first_event_id = text("The id of that event")
    last_seen_at = instant("The last of these events")
    last_event_id = text("The id of that event")
    event_count = count("Events of the run")
    identified_at = instant(
        "The first of these events that is of type `identify`; null without one", nullable=True
    )
    is_public = flag(
        "Whether a public key sent these events; null in rows of earlier releases", nullable=True
    )


class IdentityAliases(Table):
    """One row per event of type `alias`: two user ids of one person."""

    layer = "staging"
    key = ("event_date", "event_id")
    day_column = "event_date"

    event_date = day("The day of the event")
    event_id = text("The event that says so")
    event_at = instant("When it happened")
    user_id = text("The id from now on", pii=True)
    previous_id = text("The id until now", pii=True)


class SharedIds(Table):
    """One row per id that joins nobody, since too many share it or since it is a placeholder.

    With the reason `public_key` only the events of public keys join nobody to it: it is a source
    session of others.
    """

    layer = "mart"
    key = ("id_kind", "id_value", "reason")

    id_kind = text("What it is an id of", one_of=ID_KINDS)
    id_value = text("The id", pii=True)
    reason = text(
        "Why it joins nobody: a bound, an erased person who used it, or public keys that sent it "
        "too",
        one_of=SHARED_REASONS,
    )
    reached_count = count("Users or devices that share it", unit="ids")


class MergedUsers(Table):
    """One row per user whom aliases join with others, with the visitor that all of them are."""

    layer = "mart"
    key = ("user_id",)

    user_id = text("A user", pii=True)
    visitor_user_id = text(
        "The user whose name the visitor has: the latest id of the person", pii=True
    )
    user_count = count("Users that are this visitor", unit="users")


class ChangedVisitorDays(Table):
    """One row per day of events, day on which these events changed whose an event is,
    and visitor concerned.
    """

    layer = "staging"
    key = ("event_date", "changed_date", "visitor_id")
    day_column = "event_date"

    event_date = day("The day whose sign-ins or aliases came, changed or went")
    changed_date = day(
        "A day on which an event has another visitor since, or is joined to it otherwise"
    )
    visitor_id = text("Whose the event is, or was before", pii=True)
    changed_count = count(
        "Events of that day that are this visitor's since, and were another's before"
    )
    is_regrouped = flag(
        "Whether, on that day or beside it, events of one visitor are of several since, or of "
        "several of one; if not, visitors have another id, and no number of the day changes"
    )


class Identities(Table):
    """One row per day, visitor and id that its events have,
    with how the events were joined to the visitor.
    """

    layer = "mart"
    key = ("event_date", "visitor_id", "id_kind", "id_value", "joined_by")
    day_column = "event_date"

    event_date = day("The day of the events")
    visitor_id = text("Who", pii=True)
    id_kind = text("What the id is of", one_of=ID_KINDS)
    id_value = text("The id that the events have", pii=True)
    joined_by = text("Why the events belong to the visitor", one_of=JOINED_BY)
    event_count = count("Events of the visitor with this id")
    first_seen_at = instant("The first of these events")
    last_seen_at = instant("The last of these events")
    first_event_id = text("The least id of these events")
