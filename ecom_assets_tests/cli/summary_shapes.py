"""What `ecom run --json` prints, by name and type."""

from ecom_assets.behaviour.visitor_segments.assets import SEGMENT_ASSETS
from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.customers.contracts import CUSTOMER_TIERS, QUALITY_BANDS
from ecom_assets.commerce.orders.assets import REPORT_ASSETS
from ecom_assets.commerce.products.contracts import ALERTS
from ecom_assets.orchestration.registry import ALL
from ecom_assets.outputs.delivery.tools.all import NAMES

SESSIONS = {
    "events": int,
    "visitors": int,
    "sessions": int,
    "engaged_sessions": int,
    "bounce_rate": float,
    "pages_per_session": float,
    "median_duration_s": float,
}
STEP = {
    "step": int,
    "event_type": str,
    "count": int,
    "conversion_from_start": float,
    "conversion_from_previous": float,
    "median_s_from_previous": type(None),
}
UNDECLARED = [asset.contract.qualified_name() for asset in (*SEGMENT_ASSETS, *REPORT_ASSETS)]
"""Tables that are empty where ECOM_VISITOR_SEGMENTS declares no segment, and no order report was
loaded whole.
"""
TABLES = [table.qualified_name() for table in ALL if table.qualified_name() not in UNDECLARED]
UNCUT = {table.qualified_name() for table in ALL if table.day_column is None}
"""Tables that are not cut by day."""
OF_SEGMENT = {
    "segment": str,
    "customers": int,
    "share": float,
    "orders": int,
    "revenue_amount": str,
}
VALUE = {
    "as_of_date": str,
    "horizon_days": int,
    "value_months": int,
    "no_model_reason": str,
    "no_order_value_reason": str,
    "expected_alive": type(None),
    "expected_orders": type(None),
    "lifetime_value_amount": type(None),
}
SALES = {
    "source": str,
    "changed_days": {"from": str, "to": str, "count": int},
    "orders": int,
    "customers": int,
    "items_sold": int,
    "shipped_amount": str,
    "refunded_amount": str,
    "revenue_amount": str,
    "average_order_value": str,
    "quarantined": {},
    "duplicates": int,
    "held_days": [],
    "held_order_days": [],
    "waiting_lines": [],
}
PROFIT = {
    "cost_amount": str,
    "gross_profit_amount": str,
    "gross_margin_rate": float,
    "cost_coverage_rate": float,
    "contribution_before_ads_amount": str,
    "contribution_coverage_rate": float,
    "estimated_cost_amount": type(None),
    "estimated_shipping_cost_amount": type(None),
    "estimated_payment_fee_amount": type(None),
    "estimated_commission_amount": type(None),
}
ADVERTISING = {
    "spend_amount": str,
    "credited_revenue_amount": str,
    "roas": float,
    "platform_conversion_amount": str,
    "platform_roas": float,
    "model": str,
    "visit_coverage_rate": float,
    "new_customer_count": int,
    "cost_per_new_customer": str,
}
RECONCILIATION = {
    "order_count": int,
    "event_count": int,
    "matched_count": int,
    "order_amount": str,
    "event_amount": str,
    "difference_amount": str,
}
COHORTS = {"period": int, "size": int, "returned": int, "rate": float, "lifetime_value": float}
CARTS = {
    "unit": str,
    "horizon_s": int,
    "carts": int,
    "abandoned": int,
    "recovered": type(None),  # of sessions
    "rate": float,
    "abandoned_amount": str,
}
PATH = {
    "path": [str],
    "is_cut": bool,
    "sessions": int,
    "share": float,
    "converted_sessions": int,
    "conversion_rate": float,
}
TERM = {"search_term": str, "searches": int, "clicked": int}
CREDIT = {"channel": str, "credit": float, "revenue_amount": str}
OF_WEEK = {"customers": int, "orders": int, "amount": str}
DELIVERY = {
    "due": int,
    "sent": int,
    "delivered": int,
    "rejected": int,
    "retried": int,
    "pending": int,
    "changed_after_delivery": int,
    "bytes": int,
    "seconds": float,
    "records_per_s": int,
}
SENT = [*(f"export.{name}" for name in NAMES), "export.customers_json", "serving.marts"]
"""What leaves the warehouse."""
WARNED = {
    **dict.fromkeys(("table", "name", "description", "sentence", "days"), str),
    **dict.fromkeys(("observed", "limit", "looked_at"), int),
    "examples": [{"id_kind": str, "id_value": str, "reason": str, "reached_count": int}],
}
"""A check that warns."""
SUMMARY = {
    "run_id": str,
    "success": bool,
    "failures": [],
    "days": {"from": str, "to": str},
    "provisional_from": type(None),
    "missing_days": {},
    "unknown": {},
    "activity_types": [],
    "sessions": SESSIONS,
    "funnel": {"session": [STEP], "visitor": [STEP]},
    "funnels": {"default": {"session": [STEP], "visitor": [STEP]}},
    "cohorts": {"day": [COHORTS], "week": [], "month": []},
    "carts": [CARTS],
    "sales": SALES,
    "profit": PROFIT,
    "advertising": ADVERTISING,
    "retention": {
        "week_start_date": str,
        **dict.fromkeys(("new", "returning", "refunded"), OF_WEEK),
        "unknown": {"orders": int, "amount": str},
        **dict.fromkeys(("lines", "lines_without_category"), int),
    },
    "channels": {
        "unit": str,
        "visit_coverage_rate": float,
        "models": {model: [CREDIT] for model in sorted(MODELS)},
    },
    "customers": {
        "count": int,
        "as_of": str,
        "tiers": dict.fromkeys(CUSTOMER_TIERS, int),
        "segments": dict.fromkeys(("US-West", "US-East", "EU-Central", "APAC", "other"), int),
        "quality_bands": dict.fromkeys(QUALITY_BANDS, int),
        "engagement_sources": dict.fromkeys(("sessions", "api", "none"), int),
        "unfilled": {},
        "mean_data_quality_score": float,
        "flawed_fields": dict.fromkeys(
            ("email", "first_name", "last_name", "created_at", "last_login_at"), int
        ),
        "received": int,
        "quarantined": {
            "id: it is missing": int,
            "id: it is not a text or a whole number from 0": int,
        },
        "duplicates": int,
    },
    "segments": {"customers": int, "segments": [OF_SEGMENT], "value": VALUE},
    "journeys": {"sessions": int, "converted_sessions": int, "top_paths": [PATH]},
    "search": {"searches": int, "click_rate": float, "top_terms": [TERM]},
    "inventory": {
        "as_of": str,
        "products": int,
        "alerts": dict.fromkeys(ALERTS, int),
        "unreadable_lines": int,
    },
    "duplicates": int,
    "id_conflicts": {"ids": int, "events": int, "examples": []},
    "reconciliation": RECONCILIATION,
    "restatements": {"changed": int, "causes": {}, "largest": type(None)},
    "checks": {"passed": int, "failed": [], "warned": [WARNED], "not_evaluated": []},
    "tables": dict.fromkeys([*TABLES, *UNDECLARED], int),
    "written": [str],
    "published": type(None),
    "deliveries": dict.fromkeys(NAMES, DELIVERY),
    "customers_json": {"path": str, "customers": int, "bytes": int},
    "warehouse": str,
    "memory": str,
    "dagster_home": str,
    "missing": {},
}
