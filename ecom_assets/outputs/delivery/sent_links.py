"""What tools were sent of who is who, and does not hold any more:
what joins people in a tool cannot be taken back.
"""

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import NO, union_all, union_distinct
from ecom_assets.outputs.delivery.ledger.sent_ids import ODD
from ecom_assets.outputs.delivery.payloads import SIGN_IN
from ecom_assets.outputs.delivery.tools.all import TOOLS

Joining = Mapping[str, str]
"""The destinations by which tools join devices to users,
with how the ids of the records begin that do so.
"""


def joining_destinations(settings: Settings) -> Joining:
    """Return the destinations whose tools join devices to users."""
    tools = {name: (tool.events, tool.tool_settings(settings)) for name, tool in TOOLS.items()}
    return {
        f"{name}_events": SIGN_IN if events.takes_sign_ins(own) else ""
        for name, (events, own) in tools.items()
        if events.joins_devices
    }


def sent_aliases(aliases: ir.Table, sent: ir.Table, joining: Joining) -> ir.Table:
    """Return `destination` and `record_id` of aliases that tools which join
    people got as ordinary events.

    Args:
        aliases: All rows of `IdentityAliases`.
        sent: All rows of `Deliveries`.
        joining: The destinations.
    """
    named = aliases.select(record_id=_record_id(aliases.event_id, aliases.event_at))
    delivered = _delivered(sent).filter(sent.destination.isin(list(joining)))
    return delivered.semi_join(named, "record_id").select("destination", "record_id").distinct()


def sent_shared_ids(
    pairs: ir.Table, events: ir.Table, sent: ir.Table, rule: IdentityRule, joining: Joining
) -> ir.Table:
    """Return `destination` and `id_value` of ids that join nobody now,
    and that tools joined to others before.

    A record counts if it was about to be sent before the day on which the last id arrived that the
    bound takes, so it is never one that went without the device. Those of that very day are left
    out.

    Args:
        pairs: The result of `pairs_of_shared_ids`.
        events: All rows of `CleanEvents`.
        sent: All rows of `Deliveries`.
        rule: The identity rule.
        joining: The destinations.
    """
    arrived = events.select("event_date", "received_date", "event_at", first_event_id="event_id")
    pairs = pairs.join(arrived, ["event_date", "first_event_id"])
    firsts = pairs.group_by("id_value", "reason", "other_id").agg(
        first_date=pairs.received_date.min()
    )
    order = ibis.window(group_by=["id_value", "reason"], order_by=["first_date", "other_id"])
    firsts = firsts.mutate(place=ibis.row_number().over(order) + 1)
    bound = (firsts.reason == "device_users").ifelse(rule.device_users, rule.user_devices)
    reached = firsts.filter(firsts.place == bound).select(
        "id_value", "reason", reached_date="first_date"
    )
    pairs = pairs.join(reached, ["id_value", "reason"])
    pairs = pairs.select(
        "id_value",
        of_event=_record_id(pairs.first_event_id, pairs.event_at),
        reached_at=pairs.reached_date.cast("timestamp(6)"),
    )
    delivered = _delivered(sent)

    def joined(destination: str, start: str) -> ir.Table:
        destination_records = delivered.filter(delivered.destination == destination)
        is_sent_before = [
            destination_records.record_id == ibis.literal(start).concat(pairs.of_event),
            destination_records.intended_at < pairs.reached_at,
        ]
        return destination_records.join(pairs, is_sent_before).select("destination", "id_value")

    return union_distinct(*(joined(destination, start) for destination, start in joining.items()))


def pairs_of_shared_ids(shared: ir.Table, links: ir.Table) -> ir.Table:
    """Return the links between users and devices that too many share, and others.

    Args:
        shared: All rows of `SharedIds`.
        links: All rows of `IdentityLinks`.

    Returns:
        `id_value`, `reason`, `other_id`, and the `event_date` and `first_event_id` of the link.
    """
    seen = links.filter(links.is_device, links.user_id.notnull())

    def links_with_reason(reason: str, own: str, other: str) -> ir.Table:
        ids = shared.filter(shared.reason == reason).select("id_value", "reason")
        pairs = seen.join(ids, seen[own] == ids.id_value)
        return pairs.select(
            "id_value", "reason", "event_date", "first_event_id", other_id=pairs[other]
        )

    return union_all(
        links_with_reason("device_users", "device_id", "user_id"),
        links_with_reason("user_devices", "user_id", "device_id"),
    )


def sent_ids_of(events: ir.Table, sent: ir.Table) -> ir.Table:
    """Return `account`, `id` and `first_sent_at` of people's ids that tools have and a
    rule may spell otherwise.

    Args:
        events: All rows of `CleanEvents`, with the ids that they had when they were delivered.
        sent: All rows of `Deliveries`.
    """
    delivered = _delivered(sent)
    of_users = delivered.filter(
        delivered.destination.endswith("_users"), delivered.record_id.re_search(ODD)
    )
    parts = [of_users.select("account", id="record_id", sent_at="intended_at")]
    for name in ("user_id", "visitor_id"):
        odd = events.filter(events[name].re_search(ODD).fill_null(NO))
        odd = odd.select(id=odd[name], record_id=_record_id(odd.event_id, odd.event_at))
        parts.append(
            delivered.join(odd, "record_id").select("account", "id", sent_at=delivered.intended_at)
        )
    ids = union_all(*parts)
    return ids.group_by("account", "id").agg(first_sent_at=ids.sent_at.min())


def sent_events_that_are_gone(events: ir.Table, sent: ir.Table) -> ir.Table:
    """Return `destination` and `record_id` of events that tools have and that
    are no longer clean events.

    Args:
        events: Rows of `CleanEvents` of the days of the deliveries, and of those before and after.
        sent: Rows of `Deliveries`.
    """
    delivered = _delivered(sent)
    # Those of erased people have another id; a record that says who signed in is not counted
    # besides its event.
    delivered = delivered.filter(
        delivered.destination.endswith("_events"), delivered.record_id.contains("@")
    )
    delivered = delivered.filter(~delivered.record_id.startswith(SIGN_IN))
    record_ids = events.select(record_id=_record_id(events.event_id, events.event_at))
    return (
        delivered.anti_join(record_ids, "record_id").select("destination", "record_id").distinct()
    )


def _delivered(sent: ir.Table) -> ir.Table:
    """Return the records that a tool has, or may have."""
    return sent.filter(sent.outcome.isin(("delivered", "unconfirmed", "in_doubt")))


def _record_id(event_id: ir.StringValue, event_at: ir.TimestampValue) -> ir.StringValue:
    result: ir.StringValue = event_id.concat("@").concat(event_at.date().cast("string"))
    return result
