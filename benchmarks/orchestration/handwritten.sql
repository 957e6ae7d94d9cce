-- The main tables of events, as somebody would write them by hand for one DuckDB process and all of history at once:
-- no days to replace, no other engine, no checks, no lineage. `handwritten.py` runs it, and compares the tables.

SET TimeZone = 'UTC';
SET preserve_insertion_order = false;
CREATE SCHEMA raw;
CREATE SCHEMA staging;
CREATE SCHEMA mart;

-- Placeholders in place of an id, as docs/metrics/events.md lists them.
CREATE MACRO known(id) AS CASE
  WHEN lower(id) NOT IN (
    '', 'null', '(null)', '<null>', '[null]', '\n', 'nil', '<nil>', 'nan', 'n/a', '#n/a', 'na', '<na>', 'undefined',
    '(undefined)', '[object object]', 'none', '(none)', '-', '--', '(not set)', '(not provided)', 'unknown', '-1', '0',
    'anonymous', 'anon', 'test', 'testuser', 'test_user', 'test-user', '(no consent)',
    '00000000-0000-0000-0000-000000000000', '00000000000000000000000000000000') THEN id
END;

CREATE TABLE raw.events AS
SELECT *, event_at::DATE AS event_date
FROM (
  SELECT
    nullif(event_id, '') AS event_id, nullif(user_id, '') AS user_id, nullif(event_type, '') AS event_type,
    nullif(event_timestamp, '') AS event_timestamp, nullif(product_id, '') AS product_id,
    nullif(product_category, '') AS product_category, nullif(session_id, '') AS session_id,
    nullif(page_url, '') AS page_url, nullif(referrer_url, '') AS referrer_url, nullif(cart_value, '') AS cart_value,
    nullif(anonymous_id, '') AS anonymous_id, nullif(user_agent, '') AS user_agent,
    nullif(properties, '') AS properties, received_date::DATE AS received_date, filename AS source_file,
    try_cast(event_timestamp AS TIMESTAMPTZ)::TIMESTAMP AS event_at,
    try_cast(received_at AS TIMESTAMPTZ)::TIMESTAMP AS received_at,
    try_cast(cart_value AS DECIMAL(18, 4)) AS cart_amount
  FROM read_parquet('{events}/*/*.parquet', hive_partitioning = true, filename = true)
);

CREATE VIEW staging.classified AS
SELECT * REPLACE (CASE
    WHEN abs(cart_amount) > 100_000_000 THEN NULL
    WHEN event_type = 'refund' THEN abs(cart_amount)
    WHEN cart_amount < 0 AND event_type IN ('page_view', 'product_view', 'category_view', 'search', 'add_to_cart',
      'remove_from_cart', 'checkout_start') THEN NULL
    ELSE cart_amount
  END AS cart_amount),
  coalesce(event_date <= received_date + 1 AND received_date <= event_date + 7, false) AS is_in_time,
  CASE
    WHEN event_id IS NULL THEN 'missing_event_id'
    WHEN event_at IS NULL THEN 'unparseable_timestamp'
    WHEN event_at > coalesce(received_at, received_date + INTERVAL 1 DAY) + INTERVAL 1 HOUR
      OR event_date > received_date + 1 THEN 'future_timestamp'
    WHEN coalesce(known(user_id), known(session_id), known(anonymous_id)) IS NULL THEN 'missing_identity'
    WHEN event_type IS NULL OR length(event_type) > 255 OR regexp_matches(event_type, '^ | $|[\x00-\x1f\x7f]')
      THEN 'malformed_event_type'
    WHEN NOT (event_date <= received_date + 1 AND received_date <= event_date + 7) THEN 'too_late'
  END AS reject_reason
FROM (SELECT *, rowid AS row_id FROM raw.events);

CREATE TABLE staging.quarantined_events AS
SELECT * EXCLUDE (is_in_time, row_id), CASE WHEN is_in_time THEN event_date ELSE received_date END AS accounted_date
FROM staging.classified
WHERE reject_reason IS NOT NULL;

-- Rows of one id are copies if they agree in who, what and amount; others are different events.
CREATE TEMP TABLE arrivals AS
WITH copies AS (
  SELECT * FROM staging.classified WHERE reject_reason IS NULL
), ids AS (
  SELECT event_id FROM copies GROUP BY event_id HAVING count(*) > 1 OR event_id[-17] = '~'
), contents AS (
  SELECT row_id, event_date, event_id, received_date, received_at, source_file,
    md5(concat_ws(chr(31), event_id, coalesce(user_id, ''), event_type, event_timestamp, coalesce(product_id, ''),
      coalesce(product_category, ''), coalesce(session_id, ''), coalesce(page_url, ''), coalesce(referrer_url, ''),
      coalesce(cart_value, ''), coalesce(anonymous_id, ''), coalesce(user_agent, ''), coalesce(properties, '')
    )) AS texts,
    coalesce('user ' || known(user_id), 'device ' || known(anonymous_id), 'session ' || session_id) AS who,
    coalesce('product ' || product_id, '') AS product,
    coalesce(CASE WHEN (cart_amount * 100) % 1 = 0 THEN (cart_amount * 100)::BIGINT::VARCHAR
      ELSE (cart_amount * 10_000)::BIGINT || 'e-4' END, '') AS cents,
    md5(md5(who) || md5(event_type) || md5(product) || md5(cents) || md5(''))[:16] AS content
  FROM copies SEMI JOIN ids USING (event_id)
)
SELECT row_id, event_date, event_id, content, received_date, received_at, row_number() OVER in_order AS arrival,
  coalesce(received_date <= lag(received_date) OVER in_order + 8, false) AS is_surplus
FROM contents
WINDOW in_order AS (
  PARTITION BY event_id, content ORDER BY received_date, received_at NULLS LAST, texts, source_file
);

-- Of the events that share an id near a day, the one that arrived first keeps it.
CREATE TEMP TABLE first_contents AS
SELECT days.event_date, event_id,
  arg_min(content, (near.received_date, coalesce(received_at, TIMESTAMP '9999-12-30'), content)) AS first_content
FROM (SELECT DISTINCT event_date, event_id FROM arrivals) AS days
JOIN arrivals AS near USING (event_id)
WHERE near.received_date BETWEEN days.event_date - 9 AND days.event_date + 7
GROUP BY ALL
HAVING min(content) < max(content);

CREATE TEMP TABLE repeated AS
WITH named AS (
  SELECT arrivals.*, coalesce(content <> first_content, false) OR event_id[-17] = '~' AS is_other,
    first_content IS NOT NULL OR is_other AS disagrees,
    CASE WHEN is_other THEN event_id || '~' || content ELSE event_id END AS clean_event_id
  FROM arrivals LEFT JOIN first_contents USING (event_date, event_id)
)
SELECT *, sum(is_surplus::INT) OVER of_event AS surplus_count,
  sum(is_surplus::INT) OVER of_event < count(*) OVER of_event AS has_kept_copy,
  row_number() OVER (PARTITION BY event_date, clean_event_id ORDER BY arrival) = 1 AS is_first
FROM named
WINDOW of_event AS (PARTITION BY event_date, clean_event_id);

CREATE TABLE staging.duplicate_events AS
SELECT event_date, clean_event_id AS event_id, CASE WHEN disagrees THEN event_id END AS source_event_id,
  surplus_count, has_kept_copy, min(received_date) AS first_received_date, max(received_date) AS last_received_date
FROM repeated
WHERE surplus_count > 0 OR disagrees
GROUP BY ALL;

CREATE TABLE staging.events AS
WITH copies AS (
  SELECT * REPLACE (known(user_id) AS user_id, known(session_id) AS session_id, known(anonymous_id) AS anonymous_id)
  FROM staging.classified
  WHERE reject_reason IS NULL
), leaving AS (
  SELECT row_id FROM repeated WHERE (surplus_count > 0 OR disagrees) AND NOT (has_kept_copy AND is_first)
), renamed AS (
  SELECT row_id, clean_event_id FROM repeated WHERE is_other
), sightings AS (
  SELECT session_id, user_id, event_date, received_date
  FROM copies
  WHERE user_id IS NOT NULL AND session_id IN (SELECT session_id FROM copies WHERE user_id IS NULL)
), near AS (
  SELECT session_id, event_date AS seen_date, user_id, 0 AS place FROM sightings
  UNION ALL
  SELECT session_id, event_date - 1, user_id, 1 FROM sightings WHERE received_date <= event_date + 6
  UNION ALL
  SELECT session_id, event_date + 1, user_id, 2 FROM sightings WHERE received_date >= event_date
), known AS (
  SELECT session_id AS known_session, seen_date, coalesce(min(user_id) FILTER (place = 0),
    min(user_id) FILTER (place = 1), min(user_id) FILTER (place = 2)) AS known_user
  FROM near
  GROUP BY ALL
)
SELECT coalesce(clean_event_id, event_id) AS event_id, event_at, event_date,
  coalesce(user_id, known_user, 'anon-' || coalesce(session_id, anonymous_id)) AS visitor_id, event_type,
  user_id, session_id AS source_session_id, product_id, product_category, page_url, referrer_url, cart_amount,
  user_agent, properties,
  coalesce(regexp_matches(lower(user_agent), '(^|[^u])bots?([^a-z]|$)|crawl(er|ing)|spider|slurp|headless'), false)
    AS is_bot,
  received_date, source_file
FROM copies
ANTI JOIN leaving USING (row_id)
LEFT JOIN renamed USING (row_id)
LEFT JOIN known ON user_id IS NULL AND session_id = known_session AND event_date = seen_date;

CREATE TEMP TABLE numbered AS
WITH gaps AS (
  SELECT *, lag(event_at) OVER (PARTITION BY visitor_id ORDER BY event_at, event_id) AS previous_at
  FROM staging.events
), cuts AS (
  SELECT *, coalesce(event_at > previous_at + INTERVAL 30 MINUTE, true) AS begins FROM gaps
)
SELECT event_id, event_at, event_date, visitor_id, event_type, product_id, product_category, page_url, cart_amount,
  is_bot, sum(begins::INT) OVER visits AS session,
  sum((begins OR event_date > previous_at::DATE)::INT) OVER visits AS fragment
FROM cuts
WINDOW visits AS (PARTITION BY visitor_id ORDER BY event_at, event_id ROWS UNBOUNDED PRECEDING);

CREATE TEMP TABLE ordered AS
SELECT *, first_value(event_at) OVER in_fragment AS fragment_started_at, row_number() OVER in_fragment AS event_number,
  (epoch_us(lead(event_at) OVER in_fragment) - epoch_us(event_at)) / 1e6 AS until_next_s
FROM numbered
WINDOW in_fragment AS (PARTITION BY visitor_id, fragment ORDER BY event_at, event_id);

CREATE TABLE mart.session_events AS
SELECT * EXCLUDE (session, fragment) FROM ordered;

CREATE TEMP TABLE fragments AS
SELECT visitor_id, session, event_date, min(event_at) AS started_at, max(event_at) AS ended_at,
  count(*) AS event_count,
  count(*) FILTER (event_type IN ('page_view', 'product_view', 'category_view')) AS view_count,
  count(*) FILTER (event_type = 'page_view') AS page_view_count,
  count(*) FILTER (event_type = 'product_view') AS product_view_count,
  count(*) FILTER (event_type = 'category_view') AS category_view_count,
  count(*) FILTER (event_type = 'search') AS search_count,
  count(*) FILTER (event_type = 'add_to_cart') AS add_to_cart_count,
  count(*) FILTER (event_type = 'remove_from_cart') AS remove_from_cart_count,
  count(*) FILTER (event_type = 'checkout_start') AS checkout_start_count,
  count(*) FILTER (event_type = 'purchase') AS purchase_count,
  count(*) FILTER (event_type = 'refund') AS refund_count,
  purchase_count AS key_event_count,
  coalesce(sum(cart_amount) FILTER (event_type = 'purchase'), 0)::DECIMAL(38, 4) AS purchase_amount,
  arg_min_null(page_url, event_number) AS entry_page_url,
  arg_max_null(page_url, event_number) AS exit_page_url,
  arg_min(product_category, event_number) AS first_product_category,
  bool_or(is_bot) OR (event_count >= 300 AND date_diff('microsecond', min(event_at), max(event_at))
    <= event_count * 2000000) AS is_bot
FROM ordered
GROUP BY visitor_id, session, fragment, event_date;

CREATE TABLE mart.session_days AS
SELECT * EXCLUDE (session),
  started_at <= event_date + INTERVAL 30 MINUTE AS is_near_previous_midnight,
  ended_at >= event_date + INTERVAL 1410 MINUTE AS is_near_next_midnight
FROM fragments;

CREATE TABLE mart.sessions AS
WITH whole AS (
  SELECT visitor_id, session, min(started_at) AS started_at, max(ended_at) AS ended_at,
    min(event_date) AS started_date, max(event_date) AS ended_date,
    sum(COLUMNS('.*_count$'))::BIGINT, sum(purchase_amount)::DECIMAL(38, 4) AS purchase_amount,
    arg_min_null(entry_page_url, started_at) AS entry_page_url,
    arg_max_null(exit_page_url, started_at) AS exit_page_url,
    arg_min(first_product_category, started_at) AS first_product_category, bool_or(is_bot) AS is_bot
  FROM fragments
  GROUP BY visitor_id, session
)
SELECT *, visitor_id || '-' || epoch_us(started_at) // 1000000 AS session_id,
  date_diff('microsecond', started_at, ended_at) / 1e6 AS duration_s,
  duration_s > 10 OR key_event_count > 0 OR view_count >= 2 AS is_engaged, view_count <= 1 AS is_single_page
FROM whole;

CREATE TABLE mart.engagement_daily AS
WITH came AS (
  SELECT visitor_id, event_date, lead(event_date) OVER (PARTITION BY visitor_id ORDER BY event_date) AS next_date
  FROM (SELECT DISTINCT visitor_id, event_date FROM fragments)
), changes AS (
  SELECT event_date AS day, 1 AS daily, 1 AS weekly, 1 AS monthly FROM came
  UNION ALL SELECT least(event_date + 1, next_date), -1, 0, 0 FROM came
  UNION ALL SELECT least(event_date + 7, next_date), 0, -1, 0 FROM came
  UNION ALL SELECT least(event_date + 30, next_date), 0, 0, -1 FROM came
), active AS (
  SELECT day AS event_date, (sum(sum(daily)) OVER days)::BIGINT AS daily_visitor_count,
    (sum(sum(weekly)) OVER days)::BIGINT AS weekly_visitor_count,
    (sum(sum(monthly)) OVER days)::BIGINT AS monthly_visitor_count
  FROM changes
  GROUP BY day
  WINDOW days AS (ORDER BY day)
), of_day AS (
  SELECT started_date AS event_date, count(*) AS sessions, count(*) FILTER (is_engaged) AS engaged,
    count(*) FILTER (is_single_page) AS single_page, count(*) FILTER (is_bot) AS bots, sum(view_count) AS views,
    sum(date_diff('microsecond', started_at, ended_at)) AS length_us, median(duration_s) AS median_duration_s
  FROM mart.sessions
  GROUP BY 1
)
SELECT event_date, coalesce(sessions, 0) AS session_count, coalesce(engaged, 0) AS engaged_session_count,
  coalesce(single_page, 0) AS single_page_session_count, coalesce(bots, 0) AS bot_session_count,
  engaged / sessions AS engagement_rate, 1 - engaged / sessions AS bounce_rate,
  single_page / sessions AS single_page_rate, views / sessions AS pages_per_session,
  length_us / sessions / 1e6 AS mean_duration_s, median_duration_s, daily_visitor_count, weekly_visitor_count,
  monthly_visitor_count, daily_visitor_count / monthly_visitor_count AS stickiness_rate
FROM active
LEFT JOIN of_day USING (event_date)
WHERE daily_visitor_count > 0;

CREATE TEMP TABLE steps AS
SELECT visitor_id, session, event_date, event_at,
  list_position(['page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase'], event_type) AS step
FROM ordered
WHERE event_type IN ('page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase');

CREATE TEMP TABLE attempts AS
SELECT visitor_id, event_date AS cohort_date, max(event_at) + INTERVAL 7 DAY AS closes_at
FROM steps
WHERE step = 1
GROUP BY ALL;

CREATE TEMP TABLE levels AS
WITH reached_1 AS (
  SELECT visitor_id, session, min(event_at) AS reached_at FROM steps WHERE step = 1 GROUP BY ALL
), reached_2 AS (
  SELECT visitor_id, session, min(event_at) AS reached_at FROM steps JOIN reached_1 USING (visitor_id, session)
  WHERE step = 2 AND event_at >= reached_at GROUP BY ALL
), reached_3 AS (
  SELECT visitor_id, session, min(event_at) AS reached_at FROM steps JOIN reached_2 USING (visitor_id, session)
  WHERE step = 3 AND event_at >= reached_at GROUP BY ALL
), reached_4 AS (
  SELECT visitor_id, session, min(event_at) AS reached_at FROM steps JOIN reached_3 USING (visitor_id, session)
  WHERE step = 4 AND event_at >= reached_at GROUP BY ALL
), reached_5 AS (
  SELECT visitor_id, session, min(event_at) AS reached_at FROM steps JOIN reached_4 USING (visitor_id, session)
  WHERE step = 5 AND event_at >= reached_at GROUP BY ALL
), session_levels AS (
  SELECT visitor_id, session, max(level) AS level
  FROM (
    SELECT visitor_id, session, 1 AS level FROM reached_1
    UNION ALL SELECT visitor_id, session, 2 FROM reached_2
    UNION ALL SELECT visitor_id, session, 3 FROM reached_3
    UNION ALL SELECT visitor_id, session, 4 FROM reached_4
    UNION ALL SELECT visitor_id, session, 5 FROM reached_5
  )
  GROUP BY ALL
), whole AS (
  SELECT visitor_id, session, min(event_date) AS cohort_date,
    arg_min(first_product_category, started_at) AS product_category
  FROM fragments
  GROUP BY ALL
), of_attempts AS (
  SELECT visitor_id, cohort_date, event_at, step, CASE WHEN step = 1 THEN event_at END AS start_1
  FROM (SELECT *, event_date - unnest(CASE WHEN step = 1 THEN [0] ELSE range(8) END)::INT AS cohort_date FROM steps)
  JOIN attempts USING (visitor_id, cohort_date)
  WHERE event_at <= closes_at
), hits_2 AS (
  SELECT *, max(start_1) OVER chain AS latest FROM of_attempts
  WINDOW chain AS (PARTITION BY visitor_id, cohort_date ORDER BY event_at, step ROWS UNBOUNDED PRECEDING)
), starts_2 AS (
  SELECT visitor_id, cohort_date, event_at, step,
    CASE WHEN step = 2 AND event_at - latest <= INTERVAL 7 DAY THEN latest END AS start_2
  FROM hits_2 WHERE step >= 2
), hits_3 AS (
  SELECT *, max(start_2) OVER chain AS latest FROM starts_2
  WINDOW chain AS (PARTITION BY visitor_id, cohort_date ORDER BY event_at, step ROWS UNBOUNDED PRECEDING)
), starts_3 AS (
  SELECT visitor_id, cohort_date, event_at, step, start_2,
    CASE WHEN step = 3 AND event_at - latest <= INTERVAL 7 DAY THEN latest END AS start_3
  FROM hits_3
), hits_4 AS (
  SELECT *, max(start_3) OVER chain AS latest FROM starts_3
  WINDOW chain AS (PARTITION BY visitor_id, cohort_date ORDER BY event_at, step ROWS UNBOUNDED PRECEDING)
), starts_4 AS (
  SELECT visitor_id, cohort_date, event_at, step, start_2, start_3,
    CASE WHEN step = 4 AND event_at - latest <= INTERVAL 7 DAY THEN latest END AS start_4
  FROM hits_4
), hits_5 AS (
  SELECT *, max(start_4) OVER chain AS latest FROM starts_4
  WINDOW chain AS (PARTITION BY visitor_id, cohort_date ORDER BY event_at, step ROWS UNBOUNDED PRECEDING)
), later_levels AS (
  SELECT visitor_id, cohort_date, max(CASE
    WHEN step = 5 AND event_at - latest <= INTERVAL 7 DAY THEN 5
    WHEN start_4 IS NOT NULL THEN 4 WHEN start_3 IS NOT NULL THEN 3 WHEN start_2 IS NOT NULL THEN 2 ELSE 1 END) AS level
  FROM hits_5
  GROUP BY ALL
), categories AS (
  SELECT visitor_id, cohort_date, arg_min(first_product_category, started_at) AS product_category
  FROM (SELECT *, event_date - unnest(range(8))::INT AS cohort_date FROM fragments
    WHERE first_product_category IS NOT NULL)
  JOIN attempts USING (visitor_id, cohort_date)
  WHERE started_at <= closes_at
  GROUP BY ALL
)
SELECT 'session' AS unit, cohort_date, coalesce(product_category, '(none)') AS product_category, level
FROM session_levels JOIN whole USING (visitor_id, session)
UNION ALL
SELECT 'visitor', cohort_date, coalesce(product_category, '(none)'), coalesce(level, 1)
FROM attempts
LEFT JOIN later_levels USING (visitor_id, cohort_date)
LEFT JOIN categories USING (visitor_id, cohort_date);

CREATE TABLE mart.conversion_funnel AS
WITH reached AS (
  SELECT cohort_date, unit, CASE WHEN grouping(product_category) = 1 THEN '(all)' ELSE product_category END
    AS product_category, count(*) AS "1", count(*) FILTER (level >= 2) AS "2", count(*) FILTER (level >= 3) AS "3",
    count(*) FILTER (level >= 4) AS "4", count(*) FILTER (level >= 5) AS "5"
  FROM levels
  GROUP BY GROUPING SETS ((cohort_date, unit, product_category), (cohort_date, unit))
), by_step AS (
  UNPIVOT reached ON "1", "2", "3", "4", "5" INTO NAME step VALUE unit_count
)
SELECT cohort_date, unit, product_category, step::BIGINT AS step,
  ['page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase'][step::INT] AS event_type, unit_count,
  unit_count / nullif(first_value(unit_count) OVER steps, 0) AS conversion_from_start_rate,
  unit_count / nullif(coalesce(lag(unit_count) OVER steps, unit_count), 0) AS conversion_from_previous_rate
FROM by_step
WINDOW steps AS (PARTITION BY cohort_date, unit, product_category ORDER BY step);
