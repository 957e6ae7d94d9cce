-- Every table of the platform, made from the contracts by `make docs`. The platform runs these statements
-- by itself, and adds columns that contracts gain: run them by hand to look at the tables beforehand. Why
-- texts have a collation: docs/adr/0008-one-interface-for-four-engines.md.

CREATE SCHEMA IF NOT EXISTS "raw";

CREATE SCHEMA IF NOT EXISTS "staging";

CREATE SCHEMA IF NOT EXISTS "mart";

CREATE SCHEMA IF NOT EXISTS "export";

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
  "sent_by" text COLLATE "C",
  "event_at" TIMESTAMP(6),
  "event_date" DATE,
  "cart_amount" DECIMAL(18, 4),
  "unrated_currency" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "campaign_source" text COLLATE "C",
  "campaign_medium" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "click_id" text COLLATE "C",
  "campaign_scope" text COLLATE "C"
);

CREATE INDEX ON "raw"."events" ("received_date");

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
  "sent_by" text COLLATE "C",
  "event_at" TIMESTAMP(6),
  "event_date" DATE,
  "cart_amount" DECIMAL(18, 4),
  "unrated_currency" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "accounted_date" DATE NOT NULL,
  "reject_reason" text COLLATE "C" NOT NULL,
  "campaign_source" text COLLATE "C",
  "campaign_medium" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "click_id" text COLLATE "C",
  "campaign_scope" text COLLATE "C"
);

CREATE INDEX ON "staging"."quarantined_events" ("accounted_date");

CREATE TABLE "staging"."duplicate_events" (
  "event_date" DATE NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "source_event_id" text COLLATE "C",
  "content_hash" text COLLATE "C",
  "surplus_count" BIGINT NOT NULL,
  "has_kept_copy" BOOLEAN NOT NULL,
  "first_received_date" DATE NOT NULL,
  "last_received_date" DATE NOT NULL,
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "mart"."event_accounting_daily" (
  "accounted_date" DATE NOT NULL,
  "received_count" BIGINT NOT NULL,
  "clean_count" BIGINT NOT NULL,
  "quarantined_count" BIGINT NOT NULL,
  "surplus_count" BIGINT NOT NULL,
  PRIMARY KEY ("accounted_date")
);

CREATE TABLE "mart"."quarantined_event_samples" (
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
  "sent_by" text COLLATE "C",
  "event_at" TIMESTAMP(6),
  "event_date" DATE,
  "cart_amount" DECIMAL(18, 4),
  "unrated_currency" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "accounted_date" DATE NOT NULL,
  "reject_reason" text COLLATE "C" NOT NULL,
  "sample_number" BIGINT NOT NULL,
  "row_count" BIGINT NOT NULL,
  "campaign_source" text COLLATE "C",
  "campaign_medium" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "click_id" text COLLATE "C",
  "campaign_scope" text COLLATE "C",
  "refused_amount" DECIMAL(38, 4),
  "unread_amount_count" BIGINT,
  PRIMARY KEY ("accounted_date", "reject_reason", "sample_number")
);

CREATE TABLE "staging"."events" (
  "event_id" text COLLATE "C" NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "joined_by" text COLLATE "C",
  "session_device_id" text COLLATE "C" NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "user_id" text COLLATE "C",
  "device_id" text COLLATE "C",
  "source_session_id" text COLLATE "C",
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "page_url" text COLLATE "C",
  "referrer_url" text COLLATE "C",
  "cart_amount" DECIMAL(18, 4),
  "user_agent" text COLLATE "C",
  "properties" text COLLATE "C",
  "is_bot" BOOLEAN NOT NULL,
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "sent_by" text COLLATE "C",
  "campaign_source" text COLLATE "C",
  "campaign_medium" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "click_id" text COLLATE "C",
  "campaign_scope" text COLLATE "C",
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "staging"."identity_links" (
  "event_date" DATE NOT NULL,
  "device_id" text COLLATE "C" NOT NULL,
  "run_number" BIGINT NOT NULL,
  "is_device" BOOLEAN NOT NULL,
  "user_id" text COLLATE "C",
  "first_seen_at" TIMESTAMP(6) NOT NULL,
  "first_event_id" text COLLATE "C" NOT NULL,
  "last_seen_at" TIMESTAMP(6) NOT NULL,
  "last_event_id" text COLLATE "C" NOT NULL,
  "event_count" BIGINT NOT NULL,
  "identified_at" TIMESTAMP(6),
  "is_public" BOOLEAN,
  PRIMARY KEY ("event_date", "device_id", "run_number")
);

CREATE TABLE "staging"."identity_aliases" (
  "event_date" DATE NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "user_id" text COLLATE "C" NOT NULL,
  "previous_id" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "mart"."shared_ids" (
  "id_kind" text COLLATE "C" NOT NULL,
  "id_value" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C" NOT NULL,
  "reached_count" BIGINT NOT NULL,
  PRIMARY KEY ("id_kind", "id_value", "reason")
);

CREATE TABLE "mart"."merged_users" (
  "user_id" text COLLATE "C" NOT NULL,
  "visitor_user_id" text COLLATE "C" NOT NULL,
  "user_count" BIGINT NOT NULL,
  PRIMARY KEY ("user_id")
);

CREATE TABLE "staging"."changed_visitor_days" (
  "event_date" DATE NOT NULL,
  "changed_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "changed_count" BIGINT NOT NULL,
  "is_regrouped" BOOLEAN NOT NULL,
  PRIMARY KEY ("event_date", "changed_date", "visitor_id")
);

CREATE TABLE "mart"."identities" (
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "id_kind" text COLLATE "C" NOT NULL,
  "id_value" text COLLATE "C" NOT NULL,
  "joined_by" text COLLATE "C" NOT NULL,
  "event_count" BIGINT NOT NULL,
  "first_seen_at" TIMESTAMP(6) NOT NULL,
  "last_seen_at" TIMESTAMP(6) NOT NULL,
  "first_event_id" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("event_date", "visitor_id", "id_kind", "id_value", "joined_by")
);

CREATE TABLE "mart"."session_events" (
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "session_device_id" text COLLATE "C" NOT NULL,
  "fragment_started_at" TIMESTAMP(6) NOT NULL,
  "event_number" BIGINT NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "product_id" text COLLATE "C",
  "product_category" text COLLATE "C",
  "page_url" text COLLATE "C",
  "cart_amount" DECIMAL(18, 4),
  "search_term" text COLLATE "C",
  "search_result_count" BIGINT,
  "until_next_s" DOUBLE PRECISION,
  "is_bot" BOOLEAN NOT NULL,
  "campaign_source" text COLLATE "C",
  "campaign_medium" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "click_id" text COLLATE "C",
  "campaign_scope" text COLLATE "C",
  PRIMARY KEY ("event_date", "event_id")
);

CREATE TABLE "mart"."session_days" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "session_device_id" text COLLATE "C" NOT NULL,
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
  "purchase_amount" DECIMAL(38, 4) NOT NULL,
  "entry_page_url" text COLLATE "C",
  "exit_page_url" text COLLATE "C",
  "first_product_category" text COLLATE "C",
  "is_bot" BOOLEAN NOT NULL,
  "event_date" DATE NOT NULL,
  "is_near_previous_midnight" BOOLEAN NOT NULL,
  "is_near_next_midnight" BOOLEAN NOT NULL,
  PRIMARY KEY ("visitor_id", "session_device_id", "started_at")
);

CREATE INDEX ON "mart"."session_days" ("event_date");

CREATE TABLE "mart"."sessions" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "session_device_id" text COLLATE "C" NOT NULL,
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
  "purchase_amount" DECIMAL(38, 4) NOT NULL,
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
  "has_purchase" BOOLEAN NOT NULL,
  PRIMARY KEY ("session_id")
);

CREATE INDEX ON "mart"."sessions" ("started_date");

CREATE TABLE "mart"."engagement_daily" (
  "event_date" DATE NOT NULL,
  "session_count" BIGINT NOT NULL,
  "engaged_session_count" BIGINT,
  "single_page_session_count" BIGINT,
  "purchase_session_count" BIGINT,
  "bot_session_count" BIGINT NOT NULL,
  "engagement_rate" DOUBLE PRECISION,
  "bounce_rate" DOUBLE PRECISION,
  "single_page_rate" DOUBLE PRECISION,
  "session_conversion_rate" DOUBLE PRECISION,
  "pages_per_session" DOUBLE PRECISION,
  "mean_duration_s" DOUBLE PRECISION,
  "median_duration_s" DOUBLE PRECISION,
  "daily_visitor_count" BIGINT NOT NULL,
  "weekly_visitor_count" BIGINT NOT NULL,
  "monthly_visitor_count" BIGINT NOT NULL,
  "stickiness_rate" DOUBLE PRECISION,
  PRIMARY KEY ("event_date")
);

CREATE TABLE "mart"."visitor_segments" (
  "segment" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "entered_date" DATE NOT NULL,
  "left_date" DATE,
  "is_current" BOOLEAN NOT NULL,
  "as_of_date" DATE NOT NULL,
  PRIMARY KEY ("segment", "visitor_id", "entered_date")
);

CREATE TABLE "mart"."visitor_segments_daily" (
  "segment" text COLLATE "C" NOT NULL,
  "as_of_date" DATE NOT NULL,
  "visitor_count" BIGINT NOT NULL,
  "entered_count" BIGINT NOT NULL,
  "left_count" BIGINT NOT NULL,
  PRIMARY KEY ("segment", "as_of_date")
);

CREATE TABLE "mart"."returning_visitors_daily" (
  "event_date" DATE NOT NULL,
  "cohort_by" text COLLATE "C" NOT NULL,
  "first_date" DATE NOT NULL,
  "previous_date" DATE NOT NULL,
  "visitor_count" BIGINT NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  PRIMARY KEY ("event_date", "cohort_by", "first_date", "previous_date")
);

CREATE TABLE "mart"."retention_cohorts" (
  "cohort_by" text COLLATE "C" NOT NULL,
  "period" text COLLATE "C" NOT NULL,
  "cohort_date" DATE NOT NULL,
  "period_number" BIGINT NOT NULL,
  "visitor_count" BIGINT NOT NULL,
  "returned_on_count" BIGINT NOT NULL,
  "returned_on_or_after_count" BIGINT NOT NULL,
  "retention_on_rate" DOUBLE PRECISION NOT NULL,
  "retention_on_or_after_rate" DOUBLE PRECISION NOT NULL,
  "is_complete" BOOLEAN NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  "cumulative_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "lifetime_value" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("cohort_by", "period", "cohort_date", "period_number")
);

CREATE TABLE "mart"."journeys" (
  "session_id" text COLLATE "C" NOT NULL,
  "dimension" text COLLATE "C" NOT NULL,
  "started_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "started_at" TIMESTAMP(6) NOT NULL,
  "path" text COLLATE "C",
  "step_count" BIGINT NOT NULL,
  "is_cut" BOOLEAN NOT NULL,
  "is_converted" BOOLEAN NOT NULL,
  "is_bot" BOOLEAN NOT NULL,
  PRIMARY KEY ("session_id", "dimension")
);

CREATE INDEX ON "mart"."journeys" ("started_date");

CREATE TABLE "mart"."journey_transitions" (
  "started_date" DATE NOT NULL,
  "dimension" text COLLATE "C" NOT NULL,
  "place" BIGINT NOT NULL,
  "from_step" text COLLATE "C" NOT NULL,
  "to_step" text COLLATE "C" NOT NULL,
  "transition_count" BIGINT NOT NULL,
  "converted_transition_count" BIGINT NOT NULL,
  PRIMARY KEY ("started_date", "dimension", "place", "from_step", "to_step")
);

CREATE TABLE "mart"."search_performance" (
  "started_date" DATE NOT NULL,
  "search_term" text COLLATE "C" NOT NULL,
  "search_count" BIGINT NOT NULL,
  "session_count" BIGINT NOT NULL,
  "clicked_search_count" BIGINT NOT NULL,
  "unclicked_search_count" BIGINT NOT NULL,
  "empty_search_count" BIGINT,
  "cart_search_count" BIGINT NOT NULL,
  "click_rate" DOUBLE PRECISION NOT NULL,
  "cart_rate" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("started_date", "search_term")
);

CREATE TABLE "mart"."category_performance" (
  "started_date" DATE NOT NULL,
  "product_category" text COLLATE "C" NOT NULL,
  "category_view_count" BIGINT NOT NULL,
  "product_view_count" BIGINT NOT NULL,
  "add_to_cart_count" BIGINT NOT NULL,
  "viewing_session_count" BIGINT NOT NULL,
  "cart_session_count" BIGINT NOT NULL,
  "any_cart_session_count" BIGINT NOT NULL,
  "purchase_session_count" BIGINT NOT NULL,
  "cart_rate" DOUBLE PRECISION,
  "any_cart_rate" DOUBLE PRECISION,
  "purchase_rate" DOUBLE PRECISION,
  PRIMARY KEY ("started_date", "product_category")
);

CREATE TABLE "raw"."user_order_log" (
  "id" text COLLATE "C",
  "uniq_id" text COLLATE "C",
  "order_id" text COLLATE "C",
  "date_time" text COLLATE "C",
  "city_id" text COLLATE "C",
  "city_name" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "item_id" text COLLATE "C",
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C",
  "vendor" text COLLATE "C",
  "landing_page" text COLLATE "C",
  "order_keys" text COLLATE "C",
  "sales_channel" text COLLATE "C",
  "received_quantity" text COLLATE "C",
  "received_payment_amount" text COLLATE "C",
  "status" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_shipping_amount" text COLLATE "C",
  "received_tax_amount" text COLLATE "C",
  "received_tip_amount" text COLLATE "C",
  "received_gross_amount" text COLLATE "C",
  "received_discount_amount" text COLLATE "C",
  "received_discount_codes" text COLLATE "C",
  "received_tax_rate" text COLLATE "C",
  "received_is_tax_included" text COLLATE "C",
  "received_unit_cost_amount" text COLLATE "C",
  "payment_method" text COLLATE "C",
  "received_payment_fee_amount" text COLLATE "C",
  "received_shipping_cost_amount" text COLLATE "C",
  "received_is_restocked" text COLLATE "C",
  "received_is_renewal" text COLLATE "C",
  "ordered_at" TIMESTAMP(6),
  "order_date" DATE,
  "id_number" BIGINT,
  "quantity" DECIMAL(18, 4),
  "payment_amount" DECIMAL(18, 4),
  "shipping_amount" DECIMAL(18, 4),
  "tax_amount" DECIMAL(18, 4),
  "tip_amount" DECIMAL(18, 4),
  "gross_amount" DECIMAL(18, 4),
  "discount_amount" DECIMAL(18, 4),
  "discount_codes" text COLLATE "C",
  "tax_rate" DECIMAL(9, 6),
  "is_tax_included" BOOLEAN,
  "unit_cost_amount" DECIMAL(18, 6),
  "payment_fee_amount" DECIMAL(18, 4),
  "shipping_cost_amount" DECIMAL(18, 4),
  "is_restocked" BOOLEAN,
  "is_renewal" BOOLEAN,
  "currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "record_id" text COLLATE "C",
  "placed_at" TIMESTAMP(6),
  "changed_at" TIMESTAMP(6),
  "record_number" BIGINT,
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."user_order_log" ("received_date");

CREATE TABLE "staging"."quarantined_orders" (
  "id" text COLLATE "C",
  "uniq_id" text COLLATE "C",
  "order_id" text COLLATE "C",
  "date_time" text COLLATE "C",
  "city_id" text COLLATE "C",
  "city_name" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "item_id" text COLLATE "C",
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C",
  "vendor" text COLLATE "C",
  "landing_page" text COLLATE "C",
  "order_keys" text COLLATE "C",
  "sales_channel" text COLLATE "C",
  "received_quantity" text COLLATE "C",
  "received_payment_amount" text COLLATE "C",
  "status" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_shipping_amount" text COLLATE "C",
  "received_tax_amount" text COLLATE "C",
  "received_tip_amount" text COLLATE "C",
  "received_gross_amount" text COLLATE "C",
  "received_discount_amount" text COLLATE "C",
  "received_discount_codes" text COLLATE "C",
  "received_tax_rate" text COLLATE "C",
  "received_is_tax_included" text COLLATE "C",
  "received_unit_cost_amount" text COLLATE "C",
  "payment_method" text COLLATE "C",
  "received_payment_fee_amount" text COLLATE "C",
  "received_shipping_cost_amount" text COLLATE "C",
  "received_is_restocked" text COLLATE "C",
  "received_is_renewal" text COLLATE "C",
  "ordered_at" TIMESTAMP(6),
  "order_date" DATE,
  "id_number" BIGINT,
  "quantity" DECIMAL(18, 4),
  "payment_amount" DECIMAL(18, 4),
  "shipping_amount" DECIMAL(18, 4),
  "tax_amount" DECIMAL(18, 4),
  "tip_amount" DECIMAL(18, 4),
  "gross_amount" DECIMAL(18, 4),
  "discount_amount" DECIMAL(18, 4),
  "discount_codes" text COLLATE "C",
  "tax_rate" DECIMAL(9, 6),
  "is_tax_included" BOOLEAN,
  "unit_cost_amount" DECIMAL(18, 6),
  "payment_fee_amount" DECIMAL(18, 4),
  "shipping_cost_amount" DECIMAL(18, 4),
  "is_restocked" BOOLEAN,
  "is_renewal" BOOLEAN,
  "currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "record_id" text COLLATE "C",
  "placed_at" TIMESTAMP(6),
  "changed_at" TIMESTAMP(6),
  "record_number" BIGINT,
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "reject_reason" text COLLATE "C" NOT NULL
);

CREATE INDEX ON "staging"."quarantined_orders" ("received_date");

CREATE TABLE "staging"."changed_order_days" (
  "received_date" DATE NOT NULL,
  "order_date" DATE NOT NULL,
  PRIMARY KEY ("received_date", "order_date")
);

CREATE TABLE "staging"."duplicate_orders" (
  "received_date" DATE NOT NULL,
  "order_date" DATE NOT NULL,
  "uniq_id" text COLLATE "C" NOT NULL,
  "surplus_count" BIGINT NOT NULL,
  "kept_received_date" DATE NOT NULL,
  "kept_order_date" DATE,
  PRIMARY KEY ("received_date", "order_date", "uniq_id")
);

CREATE TABLE "mart"."order_accounting_daily" (
  "received_date" DATE NOT NULL,
  "received_count" BIGINT NOT NULL,
  "clean_count" BIGINT NOT NULL,
  "quarantined_count" BIGINT NOT NULL,
  "surplus_count" BIGINT NOT NULL,
  "held_count" BIGINT NOT NULL,
  "waiting_count" BIGINT NOT NULL,
  PRIMARY KEY ("received_date")
);

CREATE TABLE "mart"."quarantined_order_samples" (
  "id" text COLLATE "C",
  "uniq_id" text COLLATE "C",
  "order_id" text COLLATE "C",
  "date_time" text COLLATE "C",
  "city_id" text COLLATE "C",
  "city_name" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "item_id" text COLLATE "C",
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C",
  "vendor" text COLLATE "C",
  "landing_page" text COLLATE "C",
  "order_keys" text COLLATE "C",
  "sales_channel" text COLLATE "C",
  "received_quantity" text COLLATE "C",
  "received_payment_amount" text COLLATE "C",
  "status" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_shipping_amount" text COLLATE "C",
  "received_tax_amount" text COLLATE "C",
  "received_tip_amount" text COLLATE "C",
  "received_gross_amount" text COLLATE "C",
  "received_discount_amount" text COLLATE "C",
  "received_discount_codes" text COLLATE "C",
  "received_tax_rate" text COLLATE "C",
  "received_is_tax_included" text COLLATE "C",
  "received_unit_cost_amount" text COLLATE "C",
  "payment_method" text COLLATE "C",
  "received_payment_fee_amount" text COLLATE "C",
  "received_shipping_cost_amount" text COLLATE "C",
  "received_is_restocked" text COLLATE "C",
  "received_is_renewal" text COLLATE "C",
  "ordered_at" TIMESTAMP(6),
  "order_date" DATE,
  "id_number" BIGINT,
  "quantity" DECIMAL(18, 4),
  "payment_amount" DECIMAL(18, 4),
  "shipping_amount" DECIMAL(18, 4),
  "tax_amount" DECIMAL(18, 4),
  "tip_amount" DECIMAL(18, 4),
  "gross_amount" DECIMAL(18, 4),
  "discount_amount" DECIMAL(18, 4),
  "discount_codes" text COLLATE "C",
  "tax_rate" DECIMAL(9, 6),
  "is_tax_included" BOOLEAN,
  "unit_cost_amount" DECIMAL(18, 6),
  "payment_fee_amount" DECIMAL(18, 4),
  "shipping_cost_amount" DECIMAL(18, 4),
  "is_restocked" BOOLEAN,
  "is_renewal" BOOLEAN,
  "currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "record_id" text COLLATE "C",
  "placed_at" TIMESTAMP(6),
  "changed_at" TIMESTAMP(6),
  "record_number" BIGINT,
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "reject_reason" text COLLATE "C" NOT NULL,
  "sample_number" BIGINT NOT NULL,
  "row_count" BIGINT NOT NULL,
  "refused_amount" DECIMAL(38, 4),
  "unread_amount_count" BIGINT,
  PRIMARY KEY ("received_date", "reject_reason", "sample_number")
);

CREATE TABLE "staging"."user_order_log" (
  "id" text COLLATE "C",
  "uniq_id" text COLLATE "C" NOT NULL,
  "order_id" text COLLATE "C" NOT NULL,
  "ordered_at" TIMESTAMP(6) NOT NULL,
  "order_date" DATE NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "city_name" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "customer_id" text COLLATE "C" NOT NULL,
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "item_id" text COLLATE "C" NOT NULL,
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C" NOT NULL,
  "vendor" text COLLATE "C",
  "landing_page" text COLLATE "C",
  "order_keys" text COLLATE "C",
  "sales_channel" text COLLATE "C" NOT NULL,
  "quantity" DECIMAL(18, 4),
  "payment_amount" DECIMAL(18, 4) NOT NULL,
  "status" text COLLATE "C" NOT NULL,
  "currency" text COLLATE "C",
  "shipping_amount" DECIMAL(18, 4),
  "tax_amount" DECIMAL(18, 4),
  "tip_amount" DECIMAL(18, 4),
  "gross_amount" DECIMAL(18, 4),
  "discount_amount" DECIMAL(18, 4),
  "discount_codes" text COLLATE "C",
  "tax_rate" DECIMAL(9, 6),
  "is_tax_included" BOOLEAN,
  "unit_cost_amount" DECIMAL(18, 6),
  "payment_method" text COLLATE "C",
  "payment_fee_amount" DECIMAL(18, 4),
  "shipping_cost_amount" DECIMAL(18, 4),
  "is_restocked" BOOLEAN,
  "is_renewal" BOOLEAN,
  "shared_order_id" text COLLATE "C",
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("uniq_id")
);

CREATE INDEX ON "staging"."user_order_log" ("order_date");

CREATE TABLE "staging"."held_order_days" (
  "held_date" DATE NOT NULL,
  "reason" text COLLATE "C" NOT NULL,
  "observed_count" BIGINT NOT NULL,
  "limit_count" BIGINT NOT NULL,
  "held_row_count" BIGINT NOT NULL,
  "held_at" TIMESTAMP(6) NOT NULL,
  PRIMARY KEY ("held_date")
);

CREATE TABLE "staging"."waiting_order_days" (
  "received_date" DATE NOT NULL,
  "order_date" DATE NOT NULL,
  "waits_for_date" DATE NOT NULL,
  "waiting_row_count" BIGINT NOT NULL,
  PRIMARY KEY ("received_date", "order_date")
);

CREATE TABLE "raw"."user_activity_log" (
  "id" text COLLATE "C",
  "uniq_id" text COLLATE "C",
  "date_time" text COLLATE "C",
  "action_id" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "received_quantity" text COLLATE "C",
  "activity_at" TIMESTAMP(6),
  "activity_date" DATE,
  "quantity" DECIMAL(18, 4),
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."user_activity_log" ("received_date");

CREATE TABLE "staging"."user_activity_log" (
  "uniq_id" text COLLATE "C" NOT NULL,
  "activity_at" TIMESTAMP(6) NOT NULL,
  "activity_date" DATE NOT NULL,
  "action_id" text COLLATE "C" NOT NULL,
  "customer_id" text COLLATE "C" NOT NULL,
  "quantity" DECIMAL(18, 4) NOT NULL,
  PRIMARY KEY ("activity_date", "uniq_id")
);

CREATE TABLE "raw"."customer_research" (
  "research_id" text COLLATE "C",
  "id" text COLLATE "C",
  "date_id" text COLLATE "C",
  "category_id" text COLLATE "C",
  "geo_id" text COLLATE "C",
  "received_sales_qty" text COLLATE "C",
  "received_sales_amt" text COLLATE "C",
  "research_at" TIMESTAMP(6),
  "research_date" DATE,
  "sales_quantity" DECIMAL(18, 4),
  "sales_amount" DECIMAL(18, 4),
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."customer_research" ("received_date");

CREATE TABLE "staging"."customer_research" (
  "research_id" text COLLATE "C" NOT NULL,
  "research_date" DATE NOT NULL,
  "category_id" text COLLATE "C" NOT NULL,
  "geo_id" text COLLATE "C" NOT NULL,
  "sales_quantity" DECIMAL(18, 4) NOT NULL,
  "sales_amount" DECIMAL(18, 4) NOT NULL,
  PRIMARY KEY ("research_date", "research_id")
);

CREATE TABLE "raw"."price_log" (
  "received_date" DATE NOT NULL,
  "record_number" BIGINT NOT NULL,
  "item_name" text COLLATE "C",
  "received_price" text COLLATE "C",
  "price_amount" DECIMAL(18, 4),
  "reject_reason" text COLLATE "C",
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("received_date", "record_number")
);

CREATE TABLE "staging"."price_log" (
  "received_date" DATE NOT NULL,
  "item_name" text COLLATE "C" NOT NULL,
  "price_amount" DECIMAL(18, 4) NOT NULL,
  PRIMARY KEY ("received_date", "item_name")
);

CREATE TABLE "mart"."session_sources" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "medium" text COLLATE "C" NOT NULL,
  "campaign" text COLLATE "C" NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "source_lists_version" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C",
  "ad_platform" text COLLATE "C",
  "event_date" DATE NOT NULL,
  "session_device_id" text COLLATE "C" NOT NULL,
  "fragment_started_at" TIMESTAMP(6) NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("event_date", "visitor_id", "session_device_id", "fragment_started_at")
);

CREATE TABLE "mart"."touches" (
  "visitor_id" text COLLATE "C" NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "medium" text COLLATE "C" NOT NULL,
  "campaign" text COLLATE "C" NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "source_lists_version" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C",
  "ad_platform" text COLLATE "C",
  "session_id" text COLLATE "C" NOT NULL,
  "started_at" TIMESTAMP(6) NOT NULL,
  "started_date" DATE NOT NULL,
  "is_bot" BOOLEAN NOT NULL,
  PRIMARY KEY ("session_id")
);

CREATE INDEX ON "mart"."touches" ("started_date");

CREATE TABLE "mart"."order_visits" (
  "order_date" DATE NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "order_id" text COLLATE "C" NOT NULL,
  "customer_id" text COLLATE "C" NOT NULL,
  "event_date" DATE NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "session_id" text COLLATE "C",
  "visitor_id" text COLLATE "C" NOT NULL,
  "matched_by" text COLLATE "C" NOT NULL,
  "sent_by" text COLLATE "C",
  "product_id" text COLLATE "C",
  "equal_sums" BIGINT,
  PRIMARY KEY ("order_date", "kind", "order_id")
);

CREATE TABLE "mart"."conversions" (
  "converted_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "conversion_id" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "customer_id" text COLLATE "C",
  "is_refund" BOOLEAN NOT NULL,
  "converted_at" TIMESTAMP(6) NOT NULL,
  "revenue_amount" DECIMAL(38, 4),
  "is_renewal" BOOLEAN,
  PRIMARY KEY ("converted_date", "unit", "conversion_id", "visitor_id", "is_refund")
);

CREATE TABLE "mart"."conversion_credit" (
  "converted_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "conversion_id" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "customer_id" text COLLATE "C",
  "is_refund" BOOLEAN NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "bought_date" DATE,
  "first_credit" DECIMAL(18, 9) NOT NULL,
  "first_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "last_credit" DECIMAL(18, 9) NOT NULL,
  "last_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "last_non_direct_credit" DECIMAL(18, 9) NOT NULL,
  "last_non_direct_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "linear_credit" DECIMAL(18, 9) NOT NULL,
  "linear_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "position_credit" DECIMAL(18, 9) NOT NULL,
  "position_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "j_credit" DECIMAL(18, 9) NOT NULL,
  "j_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "time_decay_credit" DECIMAL(18, 9) NOT NULL,
  "time_decay_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "definition_hash" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("converted_date", "unit", "conversion_id", "visitor_id", "is_refund", "channel")
);

CREATE TABLE "mart"."channel_removal_effects" (
  "converted_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "removal_effect_rate" DOUBLE PRECISION NOT NULL,
  "credit_share" DECIMAL(18, 9) NOT NULL,
  "rank_number" BIGINT NOT NULL,
  PRIMARY KEY ("converted_date", "unit", "channel")
);

CREATE TABLE "mart"."channel_attribution" (
  "converted_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "model" text COLLATE "C" NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "credit" DECIMAL(18, 9) NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  PRIMARY KEY ("converted_date", "unit", "model", "channel")
);

CREATE TABLE "mart"."first_touches" (
  "event_date" DATE NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "event_at" TIMESTAMP(6) NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "page_url" text COLLATE "C",
  "referrer_url" text COLLATE "C",
  "user_agent" text COLLATE "C",
  "acquisition_channel" text COLLATE "C" NOT NULL,
  "default_channel_group" text COLLATE "C" NOT NULL,
  "source_lists_version" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("event_date", "visitor_id")
);

CREATE TABLE "mart"."cart_abandonment" (
  "cart_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "horizon_s" BIGINT NOT NULL,
  "converted_cart_count" BIGINT NOT NULL,
  "recovered_cart_count" BIGINT,
  "valued_cart_count" BIGINT NOT NULL,
  "recovered_cart_amount" DECIMAL(38, 4),
  "final_from_date" DATE NOT NULL,
  "cart_amount" DECIMAL(38, 4),
  "abandoned_cart_amount" DECIMAL(38, 4),
  "cart_count" BIGINT NOT NULL,
  "abandoned_cart_count" BIGINT NOT NULL,
  "cart_abandonment_rate" DOUBLE PRECISION,
  "checkout_count" BIGINT NOT NULL,
  "abandoned_checkout_count" BIGINT NOT NULL,
  "checkout_abandonment_rate" DOUBLE PRECISION,
  PRIMARY KEY ("cart_date", "unit", "horizon_s")
);

CREATE TABLE "mart"."funnel_entries" (
  "funnel_name" text COLLATE "C" NOT NULL,
  "cohort_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "unit_id" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "product_category" text COLLATE "C" NOT NULL,
  "last_step" BIGINT NOT NULL,
  "definition_hash" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("funnel_name", "cohort_date", "unit", "unit_id")
);

CREATE INDEX ON "mart"."funnel_entries" ("cohort_date");

CREATE TABLE "mart"."conversion_funnel" (
  "funnel_name" text COLLATE "C" NOT NULL,
  "cohort_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "product_category" text COLLATE "C" NOT NULL,
  "step" BIGINT NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "unit_count" BIGINT NOT NULL,
  "conversion_from_start_rate" DOUBLE PRECISION,
  "conversion_from_previous_rate" DOUBLE PRECISION,
  PRIMARY KEY ("funnel_name", "cohort_date", "unit", "product_category", "step")
);

CREATE INDEX ON "mart"."conversion_funnel" ("cohort_date");

CREATE TABLE "mart"."conversion_by_dimension" (
  "funnel_name" text COLLATE "C" NOT NULL,
  "cohort_date" DATE NOT NULL,
  "dimension" text COLLATE "C" NOT NULL,
  "value" text COLLATE "C" NOT NULL,
  "step" BIGINT NOT NULL,
  "event_type" text COLLATE "C" NOT NULL,
  "unit_count" BIGINT NOT NULL,
  PRIMARY KEY ("funnel_name", "cohort_date", "dimension", "value", "step")
);

CREATE INDEX ON "mart"."conversion_by_dimension" ("cohort_date");

CREATE TABLE "mart"."city" (
  "city_id" text COLLATE "C" NOT NULL,
  "city_name" text COLLATE "C" NOT NULL,
  "region" text COLLATE "C" NOT NULL,
  "country" text COLLATE "C" NOT NULL,
  "lookup_version" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("city_id")
);

CREATE TABLE "mart"."item" (
  "item_id" text COLLATE "C" NOT NULL,
  "item_name" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "price_amount" DECIMAL(18, 4),
  "price_date" DATE,
  "event_product_id" text COLLATE "C",
  PRIMARY KEY ("item_id")
);

CREATE TABLE "mart"."item_prices" (
  "item_id" text COLLATE "C" NOT NULL,
  "valid_from_date" DATE NOT NULL,
  "valid_to_date" DATE,
  "price_amount" DECIMAL(18, 4) NOT NULL,
  PRIMARY KEY ("item_id", "valid_from_date"),
  FOREIGN KEY ("item_id") REFERENCES "mart"."item" ("item_id") DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE "mart"."customer" (
  "customer_id" text COLLATE "C" NOT NULL,
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "city_id" text COLLATE "C" NOT NULL,
  "first_order_date" DATE,
  "last_order_date" DATE,
  "first_paid_date" DATE,
  "is_first_paid_renewal" BOOLEAN,
  "order_count" BIGINT NOT NULL,
  "shipped_amount" DECIMAL(38, 4) NOT NULL,
  "refunded_amount" DECIMAL(38, 4) NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  PRIMARY KEY ("customer_id"),
  FOREIGN KEY ("city_id") REFERENCES "mart"."city" ("city_id") DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ON "mart"."customer" ("city_id");

CREATE TABLE "mart"."calendar" (
  "calendar_date" DATE NOT NULL,
  "year_number" BIGINT NOT NULL,
  "quarter_number" BIGINT NOT NULL,
  "month_number" BIGINT NOT NULL,
  "month_start_date" DATE NOT NULL,
  "iso_year_number" BIGINT NOT NULL,
  "iso_week_number" BIGINT NOT NULL,
  "week_start_date" DATE NOT NULL,
  "weekday_number" BIGINT NOT NULL,
  "is_weekend" BOOLEAN NOT NULL,
  PRIMARY KEY ("calendar_date")
);

CREATE TABLE "mart"."sales" (
  "uniq_id" text COLLATE "C" NOT NULL,
  "order_id" text COLLATE "C" NOT NULL,
  "ordered_at" TIMESTAMP(6) NOT NULL,
  "order_date" DATE NOT NULL,
  "customer_id" text COLLATE "C" NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "item_id" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "vendor" text COLLATE "C",
  "landing_page" text COLLATE "C",
  "channel" text COLLATE "C" NOT NULL,
  "sales_channel" text COLLATE "C" NOT NULL,
  "status" text COLLATE "C" NOT NULL,
  "quantity" DECIMAL(18, 4),
  "revenue_amount" DECIMAL(18, 4) NOT NULL,
  "shipping_amount" DECIMAL(18, 4),
  "tax_amount" DECIMAL(18, 4),
  "tip_amount" DECIMAL(18, 4),
  "gross_amount" DECIMAL(18, 4),
  "discount_amount" DECIMAL(18, 4),
  "discount_codes" text COLLATE "C",
  "unit_cost_amount" DECIMAL(18, 6),
  "payment_method" text COLLATE "C",
  "payment_fee_amount" DECIMAL(18, 4),
  "shipping_cost_amount" DECIMAL(18, 4),
  "is_restocked" BOOLEAN,
  "is_renewal" BOOLEAN,
  "refund_line_id" text COLLATE "C",
  PRIMARY KEY ("uniq_id"),
  FOREIGN KEY ("order_date") REFERENCES "mart"."calendar" ("calendar_date") DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY ("customer_id") REFERENCES "mart"."customer" ("customer_id") DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY ("city_id") REFERENCES "mart"."city" ("city_id") DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY ("item_id") REFERENCES "mart"."item" ("item_id") DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ON "mart"."sales" ("order_date");

CREATE INDEX ON "mart"."sales" ("customer_id");

CREATE INDEX ON "mart"."sales" ("city_id");

CREATE INDEX ON "mart"."sales" ("item_id");

CREATE TABLE "mart"."product_sales_daily" (
  "order_date" DATE NOT NULL,
  "item_id" text COLLATE "C" NOT NULL,
  "order_count" BIGINT NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "customer_count" BIGINT NOT NULL,
  "sold_item_count" DECIMAL(18, 4),
  "refunded_item_count" DECIMAL(18, 4),
  "shipped_amount" DECIMAL(38, 4) NOT NULL,
  "refunded_amount" DECIMAL(38, 4) NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  "average_order_value" DOUBLE PRECISION,
  PRIMARY KEY ("order_date", "item_id"),
  FOREIGN KEY ("order_date") REFERENCES "mart"."calendar" ("calendar_date") DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY ("item_id") REFERENCES "mart"."item" ("item_id") DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ON "mart"."product_sales_daily" ("item_id");

CREATE TABLE "mart"."revenue_daily" (
  "order_date" DATE NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "sales_channel" text COLLATE "C" NOT NULL,
  "shipping_amount" DECIMAL(38, 4),
  "tax_amount" DECIMAL(38, 4),
  "tip_amount" DECIMAL(38, 4),
  "order_count" BIGINT NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "customer_count" BIGINT NOT NULL,
  "sold_item_count" DECIMAL(18, 4),
  "refunded_item_count" DECIMAL(18, 4),
  "shipped_amount" DECIMAL(38, 4) NOT NULL,
  "refunded_amount" DECIMAL(38, 4) NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  "average_order_value" DOUBLE PRECISION,
  PRIMARY KEY ("order_date", "channel", "city_id", "item_category", "sales_channel")
);

CREATE TABLE "mart"."discount_performance" (
  "order_date" DATE NOT NULL,
  "discount_code" text COLLATE "C" NOT NULL,
  "order_count" BIGINT NOT NULL,
  "customer_count" BIGINT NOT NULL,
  "gross_sales_amount" DECIMAL(38, 4),
  "discount_amount" DECIMAL(38, 4),
  "shipped_amount" DECIMAL(38, 4) NOT NULL,
  "discount_rate" DOUBLE PRECISION,
  PRIMARY KEY ("order_date", "discount_code"),
  FOREIGN KEY ("order_date") REFERENCES "mart"."calendar" ("calendar_date") DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE "mart"."purchase_revenue_daily" (
  "event_date" DATE NOT NULL,
  "product_category" text COLLATE "C" NOT NULL,
  "country" text COLLATE "C" NOT NULL,
  "region" text COLLATE "C" NOT NULL,
  "city_name" text COLLATE "C" NOT NULL,
  "shipped_amount" DECIMAL(38, 4),
  "refunded_amount" DECIMAL(38, 4),
  "revenue_amount" DECIMAL(38, 4),
  "order_count" BIGINT NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "customer_count" BIGINT NOT NULL,
  "sold_item_count" DECIMAL(18, 4),
  "refunded_item_count" DECIMAL(18, 4),
  "average_order_value" DOUBLE PRECISION,
  PRIMARY KEY ("event_date", "product_category", "country", "region", "city_name")
);

CREATE TABLE "mart"."customer_retention" (
  "week_start_date" DATE NOT NULL,
  "iso_year_number" BIGINT NOT NULL,
  "iso_week_number" BIGINT NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "customers_count" BIGINT NOT NULL,
  "new_customers_count" BIGINT NOT NULL,
  "returning_customers_count" BIGINT NOT NULL,
  "refunded_customers_count" BIGINT NOT NULL,
  "one_order_customers_count" BIGINT NOT NULL,
  "several_orders_customers_count" BIGINT NOT NULL,
  "new_orders_count" BIGINT NOT NULL,
  "returning_orders_count" BIGINT NOT NULL,
  "refunded_orders_count" BIGINT NOT NULL,
  "new_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "returning_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "refunded_amount" DECIMAL(38, 4) NOT NULL,
  "unknown_customer_orders_count" BIGINT,
  "unknown_customer_revenue_amount" DECIMAL(38, 4),
  PRIMARY KEY ("week_start_date", "item_category", "city_id")
);

CREATE TABLE "raw"."stock" (
  "received_date" DATE NOT NULL,
  "record_number" BIGINT NOT NULL,
  "product_id" text COLLATE "C",
  "product_name" text COLLATE "C",
  "product_category" text COLLATE "C",
  "received_stock" text COLLATE "C",
  "received_reorder_point" text COLLATE "C",
  "received_lead_time_days" text COLLATE "C",
  "stock_count" BIGINT,
  "reorder_point_count" BIGINT,
  "lead_time_days" BIGINT,
  "received_unit_cost_amount" text COLLATE "C",
  "unit_cost_amount" DECIMAL(18, 6),
  "reject_reason" text COLLATE "C",
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C",
  PRIMARY KEY ("received_date", "record_number")
);

CREATE TABLE "mart"."inventory_alerts" (
  "product_id" text COLLATE "C" NOT NULL,
  "product_name" text COLLATE "C",
  "product_category" text COLLATE "C",
  "alert" text COLLATE "C" NOT NULL,
  "as_of_date" DATE NOT NULL,
  "stock_count" BIGINT NOT NULL,
  "reorder_point_count" BIGINT,
  "lead_time_days" BIGINT,
  "sold_item_count" DECIMAL(18, 4) NOT NULL,
  "sales_days_count" BIGINT NOT NULL,
  "daily_sold_items" DOUBLE PRECISION,
  "days_of_cover" DOUBLE PRECISION,
  "last_sold_date" DATE,
  "in_stock_days_count" BIGINT,
  "reorder_days_count" BIGINT,
  "reorder_item_count" BIGINT,
  "day_without_stock_amount" DECIMAL(38, 4),
  PRIMARY KEY ("product_id")
);

CREATE TABLE "mart"."product_performance" (
  "event_date" DATE NOT NULL,
  "product_id" text COLLATE "C" NOT NULL,
  "product_category" text COLLATE "C",
  "sales_source" text COLLATE "C" NOT NULL,
  "product_view_count" BIGINT,
  "add_to_cart_count" BIGINT,
  "remove_from_cart_count" BIGINT,
  "viewing_visitor_count" BIGINT,
  "cart_visitor_count" BIGINT,
  "purchase_count" BIGINT,
  "sold_item_count" DECIMAL(18, 4),
  "refunded_item_count" DECIMAL(18, 4),
  "shipped_amount" DECIMAL(38, 4),
  "refunded_amount" DECIMAL(38, 4),
  "revenue_amount" DECIMAL(38, 4),
  "cart_rate" DOUBLE PRECISION,
  "purchases_per_cart" DOUBLE PRECISION,
  "purchases_per_view" DOUBLE PRECISION,
  PRIMARY KEY ("event_date", "product_id")
);

CREATE TABLE "mart"."products_bought_together" (
  "order_date" DATE NOT NULL,
  "product_id" text COLLATE "C" NOT NULL,
  "other_product_id" text COLLATE "C" NOT NULL,
  "order_count" BIGINT NOT NULL,
  PRIMARY KEY ("order_date", "product_id", "other_product_id")
);

CREATE TABLE "raw"."costs" (
  "cost_id" text COLLATE "C",
  "item_id" text COLLATE "C",
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C",
  "received_unit_cost_amount" text COLLATE "C",
  "received_piece_count" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_valid_from_date" text COLLATE "C",
  "received_valid_until_date" text COLLATE "C",
  "valid_from_date" DATE,
  "valid_until_date" DATE,
  "piece_count" DECIMAL(18, 6),
  "unit_cost_amount" DECIMAL(18, 6),
  "currency" text COLLATE "C",
  "unrated_currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."costs" ("received_date");

CREATE TABLE "staging"."quarantined_costs" (
  "cost_id" text COLLATE "C",
  "item_id" text COLLATE "C",
  "item_name" text COLLATE "C",
  "item_category" text COLLATE "C",
  "received_unit_cost_amount" text COLLATE "C",
  "received_piece_count" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_valid_from_date" text COLLATE "C",
  "received_valid_until_date" text COLLATE "C",
  "valid_from_date" DATE,
  "valid_until_date" DATE,
  "piece_count" DECIMAL(18, 6),
  "unit_cost_amount" DECIMAL(18, 6),
  "currency" text COLLATE "C",
  "unrated_currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "reject_reason" text COLLATE "C" NOT NULL
);

CREATE TABLE "staging"."cost_versions" (
  "item_id" text COLLATE "C" NOT NULL,
  "valid_from_date" DATE NOT NULL,
  "valid_until_date" DATE,
  "unit_cost_amount" DECIMAL(18, 6),
  "is_dated" BOOLEAN NOT NULL,
  "item_name" text COLLATE "C",
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "cost_id" text COLLATE "C",
  "version_count" BIGINT NOT NULL,
  "other_cost_count" BIGINT NOT NULL,
  PRIMARY KEY ("item_id", "valid_from_date")
);

CREATE TABLE "mart"."item_costs" (
  "item_id" text COLLATE "C" NOT NULL,
  "valid_from_date" DATE NOT NULL,
  "valid_to_date" DATE,
  "unit_cost_amount" DECIMAL(18, 6) NOT NULL,
  "is_estimated" BOOLEAN NOT NULL,
  "item_name" text COLLATE "C",
  "contradiction" text COLLATE "C",
  "cost_source" text COLLATE "C" NOT NULL,
  "cost_start_date" DATE NOT NULL,
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("item_id", "valid_from_date")
);

CREATE TABLE "mart"."profit_lines" (
  "uniq_id" text COLLATE "C" NOT NULL,
  "order_id" text COLLATE "C" NOT NULL,
  "order_date" DATE NOT NULL,
  "placed_date" DATE NOT NULL,
  "customer_id" text COLLATE "C" NOT NULL,
  "item_id" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "sales_channel" text COLLATE "C" NOT NULL,
  "customer_type" text COLLATE "C" NOT NULL,
  "status" text COLLATE "C" NOT NULL,
  "quantity" DECIMAL(18, 4),
  "gross_sales_amount" DECIMAL(38, 6),
  "discount_amount" DECIMAL(38, 6),
  "returns_amount" DECIMAL(38, 6),
  "revenue_amount" DECIMAL(38, 6),
  "unit_cost_amount" DECIMAL(18, 6),
  "cost_source" text COLLATE "C",
  "cost_from_date" DATE,
  "is_cost_estimated" BOOLEAN,
  "cost_amount" DECIMAL(38, 6),
  "estimated_cost_amount" DECIMAL(38, 6),
  "costed_revenue_amount" DECIMAL(38, 6),
  "is_restock_assumed" BOOLEAN NOT NULL,
  "gross_profit_amount" DECIMAL(38, 6),
  "shipping_amount" DECIMAL(38, 6),
  "shipping_cost_amount" DECIMAL(38, 6),
  "estimated_shipping_cost_amount" DECIMAL(38, 6),
  "shipping_cost_rule" text COLLATE "C",
  "payment_fee_amount" DECIMAL(38, 6),
  "estimated_payment_fee_amount" DECIMAL(38, 6),
  "payment_fee_rule" text COLLATE "C",
  "estimated_commission_amount" DECIMAL(38, 6),
  "commission_rule" text COLLATE "C",
  "goodwill_amount" DECIMAL(38, 6),
  "has_shared_amounts" BOOLEAN,
  "contribution_revenue_amount" DECIMAL(38, 6),
  "contribution_before_ads_amount" DECIMAL(38, 6),
  PRIMARY KEY ("uniq_id")
);

CREATE INDEX ON "mart"."profit_lines" ("order_date");

CREATE TABLE "mart"."profit_daily" (
  "order_date" DATE NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "city_id" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "sales_channel" text COLLATE "C" NOT NULL,
  "customer_type" text COLLATE "C" NOT NULL,
  "order_count" BIGINT NOT NULL,
  "sold_item_count" DECIMAL(18, 4),
  "shipped_amount" DECIMAL(38, 6) NOT NULL,
  "revenue_amount" DECIMAL(38, 6) NOT NULL,
  "gross_sales_amount" DECIMAL(38, 6) NOT NULL,
  "discount_amount" DECIMAL(38, 6),
  "returns_amount" DECIMAL(38, 6) NOT NULL,
  "costed_shipped_amount" DECIMAL(38, 6),
  "costed_revenue_amount" DECIMAL(38, 6),
  "cost_amount" DECIMAL(38, 6),
  "estimated_cost_amount" DECIMAL(38, 6),
  "gross_profit_amount" DECIMAL(38, 6),
  "gross_margin_rate" DOUBLE PRECISION,
  "cost_coverage_rate" DOUBLE PRECISION,
  "shipping_amount" DECIMAL(38, 6),
  "shipping_cost_amount" DECIMAL(38, 6),
  "estimated_shipping_cost_amount" DECIMAL(38, 6),
  "payment_fee_amount" DECIMAL(38, 6),
  "estimated_payment_fee_amount" DECIMAL(38, 6),
  "estimated_commission_amount" DECIMAL(38, 6),
  "goodwill_amount" DECIMAL(38, 6),
  "contribution_shipped_amount" DECIMAL(38, 6),
  "contribution_before_ads_amount" DECIMAL(38, 6),
  "contribution_coverage_rate" DOUBLE PRECISION,
  PRIMARY KEY ("order_date", "channel", "city_id", "item_category", "sales_channel", "customer_type")
);

CREATE TABLE "mart"."category_profitability" (
  "week_start_date" DATE NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "profit_rank" BIGINT,
  "popularity_rank" BIGINT NOT NULL,
  "order_count" BIGINT NOT NULL,
  "sold_item_count" DECIMAL(18, 4),
  "shipped_amount" DECIMAL(38, 6) NOT NULL,
  "revenue_amount" DECIMAL(38, 6) NOT NULL,
  "gross_sales_amount" DECIMAL(38, 6) NOT NULL,
  "discount_amount" DECIMAL(38, 6),
  "returns_amount" DECIMAL(38, 6) NOT NULL,
  "costed_shipped_amount" DECIMAL(38, 6),
  "costed_revenue_amount" DECIMAL(38, 6),
  "cost_amount" DECIMAL(38, 6),
  "estimated_cost_amount" DECIMAL(38, 6),
  "gross_profit_amount" DECIMAL(38, 6),
  "gross_margin_rate" DOUBLE PRECISION,
  "cost_coverage_rate" DOUBLE PRECISION,
  "shipping_amount" DECIMAL(38, 6),
  "shipping_cost_amount" DECIMAL(38, 6),
  "estimated_shipping_cost_amount" DECIMAL(38, 6),
  "payment_fee_amount" DECIMAL(38, 6),
  "estimated_payment_fee_amount" DECIMAL(38, 6),
  "estimated_commission_amount" DECIMAL(38, 6),
  "goodwill_amount" DECIMAL(38, 6),
  "contribution_shipped_amount" DECIMAL(38, 6),
  "contribution_before_ads_amount" DECIMAL(38, 6),
  "contribution_coverage_rate" DOUBLE PRECISION,
  PRIMARY KEY ("week_start_date", "item_category")
);

CREATE VIEW "mart"."category_ranking" AS
SELECT
  item_category, order_count, sold_item_count, shipped_amount, revenue_amount,
  cost_amount, gross_profit_amount,
  CASE WHEN costed_revenue_amount > 0
    THEN CAST(gross_profit_amount AS double precision)
      / CAST(costed_revenue_amount AS double precision)
  END AS gross_margin_rate,
  CASE WHEN gross_profit_amount IS NOT NULL
    THEN rank() OVER (ORDER BY gross_profit_amount DESC NULLS LAST)
  END AS profit_rank,
  rank() OVER (ORDER BY order_count DESC) AS popularity_rank
FROM (
  SELECT
    item_category,
    CAST(sum(order_count) AS bigint) AS order_count,
    CAST(sum(sold_item_count) AS decimal(38, 4)) AS sold_item_count,
    CAST(sum(shipped_amount) AS decimal(38, 6)) AS shipped_amount,
    CAST(sum(revenue_amount) AS decimal(38, 6)) AS revenue_amount,
    CAST(sum(cost_amount) AS decimal(38, 6)) AS cost_amount,
    CAST(sum(gross_profit_amount) AS decimal(38, 6)) AS gross_profit_amount,
    CAST(sum(costed_revenue_amount) AS decimal(38, 6)) AS costed_revenue_amount
  FROM "mart"."category_profitability"
  GROUP BY item_category
) AS categories;

CREATE TABLE "mart"."other_costs_daily" (
  "cost_date" DATE NOT NULL,
  "cost_name" text COLLATE "C" NOT NULL,
  "cost_rule" text COLLATE "C" NOT NULL,
  "estimated_other_cost_amount" DECIMAL(38, 6) NOT NULL,
  PRIMARY KEY ("cost_date", "cost_name")
);

CREATE TABLE "mart"."customer_segments" (
  "customer_id" text COLLATE "C" NOT NULL,
  "as_of_date" DATE NOT NULL,
  "last_order_date" DATE NOT NULL,
  "recency_days" BIGINT NOT NULL,
  "order_count" BIGINT NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  "recency_score" BIGINT NOT NULL,
  "frequency_score" BIGINT NOT NULL,
  "monetary_score" BIGINT NOT NULL,
  "segment" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("customer_id")
);

CREATE TABLE "mart"."lifetime_value" (
  "customer_id" text COLLATE "C" NOT NULL,
  "as_of_date" DATE NOT NULL,
  "repeat_order_count" BIGINT NOT NULL,
  "first_to_last_days" BIGINT NOT NULL,
  "observed_days" BIGINT NOT NULL,
  "repeat_amount" DECIMAL(38, 4) NOT NULL,
  "alive_probability" DOUBLE PRECISION,
  "expected_order_count" DOUBLE PRECISION,
  "expected_order_value" DOUBLE PRECISION,
  "lifetime_value_amount" DECIMAL(38, 4),
  "no_model_reason" text COLLATE "C",
  "no_order_value_reason" text COLLATE "C",
  "r" DOUBLE PRECISION,
  "alpha" DOUBLE PRECISION,
  "a" DOUBLE PRECISION,
  "b" DOUBLE PRECISION,
  "p" DOUBLE PRECISION,
  "q" DOUBLE PRECISION,
  "v" DOUBLE PRECISION,
  "horizon_days" BIGINT NOT NULL,
  "value_months" BIGINT NOT NULL,
  "discount_rate" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("customer_id")
);

CREATE TABLE "raw"."customers" (
  "received_date" DATE NOT NULL,
  "record_number" BIGINT NOT NULL,
  "page_number" BIGINT NOT NULL,
  "page_position" BIGINT NOT NULL,
  "reject_reason" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "is_number_id" BOOLEAN,
  "email" text COLLATE "C",
  "first_name" text COLLATE "C",
  "last_name" text COLLATE "C",
  "city" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "created_timestamp" text COLLATE "C",
  "updated_timestamp" text COLLATE "C",
  "last_login_timestamp" text COLLATE "C",
  "created_at" TIMESTAMP(6),
  "updated_at" TIMESTAMP(6),
  "last_login_at" TIMESTAMP(6),
  "engagement_score" DOUBLE PRECISION,
  "has_engagement_score" BOOLEAN,
  "has_email_consent" BOOLEAN,
  "email_consent_at" TIMESTAMP(6),
  "payload" text COLLATE "C" NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C",
  PRIMARY KEY ("received_date", "record_number")
);

CREATE TABLE "staging"."quarantined_customers" (
  "received_date" DATE NOT NULL,
  "record_number" BIGINT NOT NULL,
  "page_number" BIGINT NOT NULL,
  "page_position" BIGINT NOT NULL,
  "reject_reason" text COLLATE "C" NOT NULL,
  "payload" text COLLATE "C" NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("received_date", "record_number")
);

CREATE TABLE "staging"."duplicate_customers" (
  "received_date" DATE NOT NULL,
  "customer_id" text COLLATE "C" NOT NULL,
  "surplus_count" BIGINT NOT NULL,
  PRIMARY KEY ("received_date", "customer_id")
);

CREATE TABLE "mart"."customer_visitors" (
  "customer_id" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "matched_by" text COLLATE "C" NOT NULL,
  "since_date" DATE NOT NULL,
  PRIMARY KEY ("customer_id", "visitor_id")
);

CREATE TABLE "staging"."customers" (
  "customer_id" text COLLATE "C" NOT NULL,
  "is_number_id" BOOLEAN,
  "valid_from" DATE NOT NULL,
  "valid_to" DATE,
  "is_current" BOOLEAN NOT NULL,
  "as_of_date" DATE NOT NULL,
  "last_received_date" DATE NOT NULL,
  "full_name" text COLLATE "C",
  "email" text COLLATE "C",
  "email_domain" text COLLATE "C" NOT NULL,
  "city" text COLLATE "C",
  "region" text COLLATE "C",
  "country" text COLLATE "C",
  "market_segment" text COLLATE "C" NOT NULL,
  "created_at" TIMESTAMP(6),
  "updated_at" TIMESTAMP(6),
  "last_login_at" TIMESTAMP(6),
  "seen_at" TIMESTAMP(6),
  "activity_status" text COLLATE "C" NOT NULL,
  "recent_session_count" BIGINT,
  "recent_engaged_s" DOUBLE PRECISION,
  "engagement_score" DOUBLE PRECISION,
  "engagement_source" text COLLATE "C",
  "engagement_level" text COLLATE "C" NOT NULL,
  "acquisition_channel" text COLLATE "C" NOT NULL,
  "default_channel_group" text COLLATE "C" NOT NULL,
  "year_revenue_amount" DECIMAL(38, 4),
  "customer_tier" text COLLATE "C" NOT NULL,
  "flawed_fields" text COLLATE "C",
  "data_quality_score" BIGINT NOT NULL,
  "quality_band" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("customer_id", "valid_from")
);

CREATE INDEX ON "staging"."customers" ("valid_from");

CREATE TABLE "staging"."email_consents" (
  "customer_id" text COLLATE "C" NOT NULL,
  "email" text COLLATE "C",
  "has_email_consent" BOOLEAN NOT NULL,
  "email_consent_at" TIMESTAMP(6),
  PRIMARY KEY ("customer_id")
);

CREATE TABLE "mart"."customer_profiles" (
  "dimension" text COLLATE "C" NOT NULL,
  "value" text COLLATE "C" NOT NULL,
  "as_of_date" DATE NOT NULL,
  "customer_count" BIGINT NOT NULL,
  PRIMARY KEY ("dimension", "value")
);

CREATE TABLE "raw"."ad_spend" (
  "spend_id" text COLLATE "C",
  "platform" text COLLATE "C",
  "account_id" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "ad_group_id" text COLLATE "C",
  "ad_group_name" text COLLATE "C",
  "final_url" text COLLATE "C",
  "received_spend_date" text COLLATE "C",
  "received_until_date" text COLLATE "C",
  "received_spend_amount" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_impression_count" text COLLATE "C",
  "received_click_count" text COLLATE "C",
  "received_platform_conversion_count" text COLLATE "C",
  "received_platform_conversion_amount" text COLLATE "C",
  "spend_date" DATE,
  "until_date" DATE,
  "currency" text COLLATE "C",
  "account_time_zone" text COLLATE "C",
  "account_spend_amount" DECIMAL(18, 6),
  "spend_amount" DECIMAL(18, 6),
  "impression_count" BIGINT,
  "click_count" BIGINT,
  "platform_conversion_count" DECIMAL(18, 6),
  "account_conversion_amount" DECIMAL(18, 6),
  "platform_conversion_amount" DECIMAL(18, 6),
  "unrated_currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C"
);

CREATE INDEX ON "raw"."ad_spend" ("received_date");

CREATE TABLE "staging"."quarantined_ad_spend" (
  "spend_id" text COLLATE "C",
  "platform" text COLLATE "C",
  "account_id" text COLLATE "C",
  "campaign_id" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "ad_group_id" text COLLATE "C",
  "ad_group_name" text COLLATE "C",
  "final_url" text COLLATE "C",
  "received_spend_date" text COLLATE "C",
  "received_until_date" text COLLATE "C",
  "received_spend_amount" text COLLATE "C",
  "received_currency" text COLLATE "C",
  "received_impression_count" text COLLATE "C",
  "received_click_count" text COLLATE "C",
  "received_platform_conversion_count" text COLLATE "C",
  "received_platform_conversion_amount" text COLLATE "C",
  "spend_date" DATE,
  "until_date" DATE,
  "currency" text COLLATE "C",
  "account_time_zone" text COLLATE "C",
  "account_spend_amount" DECIMAL(18, 6),
  "spend_amount" DECIMAL(18, 6),
  "impression_count" BIGINT,
  "click_count" BIGINT,
  "platform_conversion_count" DECIMAL(18, 6),
  "account_conversion_amount" DECIMAL(18, 6),
  "platform_conversion_amount" DECIMAL(18, 6),
  "unrated_currency" text COLLATE "C",
  "left_out" text COLLATE "C",
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  "malformed_row" text COLLATE "C",
  "reject_reason" text COLLATE "C" NOT NULL
);

CREATE TABLE "staging"."ad_spend" (
  "spend_date" DATE NOT NULL,
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "level" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "ad_group_key" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "ad_group_id" text COLLATE "C",
  "ad_group_name" text COLLATE "C",
  "final_url" text COLLATE "C",
  "currency" text COLLATE "C" NOT NULL,
  "account_time_zone" text COLLATE "C",
  "account_spend_amount" DECIMAL(38, 6) NOT NULL,
  "spend_amount" DECIMAL(38, 6) NOT NULL,
  "impression_count" BIGINT,
  "click_count" BIGINT,
  "platform_conversion_count" DECIMAL(38, 6),
  "account_conversion_amount" DECIMAL(38, 6),
  "platform_conversion_amount" DECIMAL(38, 6),
  "is_counted" BOOLEAN NOT NULL,
  "is_conflict" BOOLEAN NOT NULL,
  "row_count" BIGINT NOT NULL,
  "received_at" TIMESTAMP(6),
  "received_date" DATE NOT NULL,
  "source_file" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("spend_date", "platform", "account_id", "level", "ad_group_key", "campaign_key")
);

CREATE TABLE "mart"."ad_spend_daily" (
  "spend_date" DATE NOT NULL,
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C",
  "campaign_name" text COLLATE "C",
  "currency" text COLLATE "C" NOT NULL,
  "account_time_zone" text COLLATE "C",
  "account_spend_amount" DECIMAL(38, 6) NOT NULL,
  "spend_amount" DECIMAL(38, 6) NOT NULL,
  "impression_count" BIGINT,
  "click_count" BIGINT,
  "platform_conversion_count" DECIMAL(38, 6),
  "platform_conversion_amount" DECIMAL(38, 6),
  "is_conflict" BOOLEAN NOT NULL,
  PRIMARY KEY ("spend_date", "platform", "account_id", "campaign_key")
);

CREATE TABLE "mart"."campaign_credit" (
  "converted_date" DATE NOT NULL,
  "unit" text COLLATE "C" NOT NULL,
  "conversion_id" text COLLATE "C" NOT NULL,
  "visitor_id" text COLLATE "C" NOT NULL,
  "customer_id" text COLLATE "C",
  "is_refund" BOOLEAN NOT NULL,
  "bought_date" DATE,
  "touched_date" DATE NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "ad_platform" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C" NOT NULL,
  "campaign" text COLLATE "C" NOT NULL,
  "first_credit" DECIMAL(18, 9) NOT NULL,
  "first_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "last_credit" DECIMAL(18, 9) NOT NULL,
  "last_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "last_non_direct_credit" DECIMAL(18, 9) NOT NULL,
  "last_non_direct_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "linear_credit" DECIMAL(18, 9) NOT NULL,
  "linear_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "position_credit" DECIMAL(18, 9) NOT NULL,
  "position_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "j_credit" DECIMAL(18, 9) NOT NULL,
  "j_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "time_decay_credit" DECIMAL(18, 9) NOT NULL,
  "time_decay_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "definition_hash" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("converted_date", "unit", "conversion_id", "visitor_id", "is_refund", "touched_date", "channel", "ad_platform", "campaign_id", "campaign")
);

CREATE TABLE "mart"."campaign_tags" (
  "channel" text COLLATE "C" NOT NULL,
  "ad_platform" text COLLATE "C" NOT NULL,
  "campaign_id" text COLLATE "C" NOT NULL,
  "campaign" text COLLATE "C" NOT NULL,
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "matched_by" text COLLATE "C" NOT NULL,
  "session_count" BIGINT NOT NULL,
  PRIMARY KEY ("channel", "ad_platform", "campaign_id", "campaign")
);

CREATE TABLE "mart"."ad_campaigns" (
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "campaign_name" text COLLATE "C" NOT NULL,
  "is_brand" BOOLEAN NOT NULL,
  "channel" text COLLATE "C" NOT NULL,
  "first_spend_date" DATE,
  "last_spend_date" DATE,
  PRIMARY KEY ("platform", "account_id", "campaign_key")
);

CREATE TABLE "mart"."marketing_daily" (
  "marketing_date" DATE NOT NULL,
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "model" text COLLATE "C" NOT NULL,
  "credited_order_count" DECIMAL(18, 9) NOT NULL,
  "credited_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "renewal_order_count" DECIMAL(18, 9) NOT NULL,
  "renewal_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "touched_order_count" DECIMAL(18, 9) NOT NULL,
  "touched_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "new_customer_count" DECIMAL(18, 9) NOT NULL,
  "first_order_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "contribution_revenue_amount" DECIMAL(38, 6),
  "contribution_before_ads_amount" DECIMAL(38, 6),
  "spend_amount" DECIMAL(38, 6) NOT NULL,
  "impression_count" BIGINT,
  "click_count" BIGINT,
  "session_count" BIGINT NOT NULL,
  "platform_conversion_count" DECIMAL(38, 6),
  "platform_conversion_amount" DECIMAL(38, 6),
  "roas" DOUBLE PRECISION,
  "platform_roas" DOUBLE PRECISION,
  "first_order_roas" DOUBLE PRECISION,
  "break_even_roas" DOUBLE PRECISION,
  "cost_per_new_customer" DOUBLE PRECISION,
  PRIMARY KEY ("marketing_date", "platform", "account_id", "campaign_key", "model")
);

CREATE TABLE "mart"."spend_reconciliation_daily" (
  "marketing_date" DATE NOT NULL,
  "platform" text COLLATE "C" NOT NULL,
  "account_id" text COLLATE "C" NOT NULL,
  "campaign_key" text COLLATE "C" NOT NULL,
  "spend_amount" DECIMAL(38, 6) NOT NULL,
  "click_count" BIGINT,
  "session_count" BIGINT NOT NULL,
  "click_without_session_count" BIGINT,
  "platform_conversion_count" DECIMAL(38, 6),
  "touched_order_count" DECIMAL(18, 9) NOT NULL,
  "overclaimed_order_count" DECIMAL(38, 6),
  "platform_conversion_amount" DECIMAL(38, 6),
  "touched_revenue_amount" DECIMAL(38, 4) NOT NULL,
  PRIMARY KEY ("marketing_date", "platform", "account_id", "campaign_key")
);

CREATE TABLE "mart"."customer_cohort_value" (
  "cohort_month_date" DATE NOT NULL,
  "months_since_count" BIGINT NOT NULL,
  "first_channel" text COLLATE "C" NOT NULL,
  "item_category" text COLLATE "C" NOT NULL,
  "discount_code" text COLLATE "C" NOT NULL,
  "country" text COLLATE "C" NOT NULL,
  "is_complete" BOOLEAN NOT NULL,
  "customer_count" BIGINT NOT NULL,
  "order_count" BIGINT NOT NULL,
  "revenue_amount" DECIMAL(38, 4) NOT NULL,
  "renewal_order_count" BIGINT NOT NULL,
  "renewal_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "contribution_revenue_amount" DECIMAL(38, 6),
  "contribution_before_ads_amount" DECIMAL(38, 6),
  "cumulative_order_count" BIGINT NOT NULL,
  "cumulative_revenue_amount" DECIMAL(38, 4) NOT NULL,
  "cumulative_contribution_amount" DECIMAL(38, 6),
  "revenue_per_customer" DOUBLE PRECISION,
  "contribution_per_customer" DOUBLE PRECISION,
  PRIMARY KEY ("cohort_month_date", "months_since_count", "first_channel", "item_category", "discount_code", "country")
);

CREATE TABLE "mart"."order_event_reconciliation" (
  "reconciled_date" DATE NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "cause" text COLLATE "C" NOT NULL,
  "side" text COLLATE "C" NOT NULL,
  "record_id" text COLLATE "C" NOT NULL,
  "order_id" text COLLATE "C",
  "order_date" DATE,
  "ordered_at" TIMESTAMP(6),
  "event_id" text COLLATE "C",
  "event_date" DATE,
  "event_at" TIMESTAMP(6),
  "named_order_id" text COLLATE "C",
  "customer_id" text COLLATE "C",
  "matched_by" text COLLATE "C",
  "order_amount" DECIMAL(38, 4),
  "event_amount" DECIMAL(38, 4),
  "difference_amount" DECIMAL(38, 4) NOT NULL,
  PRIMARY KEY ("reconciled_date", "kind", "side", "record_id", "cause")
);

CREATE TABLE "mart"."order_event_reconciliation_daily" (
  "reconciled_date" DATE NOT NULL,
  "order_count" BIGINT NOT NULL,
  "event_count" BIGINT NOT NULL,
  "matched_count" BIGINT NOT NULL,
  "order_amount" DECIMAL(38, 4) NOT NULL,
  "event_amount" DECIMAL(38, 4) NOT NULL,
  "difference_amount" DECIMAL(38, 4) NOT NULL,
  "missing_event_count" BIGINT NOT NULL,
  "missing_event_amount" DECIMAL(38, 4) NOT NULL,
  "missing_order_count" BIGINT NOT NULL,
  "missing_order_amount" DECIMAL(38, 4) NOT NULL,
  "amount_differs_count" BIGINT NOT NULL,
  "amount_differs_amount" DECIMAL(38, 4) NOT NULL,
  "other_parts_count" BIGINT NOT NULL,
  "other_parts_amount" DECIMAL(38, 4) NOT NULL,
  "duplicate_count" BIGINT NOT NULL,
  "duplicate_amount" DECIMAL(38, 4) NOT NULL,
  "refund_count" BIGINT NOT NULL,
  "refund_amount" DECIMAL(38, 4) NOT NULL,
  "time_zone_shift_count" BIGINT NOT NULL,
  "time_zone_shift_amount" DECIMAL(38, 4) NOT NULL,
  "sent_sums" text COLLATE "C",
  PRIMARY KEY ("reconciled_date")
);

CREATE TABLE "mart"."restatements" (
  "restated_date" DATE NOT NULL,
  "table_name" text COLLATE "C" NOT NULL,
  "restatement_number" BIGINT NOT NULL,
  "row_key" text COLLATE "C" NOT NULL,
  "column_name" text COLLATE "C" NOT NULL,
  "before_value" DOUBLE PRECISION,
  "after_value" DOUBLE PRECISION,
  "difference" DOUBLE PRECISION,
  "cause" text COLLATE "C" NOT NULL,
  "late_row_count" BIGINT NOT NULL,
  "withdrawn_row_count" BIGINT NOT NULL,
  "late_row_ids" text COLLATE "C",
  "published_run_id" text COLLATE "C" NOT NULL,
  "run_id" text COLLATE "C" NOT NULL,
  "restated_at" TIMESTAMP(6) NOT NULL,
  PRIMARY KEY ("restated_date", "table_name", "restatement_number", "row_key", "column_name")
);

CREATE TABLE "mart"."findings" (
  "kind" text COLLATE "C" NOT NULL,
  "funnel_name" text COLLATE "C" NOT NULL,
  "step" BIGINT NOT NULL,
  "dimension" text COLLATE "C" NOT NULL,
  "subject" text COLLATE "C" NOT NULL,
  "first_date" DATE NOT NULL,
  "last_date" DATE NOT NULL,
  "observed_number" DOUBLE PRECISION NOT NULL,
  "expected_number" DOUBLE PRECISION,
  "bound_number" DOUBLE PRECISION,
  "weekly_amount" DECIMAL(38, 4),
  "cause" text COLLATE "C",
  "remedy" text COLLATE "C",
  PRIMARY KEY ("kind", "funnel_name", "step", "dimension", "subject")
);

CREATE TABLE "export"."deliveries" (
  "record_date" DATE NOT NULL,
  "destination" text COLLATE "C" NOT NULL,
  "account" text COLLATE "C" NOT NULL,
  "record_id" text COLLATE "C" NOT NULL,
  "outcome" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C",
  "words" text COLLATE "C",
  "batch_number" BIGINT NOT NULL,
  "attempt_count" BIGINT NOT NULL,
  "sending_count" BIGINT NOT NULL,
  "intended_at" TIMESTAMP(6) NOT NULL,
  "answered_at" TIMESTAMP(6),
  "changed_at" TIMESTAMP(6),
  "payload_hash" text COLLATE "C",
  PRIMARY KEY ("record_date", "destination", "account", "record_id")
);

CREATE TABLE "export"."dead_letters" (
  "record_date" DATE NOT NULL,
  "destination" text COLLATE "C" NOT NULL,
  "account" text COLLATE "C" NOT NULL,
  "record_id" text COLLATE "C" NOT NULL,
  "outcome" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C",
  "words" text COLLATE "C",
  "batch_number" BIGINT NOT NULL,
  PRIMARY KEY ("record_date", "destination", "account", "record_id")
);

CREATE TABLE "export"."reconciliation_daily" (
  "reconciled_date" DATE NOT NULL,
  "destination" text COLLATE "C" NOT NULL,
  "account" text COLLATE "C" NOT NULL,
  "due_count" BIGINT NOT NULL,
  "accepted_count" BIGINT NOT NULL,
  "unacknowledged_count" BIGINT NOT NULL,
  "rejected_count" BIGINT NOT NULL,
  "refused_count" BIGINT NOT NULL,
  "in_doubt_count" BIGINT NOT NULL,
  "pending_count" BIGINT NOT NULL,
  "changed_count" BIGINT NOT NULL,
  "newest_batch_number" BIGINT NOT NULL,
  "order_count" BIGINT NOT NULL,
  "purchase_count" BIGINT NOT NULL,
  "accepted_purchase_count" BIGINT NOT NULL,
  "unacknowledged_purchase_count" BIGINT NOT NULL,
  PRIMARY KEY ("reconciled_date", "destination", "account")
);
