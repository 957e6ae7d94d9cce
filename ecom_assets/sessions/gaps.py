"""What ends a session, as expressions over events: a gap, and a new campaign. METRICS "Session"."""

import ibis
import ibis.expr.types as ir

from ecom_assets.sessions.rule import SessionRule


def is_gap(earlier: ir.TimestampValue, later: ir.TimestampValue, rule: SessionRule) -> ir.BooleanValue:
    """Return whether the gap between two timestamps is longer than the idle timeout."""
    return later > earlier + ibis.interval(seconds=rule.idle_timeout_s)


def campaign_of(page_url: ir.StringValue) -> ir.StringValue:
    """Return source, medium and campaign from the UTM parameters of a page; null if it has none."""
    parts = [
        page_url.re_extract(rf"[?&]utm_{name}=([^&#]*)", 1).fill_null("") for name in ("source", "medium", "campaign")
    ]
    joined = parts[0].concat("|").concat(parts[1]).concat("|").concat(parts[2])
    return joined.nullif("||")
