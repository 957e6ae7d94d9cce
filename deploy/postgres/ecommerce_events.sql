-- A table in which a shop can keep its events, in the layout that the mapping `ecommerce` reads: export it to files
-- (COPY ecommerce_events TO '/path/events.csv' (FORMAT csv, HEADER)) and name them to ECOM_EVENTS. Only Snowflake's
-- table of that name is read directly.
CREATE TABLE IF NOT EXISTS ecommerce_events (
  event_id text NOT NULL,
  user_id text,
  event_type text NOT NULL,
  event_timestamp timestamptz NOT NULL,
  product_id text,
  product_category text,
  session_id text,
  page_url text,
  referrer_url text,
  cart_value numeric(18, 2),
  anonymous_id text,
  user_agent text,
  properties jsonb,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS ecommerce_events_received_at ON ecommerce_events (received_at);
