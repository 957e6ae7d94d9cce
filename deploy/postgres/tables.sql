-- Every table of the platform, made from the contracts by `make docs`. The platform runs these statements
-- by itself, and adds columns that contracts gain: run them by hand to look at the tables beforehand. Why
-- texts have a collation: docs/adr/0008-one-interface-for-four-engines.md.

CREATE SCHEMA IF NOT EXISTS "raw";

CREATE SCHEMA IF NOT EXISTS "staging";

CREATE SCHEMA IF NOT EXISTS "mart";

CREATE TABLE "raw"."events" (
  "event_id" text COLLATE "C",
  "user_id" text COLLATE "C",
  "event_type" text COLLATE "C",
  "event_timestamp" text COLLATE "C",
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "session_id" text COLLATE "C",
  "page_url" text COLLATE "C",
  "referrer_url" text COLLATE "C",
  "cart_value" text COLLATE "C",
  "anonymous_id" text COLLATE "C",
  "user_agent" text COLLATE "C",
  "properties" text COLLATE "C",
  "event_at" TIMESTAMP(6),
  "event_date" DATE,
  "cart_amount" DECIMAL(18, 2),
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."events" ("received_date");

CREATE TABLE "staging"."duplicate_events" (
  "event_date" DATE NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "surplus_count" BIGINT NOT NULL,
  "has_kept_copy" BOOLEAN NOT NULL,
  "first_received_date" DATE NOT NULL,
  "last_received_date" DATE NOT NULL,
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "staging"."quarantined_events" (
  "event_id" text COLLATE "C",
  "user_id" text COLLATE "C",
  "event_type" text COLLATE "C",
  "event_timestamp" text COLLATE "C",
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "session_id" text COLLATE "C",
  "page_url" text COLLATE "C",
  "referrer_url" text COLLATE "C",
  "cart_value" text COLLATE "C",
  "anonymous_id" text COLLATE "C",
  "user_agent" text COLLATE "C",
  "properties" text COLLATE "C",
  "event_at" TIMESTAMP(6),
  "event_date" DATE,
  "cart_amount" DECIMAL(18, 2),
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "accounted_date" DATE NOT NULL,
  "reject_reason" text COLLATE "C" NOT NULL
);

CREATE INDEX ON "staging"."quarantined_events" ("accounted_date");

CREATE TABLE "staging"."events" (
  "event_id" text COLLATE "C" NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "user_id" text COLLATE "C",
  "source_session_id" text COLLATE "C",
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "page_url" text COLLATE "C",
  "referrer_url" text COLLATE "C",
  "cart_amount" DECIMAL(18, 2),
  "user_agent" text COLLATE "C",
  "properties" text COLLATE "C",
  "is_bot" BOOLEAN NOT NULL,
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "mart"."session_events" (
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "piece_started_at" TIMESTAMP(6) NOT NULL,
  "event_number" BIGINT NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "page_url" text COLLATE "C",
  "cart_amount" DECIMAL(18, 2),
  "until_next_s" DOUBLE PRECISION,
  "is_bot" BOOLEAN NOT NULL,
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "mart"."session_days" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "started_at" TIMESTAMP(6) NOT NULL,
  "ended_at" TIMESTAMP(6) NOT NULL,
  "event_count" BIGINT NOT NULL,
  "view_count" BIGINT NOT NULL,
  "page_view_count" BIGINT NOT NULL,
  "product_view_count" BIGINT NOT NULL,
  "category_view_count" BIGINT NOT NULL,
  "search_count" BIGINT NOT NULL,
  "add_to_cart_count" BIGINT NOT NULL,
  "remove_from_cart_count" BIGINT NOT NULL,
  "checkout_start_count" BIGINT NOT NULL,
  "purchase_count" BIGINT NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "key_event_count" BIGINT NOT NULL,
  "purchase_amount" DECIMAL(18, 2) NOT NULL,
  "entry_page_url" text COLLATE "C",
  "exit_page_url" text COLLATE "C",
  "first_product_category" text COLLATE "C",
  "is_bot" BOOLEAN NOT NULL,
  "event_date" DATE NOT NULL,
  "is_near_previous_midnight" BOOLEAN NOT NULL,
  "is_near_next_midnight" BOOLEAN NOT NULL,
  PRIMARY KEY ("visitor_id", "started_at")
);

CREATE INDEX ON "mart"."session_days" ("event_date");

CREATE TABLE "mart"."sessions" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "started_at" TIMESTAMP(6) NOT NULL,
  "ended_at" TIMESTAMP(6) NOT NULL,
  "event_count" BIGINT NOT NULL,
  "view_count" BIGINT NOT NULL,
  "page_view_count" BIGINT NOT NULL,
  "product_view_count" BIGINT NOT NULL,
  "category_view_count" BIGINT NOT NULL,
  "search_count" BIGINT NOT NULL,
  "add_to_cart_count" BIGINT NOT NULL,
  "remove_from_cart_count" BIGINT NOT NULL,
  "checkout_start_count" BIGINT NOT NULL,
  "purchase_count" BIGINT NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "key_event_count" BIGINT NOT NULL,
  "purchase_amount" DECIMAL(18, 2) NOT NULL,
  "entry_page_url" text COLLATE "C",
  "exit_page_url" text COLLATE "C",
  "first_product_category" text COLLATE "C",
  "is_bot" BOOLEAN NOT NULL,
  "session_id" text COLLATE "C" NOT NULL,
  "started_date" DATE NOT NULL,
  "ended_date" DATE NOT NULL,
  "duration_s" DOUBLE PRECISION NOT NULL,
  "is_engaged" BOOLEAN NOT NULL,
  "is_single_page" BOOLEAN NOT NULL,
  PRIMARY KEY ("session_id")
);

CREATE INDEX ON "mart"."sessions" ("started_date");

CREATE TABLE "mart"."conversion_funnel" (
  "cohort_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "product_category" text COLLATE "C" NOT NULL,
  "step" BIGINT NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "unit_count" BIGINT NOT NULL,
  "conversion_from_start_rate" DOUBLE PRECISION,
  "conversion_from_previous_rate" DOUBLE PRECISION,
  PRIMARY KEY ("cohort_date", "unit", "product_category", "step")
);

CREATE TABLE "mart"."engagement_daily" (
  "event_date" DATE NOT NULL,
  "session_count" BIGINT NOT NULL,
  "engaged_session_count" BIGINT NOT NULL,
  "single_page_session_count" BIGINT NOT NULL,
  "bot_session_count" BIGINT NOT NULL,
  "engagement_rate" DOUBLE PRECISION,
  "bounce_rate" DOUBLE PRECISION,
  "single_page_rate" DOUBLE PRECISION,
  "pages_per_session" DOUBLE PRECISION,
  "mean_duration_s" DOUBLE PRECISION,
  "median_duration_s" DOUBLE PRECISION,
  "daily_visitor_count" BIGINT NOT NULL,
  "weekly_visitor_count" BIGINT NOT NULL,
  "monthly_visitor_count" BIGINT NOT NULL,
  "stickiness_rate" DOUBLE PRECISION,
  PRIMARY KEY ("event_date")
);
