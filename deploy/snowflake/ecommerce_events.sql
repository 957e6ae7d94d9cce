-- The table that events come from, with ECOM_EVENTS=snowflake://USER@ACCOUNT/DATABASE/SCHEMA/ECOMMERCE_EVENTS.
-- Run it in the schema of your choice. A table of your own serves as well, or a view on it, if it has these columns. Those
-- from ANONYMOUS_ID on may be missing. Texts, numbers and any kind of timestamp are understood.
CREATE TABLE IF NOT EXISTS ECOMMERCE_EVENTS (
  EVENT_ID VARCHAR NOT NULL,
  USER_ID VARCHAR,
  EVENT_TYPE VARCHAR NOT NULL,
  EVENT_TIMESTAMP TIMESTAMP_NTZ(6) NOT NULL COMMENT 'When it happened, UTC',
  PRODUCT_ID VARCHAR,
  PRODUCT_CATEGORY VARCHAR,
  SESSION_ID VARCHAR,
  PAGE_URL VARCHAR,
  REFERRER_URL VARCHAR,
  CART_VALUE NUMBER(18, 2),
  ANONYMOUS_ID VARCHAR,
  USER_AGENT VARCHAR,
  PROPERTIES VARIANT,
  CAMPAIGN_SOURCE VARCHAR COMMENT 'Of the visit, where the address does not say it',
  CAMPAIGN_MEDIUM VARCHAR,
  CAMPAIGN_NAME VARCHAR,
  CAMPAIGN_ID VARCHAR,
  CLICK_ID VARCHAR COMMENT 'Such as gclid=Cj0KCQ',
  CAMPAIGN_SCOPE VARCHAR COMMENT 'event (or null), session, inherited or user',
  RECEIVED_AT TIMESTAMP_NTZ(6) DEFAULT SYSDATE() NOT NULL COMMENT 'When the row was put here, UTC, by which days are fetched'
)
CLUSTER BY (CAST(RECEIVED_AT AS DATE));
