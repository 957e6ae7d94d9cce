"""What rows of the mart a destination takes, and how they become payloads. Not here: any one tool's payloads."""

EVENT_COLUMNS = (
    "event_id",
    "event_at",
    "event_type",
    "visitor_id",
    "user_id",
    "source_session_id",
    "product_id",
    "product_category",
    "page_url",
    "referrer_url",
    "cart_amount",
    "user_agent",
    "properties",
)
"""What the payloads of events need: these columns of `staging.events`, of its rows that are no robots'."""

USER_COLUMNS = ("customer_id", "segment", "customer_tier", "lifetime_value_amount", "churn_risk_rate")
"""What the payloads of users need, a row per customer.

segment: of `mart.customer_segments`; customer_tier: of the current row of `staging.customers`; lifetime_value_amount:
of `mart.lifetime_value`; churn_risk_rate: 1 less its alive_probability. All but the first may be null: not known.
"""
