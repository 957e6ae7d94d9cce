-- The tables of `ecom run --events`, as somebody would write them by hand for one DuckDB process, one shop and all of
-- its history at once: days in UTC, the sites and countries that this shop has, no days to replace, no other engine, no
-- checks, no lineage. `handwritten.py` runs it part by part, and compares the tables. A part begins with `-- ==` and
-- the table that it writes; one in brackets is what several tables read.

-- == (settings)

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
CREATE MACRO joins_nobody(id) AS known(id) IS NULL OR regexp_matches(id, '^[0-]+$') OR lower(id) IN (
  'guest', 'distinctid', 'distinct_id', 'id', 'not_authenticated', 'email', 'true', 'false');
CREATE MACRO share(part, whole) AS part::DOUBLE / nullif(whole::DOUBLE, 0);

-- == raw.events

CREATE TABLE raw.events AS
SELECT * REPLACE (event_at::DATE AS event_date)
FROM (
  SELECT
    nullif(event_id, '') AS event_id, nullif(user_id, '') AS user_id, nullif(event_type, '') AS event_type,
    nullif(event_timestamp, '') AS event_timestamp, nullif(product_id, '') AS product_id,
    nullif(product_category, '') AS product_category, nullif(session_id, '') AS session_id,
    nullif(page_url, '') AS page_url, nullif(referrer_url, '') AS referrer_url, nullif(cart_value, '') AS cart_value,
    nullif(anonymous_id, '') AS anonymous_id, nullif(user_agent, '') AS user_agent,
    nullif(properties, '') AS properties, NULL::VARCHAR AS sent_by,
    try_cast(event_timestamp AS TIMESTAMPTZ)::TIMESTAMP AS event_at, NULL::DATE AS event_date,
    try_cast(cart_value AS DECIMAL(18, 4)) AS cart_amount, NULL::VARCHAR AS unrated_currency,
    try_cast(received_at AS TIMESTAMPTZ)::TIMESTAMP AS received_at, received_date::DATE AS received_date,
    '{events}' AS source, filename[length('{events}') + 2:] AS source_file, NULL::VARCHAR AS malformed_row,
    NULL::VARCHAR AS campaign_source, NULL::VARCHAR AS campaign_medium, NULL::VARCHAR AS campaign_name, NULL::VARCHAR AS campaign_id, NULL::VARCHAR AS click_id, NULL::VARCHAR AS campaign_scope
  FROM read_parquet('{events}/*/*.parquet', hive_partitioning = true, filename = true)
);

-- == staging.quarantined_events

CREATE TEMP TABLE rejected AS
SELECT row_id, reject_reason, CASE WHEN is_in_time THEN event_date ELSE received_date END AS accounted_date
FROM (
  SELECT rowid AS row_id, event_date, received_date,
    coalesce(event_date <= received_date + 1 AND received_date <= event_date + 7, false) AS is_in_time,
    CASE
      WHEN event_id IS NULL THEN 'missing_event_id'
      WHEN event_at IS NULL THEN 'unparseable_timestamp'
      WHEN event_at > coalesce(received_at, received_date + INTERVAL 1 DAY) + INTERVAL 1 HOUR
        OR event_date > received_date + 1 THEN 'future_timestamp'
      WHEN coalesce(known(user_id), known(session_id), known(anonymous_id)) IS NULL THEN 'missing_identity'
      WHEN event_type IS NULL OR event_type NOT IN ('page_view', 'product_view', 'category_view', 'search',
          'add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase', 'refund')
        AND (length(event_type) > 255 OR regexp_matches(event_type, '^ | $|[^ -~\x{a0}-\x{10fffd}]'))
        THEN 'malformed_event_type'
      WHEN NOT is_in_time THEN 'too_late'
    END AS reject_reason
  FROM raw.events
)
WHERE reject_reason IS NOT NULL;

CREATE TABLE staging.quarantined_events AS
SELECT events.*, accounted_date, reject_reason
FROM raw.events JOIN rejected ON events.rowid = row_id;

-- == staging.duplicate_events

-- Rows of one id are copies if they agree in who, what and amount; others are different events.
CREATE TEMP TABLE arrivals AS
WITH ids AS (
  SELECT event_id FROM raw.events ANTI JOIN rejected ON events.rowid = row_id
  GROUP BY event_id HAVING count(*) > 1 OR event_id[-17] = '~'
), contents AS (
  SELECT events.rowid AS row_id, event_date, event_id, received_date, received_at, source_file,
    md5(concat_ws(chr(31), event_id, coalesce(user_id, ''), event_type, event_timestamp, coalesce(product_id, ''),
      coalesce(product_category, ''), coalesce(session_id, ''), coalesce(page_url, ''), coalesce(referrer_url, ''),
      coalesce(cart_value, ''), coalesce(anonymous_id, ''), coalesce(user_agent, ''), coalesce(properties, '')
    )) AS texts,
    coalesce('user ' || known(user_id), 'device ' || known(anonymous_id), 'session ' || session_id) AS who,
    coalesce('product ' || product_id, '') AS product,
    if(event_type = 'refund', abs(cart_amount), cart_amount) AS amount,
    coalesce(CASE WHEN (amount * 100) % 1 = 0 THEN (amount * 100)::BIGINT::VARCHAR
      ELSE (amount * 10_000)::BIGINT || 'e-4' END, '') AS cents,
    md5(md5(who) || md5(event_type) || md5(product) || md5(cents) || md5(''))[:16] AS content
  FROM raw.events SEMI JOIN ids USING (event_id) ANTI JOIN rejected ON events.rowid = rejected.row_id
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
SELECT event_date, clean_event_id AS event_id, if(disagrees, event_id, NULL) AS source_event_id,
  if(disagrees, content, NULL) AS content_hash, surplus_count::BIGINT AS surplus_count, has_kept_copy,
  min(received_date) AS first_received_date, max(received_date) AS last_received_date
FROM repeated
WHERE surplus_count > 0 OR disagrees
GROUP BY ALL;

-- == (clean rows)

CREATE TEMP TABLE leaving AS
SELECT row_id FROM rejected
UNION ALL
SELECT row_id FROM repeated WHERE (surplus_count > 0 OR disagrees) AND NOT (has_kept_copy AND is_first);

CREATE TEMP TABLE renamed AS
SELECT row_id, clean_event_id FROM repeated WHERE is_other;

CREATE TEMP TABLE robots AS
SELECT DISTINCT user_agent FROM raw.events
WHERE regexp_matches(lower(user_agent), '(^|[^u])bots?([^a-z]|$)|crawl(er|ing)|spider|slurp|headless');

-- == staging.identity_links

CREATE TABLE staging.identity_links AS
WITH events AS (
  SELECT event_date, coalesce(known(anonymous_id), known(session_id)) AS device_id,
    known(anonymous_id) IS NOT NULL AS is_device, event_at, coalesce(clean_event_id, event_id) AS event_id,
    if(user_agent IN (FROM robots), NULL, known(user_id)) AS user_id,
    if(event_type = 'identify', event_at, NULL) AS identify_at
  FROM raw.events
  ANTI JOIN leaving ON events.rowid = leaving.row_id
  LEFT JOIN renamed ON events.rowid = renamed.row_id
), begun AS (
  SELECT *, event_at <= lag(event_at) OVER in_order + INTERVAL 30 MINUTE
      AND user_id IS NOT DISTINCT FROM lag(user_id) OVER in_order AS goes_on,
    row_number() OVER in_order AS place
  FROM events
  WHERE device_id IS NOT NULL
  WINDOW in_order AS (PARTITION BY event_date, device_id ORDER BY event_at, event_id)
), runs AS (
  SELECT *, count(*) FILTER (goes_on IS NOT TRUE) OVER (
    PARTITION BY event_date, device_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS run_number
  FROM begun
)
SELECT event_date, device_id, run_number, bool_or(is_device) AS is_device, any_value(user_id) AS user_id,
  min(event_at) AS first_seen_at, arg_min(event_id, place) AS first_event_id, max(event_at) AS last_seen_at,
  arg_max(event_id, place) AS last_event_id, count(*) AS event_count, min(identify_at) AS identified_at,
  false AS is_public
FROM runs
GROUP BY event_date, device_id, run_number;

-- == staging.identity_aliases

CREATE TABLE staging.identity_aliases AS
SELECT event_date, coalesce(clean_event_id, event_id) AS event_id, event_at, user_id,
  coalesce(properties ->> 'previous_id', properties ->> 'previousId', properties ->> 'previous_user_id') AS previous_id
FROM raw.events
ANTI JOIN leaving ON events.rowid = leaving.row_id
LEFT JOIN renamed ON events.rowid = renamed.row_id
WHERE event_type = 'alias' AND user_agent NOT IN (FROM robots) AND NOT joins_nobody(user_id)
  AND NOT joins_nobody(previous_id) AND previous_id <> user_id;

-- == mart.shared_ids

CREATE TABLE mart.shared_ids AS
WITH pairs AS (
  SELECT DISTINCT device_id, is_device, user_id FROM staging.identity_links WHERE user_id IS NOT NULL
), devices AS (
  SELECT device_id, is_device, count(DISTINCT user_id) AS user_count FROM pairs GROUP BY ALL
), users AS (
  SELECT user_id, count(DISTINCT device_id) AS any_count, count(DISTINCT device_id) FILTER (is_device) AS device_count
  FROM pairs GROUP BY ALL
), days AS (
  SELECT DISTINCT user_id, device_id, event_date FROM staging.identity_links
  WHERE is_device AND user_id IN (SELECT user_id FROM users WHERE device_count >= 50 AND NOT joins_nobody(user_id))
), within AS (
  SELECT last.user_id, last.event_date, count(DISTINCT days.device_id) AS reached_count
  FROM (SELECT DISTINCT user_id, event_date FROM days) AS last
  JOIN days ON days.user_id = last.user_id AND days.event_date BETWEEN last.event_date - 29 AND last.event_date
  GROUP BY ALL
)
SELECT if(is_device, 'device', 'source_session') AS id_kind, device_id AS id_value,
  CASE WHEN user_count < if(is_device, 20, 5) THEN 'placeholder' WHEN is_device THEN 'device_users'
    ELSE 'session_users' END AS reason, user_count AS reached_count
FROM devices
WHERE user_count >= if(is_device, 20, 5) OR joins_nobody(device_id)
UNION ALL
SELECT 'user', user_id, 'placeholder', any_count FROM users WHERE joins_nobody(user_id)
UNION ALL
SELECT 'user', user_id, 'user_devices', max(reached_count) FROM within WHERE reached_count >= 50 GROUP BY user_id;

-- == mart.merged_users

CREATE TABLE mart.merged_users AS
WITH RECURSIVE aliases AS (
  SELECT *, row_number() OVER (ORDER BY event_at, event_id) AS place FROM staging.identity_aliases
  WHERE user_id NOT IN (SELECT id_value FROM mart.shared_ids WHERE id_kind = 'user')
    AND previous_id NOT IN (SELECT id_value FROM mart.shared_ids WHERE id_kind = 'user')
), edges AS (
  SELECT user_id AS one, previous_id AS other FROM aliases UNION SELECT previous_id, user_id FROM aliases
), reached AS (
  SELECT one, one AS other FROM edges
  UNION
  SELECT reached.one, edges.other FROM reached JOIN edges ON edges.one = reached.other
), groups AS (
  SELECT one AS user_id, min(other) AS group_id, count(*) AS user_count FROM reached GROUP BY one
), names AS (
  SELECT group_id, coalesce(arg_max(user_id, place) FILTER (user_id NOT IN (SELECT previous_id FROM aliases)),
    arg_max(user_id, place)) AS visitor_user_id
  FROM aliases JOIN groups USING (user_id)
  GROUP BY group_id
)
SELECT user_id, visitor_user_id, user_count FROM groups JOIN names USING (group_id) WHERE user_count <= 1_000;

-- == staging.changed_visitor_days

-- With all of history at once, no visitor was another one before.
CREATE TABLE staging.changed_visitor_days (
  event_date DATE, changed_date DATE, visitor_id VARCHAR, changed_count BIGINT, is_regrouped BOOLEAN
);

-- == staging.events

-- The sign-ins before and after each run of events without a user, on devices that a user signed in on.
CREATE TEMP TABLE asking_runs AS
WITH joining AS (
  SELECT event_date, device_id, run_number, user_id IS NULL AS is_asking, first_seen_at, first_event_id, last_seen_at,
    last_event_id,
    if(user_id IN (SELECT id_value FROM mart.shared_ids WHERE id_kind = 'user'), NULL, user_id) AS user_id
  FROM staging.identity_links
  WHERE device_id IN (SELECT device_id FROM staging.identity_links WHERE user_id IS NOT NULL)
    AND device_id NOT IN (SELECT id_value FROM mart.shared_ids WHERE id_kind <> 'user')
), visits AS (
  SELECT *, coalesce(first_seen_at > lag(last_seen_at) OVER in_order + INTERVAL 30 MINUTE, true) AS begins
  FROM joining
  WINDOW in_order AS (PARTITION BY device_id ORDER BY event_date, run_number)
), seen AS (
  SELECT *, if(user_id IS NULL, NULL, {'user': user_id, 'at': last_seen_at, 'visit': visit}) AS left_by,
    if(user_id IS NULL, NULL, {'user': user_id, 'at': first_seen_at, 'visit': visit}) AS come_by
  FROM (
    SELECT *, count(*) FILTER (begins) OVER (
      PARTITION BY device_id ORDER BY event_date, run_number ROWS UNBOUNDED PRECEDING) AS visit
    FROM visits
  )
), around AS (
  SELECT *,
    last_value(left_by IGNORE NULLS) OVER (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS last,
    first_value(come_by IGNORE NULLS) OVER (in_order ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next,
    min(user_id) OVER (PARTITION BY device_id) AS least_user,
    max(user_id) OVER (PARTITION BY device_id) AS greatest_user
  FROM seen
  WINDOW in_order AS (PARTITION BY device_id ORDER BY event_date, run_number)
)
SELECT event_date AS run_date, device_id AS run_device, first_seen_at, first_event_id, last_seen_at, last_event_id,
  last.user AS last_user, last.at AS last_at, coalesce(last.visit = visit, false) AS is_last_in_visit,
  next.user AS next_user, next.at AS next_at, coalesce(next.visit = visit, false) AS is_next_in_visit,
  -- The data are of less than a year, so that all sign-ins of a device are near.
  if(least_user = greatest_user, least_user, NULL) AS only_user
FROM around
WHERE is_asking AND least_user IS NOT NULL;

CREATE TABLE staging.events AS
WITH copies AS (
  SELECT coalesce(clean_event_id, event_id) AS event_id, event_at, event_date, event_type, known(user_id) AS user_id,
    known(anonymous_id) AS device_id, known(session_id) AS source_session_id,
    if(lower(product_id) IN ('', 'null', 'none', 'nan', 'n/a', '-', 'unknown', 'undefined'), NULL, product_id)
      AS product_id, product_category, page_url, referrer_url,
    CASE
      WHEN abs(cart_amount) > 100_000_000 THEN NULL
      WHEN event_type = 'refund' THEN abs(cart_amount)
      WHEN cart_amount < 0 AND event_type IN ('page_view', 'product_view', 'category_view', 'search', 'add_to_cart',
        'remove_from_cart', 'checkout_start') THEN NULL
      ELSE cart_amount
    END AS cart_amount,
    user_agent, properties, coalesce(user_agent IN (FROM robots), false) AS is_bot, received_date, source_file, sent_by,
    campaign_source, campaign_medium, campaign_name, campaign_id, click_id, campaign_scope,
    coalesce(device_id, source_session_id) AS device, if(user_id IS NULL, device, NULL) AS asking
  FROM raw.events
  ANTI JOIN leaving ON events.rowid = leaving.row_id
  LEFT JOIN renamed ON events.rowid = renamed.row_id
), decided AS (
  SELECT copies.*, CASE
      WHEN user_id IS NOT NULL THEN 'user'
      WHEN is_last_in_visit AND event_at - last_at <= INTERVAL 1 DAY THEN 'last_user_of_visit'
      WHEN is_next_in_visit AND next_at - event_at <= INTERVAL 1 DAY THEN 'next_user_of_visit'
      WHEN event_at - last_at <= INTERVAL 90 DAY THEN 'last_user'
      WHEN next_at - event_at <= INTERVAL 30 DAY THEN 'next_user'
      WHEN only_user IS NOT NULL THEN 'only_user'
      WHEN device_id IS NULL THEN 'source_session' ELSE 'device' END AS joined_by,
    CASE joined_by WHEN 'user' THEN user_id WHEN 'last_user_of_visit' THEN last_user WHEN 'last_user' THEN last_user
      WHEN 'next_user_of_visit' THEN next_user WHEN 'next_user' THEN next_user WHEN 'only_user' THEN only_user END
      AS owner
  FROM copies
  LEFT JOIN asking_runs ON event_date = run_date AND asking = run_device
    AND (event_at > first_seen_at OR event_at = first_seen_at AND event_id >= first_event_id)
    AND (event_at < last_seen_at OR event_at = last_seen_at AND event_id <= last_event_id)
)
SELECT event_id, event_at, event_date, coalesce(visitor_user_id, owner, 'anon-' || device) AS visitor_id, joined_by,
  coalesce(device, '') AS session_device_id, event_type, decided.user_id, device_id, source_session_id, product_id,
  product_category, page_url, referrer_url, cart_amount, user_agent, properties, is_bot, received_date, source_file,
  sent_by, campaign_source, campaign_medium, campaign_name, campaign_id, click_id, campaign_scope
FROM decided
LEFT JOIN mart.merged_users AS merged ON owner = merged.user_id;

-- == mart.event_accounting_daily

CREATE TABLE mart.event_accounting_daily AS
SELECT day AS accounted_date, sum(received)::BIGINT AS received_count, sum(clean)::BIGINT AS clean_count,
  sum(quarantined)::BIGINT AS quarantined_count, sum(surplus)::BIGINT AS surplus_count
FROM (
  SELECT if(coalesce(event_date <= received_date + 1 AND received_date <= event_date + 7, false), event_date,
    received_date) AS day, count(*) AS received, 0 AS clean, 0 AS quarantined, 0 AS surplus FROM raw.events GROUP BY 1
  UNION ALL SELECT event_date, 0, count(*), 0, 0 FROM staging.events GROUP BY 1
  UNION ALL SELECT accounted_date, 0, 0, count(*), 0 FROM staging.quarantined_events GROUP BY 1
  UNION ALL SELECT event_date, 0, 0, 0, sum(surplus_count) FROM staging.duplicate_events GROUP BY 1
)
GROUP BY 1;

-- == mart.quarantined_event_samples

CREATE TABLE mart.quarantined_event_samples AS
SELECT *, row_number() OVER in_order AS sample_number, count(*) OVER of_reason AS row_count,
  (sum(abs(cart_amount)) FILTER (event_type IN ('purchase', 'refund')) OVER of_reason)::DECIMAL(38, 4)
    AS refused_amount,
  count(*) FILTER (event_type IN ('purchase', 'refund') AND cart_amount IS NULL) OVER of_reason AS unread_amount_count
FROM staging.quarantined_events
WINDOW of_reason AS (PARTITION BY accounted_date, reject_reason), in_order AS (
  PARTITION BY accounted_date, reject_reason ORDER BY received_date, coalesce(event_id, ''), coalesce(user_id, ''),
    coalesce(event_type, ''), coalesce(event_timestamp, ''), coalesce(product_id, ''), coalesce(product_category, ''),
    coalesce(session_id, ''), coalesce(page_url, ''), coalesce(referrer_url, ''), coalesce(cart_value, ''),
    coalesce(anonymous_id, ''), coalesce(user_agent, ''), coalesce(properties, ''), source_file, received_at
)
QUALIFY sample_number <= 5;

-- == mart.identities

CREATE TABLE mart.identities AS
WITH units AS (
  SELECT event_date, visitor_id, joined_by, user_id, device_id, source_session_id, count(*) AS event_count,
    min(event_at) AS first_seen_at, max(event_at) AS last_seen_at, min(event_id) AS first_event_id
  FROM staging.events
  GROUP BY ALL
)
SELECT event_date, visitor_id, id_kind, id_value, joined_by, sum(event_count)::BIGINT AS event_count,
  min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at, min(first_event_id) AS first_event_id
FROM (
  SELECT *, 'user' AS id_kind, user_id AS id_value FROM units WHERE user_id IS NOT NULL
  UNION ALL SELECT *, 'device', device_id FROM units WHERE device_id IS NOT NULL
  UNION ALL SELECT *, 'source_session', source_session_id FROM units WHERE source_session_id IS NOT NULL
)
GROUP BY event_date, visitor_id, id_kind, id_value, joined_by;

-- == (sources of addresses)

-- Of an address, its tags of campaigns count before the site that led there.
CREATE TEMP TABLE addresses AS
WITH pages AS (
  SELECT DISTINCT if(contains(page_url, 'utm_'), page_url, NULL) AS page, referrer_url
  FROM staging.events
  WHERE contains(page_url, 'utm_') OR NOT starts_with(referrer_url, 'https://shop.example.com/')
), clues AS (
  SELECT *, nullif(regexp_extract(referrer_url, '^[a-z]+://(www[.])?([^/?#:]+)', 2), '') AS host,
    if(host IN ('google.com', 'bing.com', 'duckduckgo.com'), split_part(host, '.', 1), NULL) AS engine,
    nullif(regexp_extract(page, '[?&]utm_source=([^&#]*)', 1), '') AS tagged_source,
    nullif(regexp_extract(page, '[?&]utm_medium=([^&#]*)', 1), '') AS tagged_medium,
    nullif(regexp_extract(page, '[?&]utm_campaign=([^&#]*)', 1), '') AS tagged_campaign,
    nullif(regexp_extract(page, '[?&]utm_id=([^&#]*)', 1), '') AS tagged_id,
    if(regexp_matches(tagged_campaign, '^[0-9]+$'), tagged_campaign, NULL) AS named_id
  FROM pages
)
SELECT page, referrer_url, coalesce(tagged_source, engine, host) AS source,
  coalesce(tagged_medium, if(engine IS NULL, 'referral', 'organic')) AS medium,
  coalesce(tagged_campaign, '(not set)') AS campaign, coalesce(tagged_id, named_id) AS campaign_id,
  NULL::VARCHAR AS ad_platform,
  coalesce(regexp_matches(medium, '^(.*cp.*|ppc|retargeting|paid.*)$'), false) AS is_paid,
  source IN ('facebook', 'instagram', 'm.facebook.com', 'pinterest.com') AS is_social,
  CASE
    WHEN contains(campaign, 'shopping') AND is_paid THEN 'Paid Shopping'
    WHEN source IN ('google', 'bing', 'duckduckgo') AND is_paid THEN 'Paid Search'
    WHEN is_social AND is_paid THEN 'Paid Social'
    WHEN medium = 'display' THEN 'Display'
    WHEN is_paid THEN 'Paid Other'
    WHEN is_social OR medium = 'social' THEN 'Organic Social'
    WHEN source = 'youtube' OR contains(medium, 'video') THEN 'Organic Video'
    WHEN medium = 'organic' THEN 'Organic Search'
    WHEN medium = 'referral' THEN 'Referral'
    WHEN medium = 'email' THEN 'Email'
    WHEN medium = 'affiliate' THEN 'Affiliates'
    ELSE 'Unassigned' END AS channel
FROM clues
WHERE coalesce(tagged_source, host) IS NOT NULL;

-- == mart.first_touches

CREATE TABLE mart.first_touches AS
WITH first AS (
  SELECT event_date, visitor_id, min(event_at) AS event_at FROM staging.events GROUP BY ALL
), events AS (
  SELECT event_date, visitor_id, event_at, arg_min({'event_id': event_id, 'page_url': page_url,
    'referrer_url': referrer_url, 'user_agent': user_agent}, event_id) AS touch
  FROM staging.events JOIN first USING (event_date, visitor_id, event_at)
  GROUP BY ALL
), touched AS (
  SELECT event_date, visitor_id, event_at, unnest(touch) FROM events
)
SELECT event_date, visitor_id, event_at, event_id, page_url, touched.referrer_url, user_agent,
  CASE WHEN regexp_matches(page_url, '[?&]utm_(medium|source)=(email|e-mail|e_mail|newsletter)(&|#|$)')
      OR starts_with(touched.referrer_url, 'https://mail.') THEN 'email_campaign'
    WHEN contains(user_agent, '; wv)') OR contains(user_agent, 'okhttp') THEN 'mobile_app'
    ELSE 'website' END AS acquisition_channel,
  coalesce(channel, 'Direct') AS default_channel_group, '{lists}' AS source_lists_version
FROM touched
LEFT JOIN addresses ON if(contains(page_url, 'utm_'), page_url, NULL) IS NOT DISTINCT FROM page
  AND touched.referrer_url IS NOT DISTINCT FROM addresses.referrer_url;

-- == mart.purchase_revenue_daily

CREATE TABLE mart.purchase_revenue_daily AS
WITH countries (code, country) AS (
  VALUES ('US', 'United States'), ('GB', 'United Kingdom'), ('DE', 'Germany'), ('SE', 'Sweden'), ('IT', 'Italy'),
    ('AT', 'Austria'), ('PL', 'Poland'), ('DK', 'Denmark'), ('ES', 'Spain'), ('FR', 'France'),
    ('NL', 'The Netherlands'), ('JP', 'Japan'), ('CA', 'Canada'), ('CH', 'Switzerland'), ('AU', 'Australia')
), bought AS (
  SELECT event_date, event_id, visitor_id, coalesce(product_category, '(none)') AS product_category,
    coalesce(country, 'unknown') AS country, event_type = 'refund' AS is_refund,
    if(is_refund, -cart_amount, cart_amount) AS amount
  FROM staging.events
  LEFT JOIN countries ON code = properties ->> 'country'
  WHERE event_type IN ('purchase', 'refund')
), sums AS (
  SELECT event_date, if(grouping(product_category) = 1, '(all)', product_category) AS product_category,
    if(grouping(country) = 1, '(all)', country) AS country,
    if(count(*) FILTER (NOT is_refund) = 0, 0, sum(amount) FILTER (NOT is_refund))::DECIMAL(38, 4) AS shipped_amount,
    if(count(*) FILTER (is_refund) = 0, 0, sum(amount) FILTER (is_refund))::DECIMAL(38, 4) AS refunded_amount,
    sum(amount)::DECIMAL(38, 4) AS revenue_amount,
    count(DISTINCT event_id) FILTER (NOT is_refund) AS order_count,
    count(DISTINCT event_id) FILTER (is_refund) AS refund_count,
    count(DISTINCT visitor_id) FILTER (NOT is_refund) AS customer_count,
    count(*) FILTER (NOT is_refund)::DECIMAL(18, 4) AS sold_item_count,
    count(*) FILTER (is_refund)::DECIMAL(18, 4) AS refunded_item_count
  FROM bought
  GROUP BY GROUPING SETS ((event_date), (event_date, product_category), (event_date, country))
)
SELECT event_date, product_category, country, if(country = '(all)', '(all)', 'unknown') AS region,
  if(country = '(all)', '(all)', 'unknown') AS city_name, shipped_amount, refunded_amount, revenue_amount,
  order_count, refund_count, customer_count, sold_item_count, refunded_item_count,
  share(revenue_amount, order_count) AS average_order_value
FROM sums;

-- == mart.session_events

CREATE TABLE mart.session_events AS
WITH gaps AS (
  SELECT event_date, visitor_id, session_device_id, event_at, event_id, event_type, product_id, product_category,
    page_url, cart_amount, is_bot, campaign_source, campaign_medium, campaign_name, campaign_id, click_id, campaign_scope,
    if(event_type = 'search', coalesce(nullif(regexp_extract(properties,
      '"(query|search_query|search_term|search_text|term|keyword|q)" *: *"([^"]*)"', 2), ''),
      replace(replace(nullif(regexp_extract(page_url, '[?&](q|query|search)=([^&#]*)', 2), ''), '+', ' '), '%20', ' ')),
      NULL) AS search_term,
    if(event_type = 'search', nullif(regexp_extract(properties,
      '"(results_count|result_count|search_results_count|num_results|number_of_results|total_results)" *: *"?([0-9]{1,9})[^0-9]',
      2), '')::BIGINT, NULL) AS search_result_count,
    event_at <= lag(event_at) OVER in_order + INTERVAL 30 MINUTE AS goes_on,
    lead(event_at) OVER in_order AS next_at, row_number() OVER in_order AS place
  FROM staging.events
  WINDOW in_order AS (PARTITION BY event_date, visitor_id, session_device_id ORDER BY event_at, event_id)
)
SELECT event_date, visitor_id, session_device_id,
  max(if(goes_on IS TRUE, NULL, event_at)) OVER so_far AS fragment_started_at,
  place - max(if(goes_on IS TRUE, NULL, place)) OVER so_far + 1 AS event_number,
  event_at, event_id, event_type, product_id, product_category, page_url, cart_amount, search_term, campaign_source, campaign_medium, campaign_name, campaign_id, click_id, campaign_scope,
  search_result_count,
  if(next_at > event_at + INTERVAL 30 MINUTE, NULL, (epoch_us(next_at) - epoch_us(event_at)) / 1e6) AS until_next_s,
  is_bot
FROM gaps
WINDOW so_far AS (PARTITION BY event_date, visitor_id, session_device_id ORDER BY place ROWS UNBOUNDED PRECEDING);

-- == mart.session_days

CREATE TABLE mart.session_days AS
SELECT visitor_id, session_device_id, min(event_at) AS started_at, max(event_at) AS ended_at, count(*) AS event_count,
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
  any_value(page_url) FILTER (event_number = 1) AS entry_page_url,
  any_value(page_url) FILTER (until_next_s IS NULL) AS exit_page_url,
  arg_min(product_category, event_number) FILTER (product_category IS NOT NULL) AS first_product_category,
  bool_or(is_bot) OR (event_count >= 300 AND date_diff('microsecond', started_at, ended_at) <= event_count * 2_000_000)
    AS is_bot,
  event_date, min(event_at) <= event_date + INTERVAL 30 MINUTE AS is_near_previous_midnight,
  max(event_at) >= event_date + INTERVAL 1410 MINUTE AS is_near_next_midnight
FROM mart.session_events
GROUP BY event_date, visitor_id, session_device_id, fragment_started_at;

-- == mart.sessions

-- The session of each fragment: only fragments near midnight can be of a longer one.
CREATE TEMP TABLE parts AS
WITH near AS (
  SELECT *, coalesce(started_at > lag(ended_at) OVER in_order + INTERVAL 30 MINUTE, true) AS begins
  FROM mart.session_days
  WHERE is_near_previous_midnight OR is_near_next_midnight
  WINDOW in_order AS (PARTITION BY visitor_id, session_device_id ORDER BY started_at)
)
SELECT * EXCLUDE (begins), max(if(begins, started_at, NULL)) OVER (
  PARTITION BY visitor_id, session_device_id ORDER BY started_at ROWS UNBOUNDED PRECEDING) AS session_started_at
FROM near;

CREATE TABLE mart.sessions AS
WITH merged AS (
  SELECT visitor_id, session_device_id, session_started_at AS started_at, max(ended_at) AS ended_at,
    sum(COLUMNS('.*_count$'))::BIGINT, sum(purchase_amount)::DECIMAL(38, 4) AS purchase_amount,
    arg_min_null(entry_page_url, started_at) AS entry_page_url,
    arg_max_null(exit_page_url, started_at) AS exit_page_url,
    arg_min(first_product_category, started_at) AS first_product_category, bool_or(is_bot) AS is_bot,
    min(event_date) AS started_date, max(event_date) AS ended_date
  FROM parts
  GROUP BY visitor_id, session_device_id, session_started_at
), whole AS (
  SELECT * EXCLUDE (event_date, is_near_previous_midnight, is_near_next_midnight), event_date AS started_date,
    event_date AS ended_date
  FROM mart.session_days
  WHERE NOT (is_near_previous_midnight OR is_near_next_midnight)
  UNION ALL BY NAME
  FROM merged
)
SELECT * EXCLUDE (started_date, ended_date),
  row_number() OVER (PARTITION BY visitor_id, epoch_us(started_at) // 1_000_000 ORDER BY started_at, session_device_id)
    AS place,
  visitor_id || '-' || epoch_us(started_at) // 1_000_000 || if(place = 1, '', '-' || place) AS session_id,
  started_date, ended_date, date_diff('microsecond', started_at, ended_at) / 1e6 AS duration_s,
  duration_s > 10 OR key_event_count > 0 OR view_count >= 2 AS is_engaged, view_count <= 1 AS is_single_page,
  purchase_count > 0 AS has_purchase
FROM whole;

-- == (events of sessions)

-- What sessions' tables read, narrow: numbers in place of texts, and the place of each event in its session.
CREATE TEMP TABLE names AS
SELECT name, row_number() OVER () AS code
FROM (SELECT DISTINCT event_type AS name FROM mart.session_events
  UNION SELECT DISTINCT product_category FROM mart.session_events WHERE product_category IS NOT NULL);

CREATE TEMP TABLE members AS
SELECT sessions.rowid AS session_number, started_date, sessions.visitor_id, events.event_date, event_at,
  (events.event_date - started_date) * 4_294_967_296 + event_number AS place, kinds.code AS type_code,
  categories.code AS category_code, cart_amount, search_term, search_result_count
FROM mart.session_events AS events
LEFT JOIN parts ON parts.started_at <> session_started_at AND events.visitor_id = parts.visitor_id
  AND events.session_device_id = parts.session_device_id AND fragment_started_at = parts.started_at
JOIN mart.sessions ON sessions.visitor_id = events.visitor_id
  AND sessions.session_device_id = events.session_device_id
  AND sessions.started_at = coalesce(session_started_at, fragment_started_at)
JOIN names AS kinds ON kinds.name = events.event_type
LEFT JOIN names AS categories ON categories.name = events.product_category;

-- == mart.engagement_daily

CREATE TABLE mart.engagement_daily AS
WITH came AS (
  SELECT visitor_id, event_date, lead(event_date) OVER (PARTITION BY visitor_id ORDER BY event_date) AS next_date
  FROM (SELECT DISTINCT visitor_id, event_date FROM mart.session_days)
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
    count(*) FILTER (is_single_page) AS single_page, count(*) FILTER (has_purchase) AS bought,
    count(*) FILTER (is_bot) AS bots, sum(view_count) AS views,
    sum(date_diff('microsecond', started_at, ended_at)) AS length_us, median(duration_s) AS median_duration_s
  FROM mart.sessions
  GROUP BY 1
)
SELECT event_date, coalesce(sessions, 0) AS session_count, coalesce(engaged, 0) AS engaged_session_count,
  coalesce(single_page, 0) AS single_page_session_count, coalesce(bought, 0) AS purchase_session_count,
  coalesce(bots, 0) AS bot_session_count, engaged / sessions AS engagement_rate, 1 - engaged / sessions AS bounce_rate,
  single_page / sessions AS single_page_rate, bought / sessions AS session_conversion_rate,
  views / sessions AS pages_per_session, length_us / sessions / 1e6 AS mean_duration_s, median_duration_s,
  daily_visitor_count, weekly_visitor_count, monthly_visitor_count,
  daily_visitor_count / monthly_visitor_count AS stickiness_rate
FROM active
LEFT JOIN of_day USING (event_date)
WHERE daily_visitor_count > 0;

-- == mart.returning_visitors_daily

CREATE TABLE mart.returning_visitors_daily AS
WITH came AS (
  SELECT visitor_id, event_date, sum(purchase_count) > 0 AS has_bought, sum(purchase_amount) AS amount
  FROM mart.session_days
  GROUP BY ALL
), kinds AS (
  SELECT visitor_id, event_date, amount, 'first_activity' AS cohort_by FROM came
  UNION ALL SELECT visitor_id, event_date, amount, 'first_purchase' FROM came WHERE has_bought
), placed AS (
  SELECT *, first_value(event_date) OVER in_order AS first_date,
    lag(event_date, 1, event_date) OVER in_order AS previous_date
  FROM kinds
  WINDOW in_order AS (PARTITION BY cohort_by, visitor_id ORDER BY event_date)
)
SELECT event_date, cohort_by, first_date, previous_date, count(*) AS visitor_count,
  sum(amount)::DECIMAL(38, 4) AS revenue_amount
FROM placed
GROUP BY ALL;

-- == mart.retention_cohorts

CREATE TABLE mart.retention_cohorts AS
WITH periods AS (
  SELECT *, unnest(['day', 'week', 'month']) AS period FROM mart.returning_visitors_daily
), placed AS (
  SELECT cohort_by, period, date_trunc(period, first_date)::DATE AS cohort_date, event_date = first_date AS is_first,
    date_diff(period, cohort_date, date_trunc(period, event_date)::DATE) AS place,
    date_diff(period, cohort_date, date_trunc(period, previous_date)::DATE) AS place_before,
    visitor_count, revenue_amount
  FROM periods
), terms AS (
  SELECT cohort_by, period, cohort_date, place AS cell,
    if(is_first OR place_before < place, visitor_count, 0) AS on_count, visitor_count AS last_count, revenue_amount
  FROM placed
  UNION ALL
  SELECT cohort_by, period, cohort_date, place_before, 0, -visitor_count, 0 FROM placed WHERE NOT is_first
), counts AS (
  SELECT cohort_by, period, cohort_date, cell, sum(on_count) AS on_count, sum(last_count) AS last_count,
    sum(revenue_amount) AS revenue_amount
  FROM terms
  GROUP BY ALL
), cohorts AS (
  SELECT cohort_by, period, cohort_date, sum(visitor_count) AS visitor_count,
    date_diff(period, cohort_date, date_trunc(period, newest_date)::DATE) AS last_cell
  FROM placed, (SELECT max(event_date) AS newest_date FROM mart.returning_visitors_daily)
  WHERE is_first
  GROUP BY ALL
), cells AS (
  SELECT *, unnest(range(last_cell + 1)) AS cell FROM cohorts
), added AS (
  SELECT cohort_by, period, cohort_date, cell AS period_number, visitor_count::BIGINT AS visitor_count,
    coalesce(on_count, 0)::BIGINT AS returned_on_count,
    (sum(coalesce(last_count, 0)) OVER since)::BIGINT AS returned_on_or_after_count, cell < last_cell AS is_complete,
    coalesce(revenue_amount, 0)::DECIMAL(38, 4) AS revenue_amount,
    (sum(coalesce(revenue_amount, 0)) OVER until)::DECIMAL(38, 4) AS cumulative_revenue_amount
  FROM cells LEFT JOIN counts USING (cohort_by, period, cohort_date, cell)
  WINDOW until AS (PARTITION BY cohort_by, period, cohort_date ORDER BY cell),
    since AS (PARTITION BY cohort_by, period, cohort_date ORDER BY cell DESC)
)
SELECT cohort_by, period, cohort_date, period_number, visitor_count, returned_on_count, returned_on_or_after_count,
  returned_on_count / visitor_count AS retention_on_rate,
  returned_on_or_after_count / visitor_count AS retention_on_or_after_rate, is_complete, revenue_amount,
  cumulative_revenue_amount, share(cumulative_revenue_amount, visitor_count) AS lifetime_value
FROM added
WHERE period_number <= 30;

-- == mart.journeys

-- The steps of each session, without repeats in a row.
CREATE TEMP TABLE paths AS
WITH lists AS (
  SELECT session_number, 'page_type' AS dimension,
    list_transform(list_sort(list(place * 256 + type_code)), lambda packed: (packed & 255)::UTINYINT) AS codes
  FROM members
  GROUP BY 1
  UNION ALL
  SELECT session_number, 'category',
    list_transform(list_sort(list(place * 256 + category_code)), lambda packed: (packed & 255)::UTINYINT)
  FROM members
  WHERE category_code IS NOT NULL
  GROUP BY 1
)
SELECT session_number, dimension, list_filter(codes, lambda code, n: n = 1 OR code <> codes[n - 1]) AS steps
FROM lists;

CREATE TEMP TABLE texts AS
SELECT steps, array_to_string(list_transform(steps[:20], lambda code: all_names[code]), ' → ')
  || if(len(steps) > 20, ' → …', '') AS path
FROM (SELECT DISTINCT steps FROM paths), (SELECT list(name ORDER BY code) AS all_names FROM names);

CREATE TABLE mart.journeys AS
SELECT session_id, kinds.dimension, started_date, visitor_id, started_at, path, coalesce(len(steps), 0) AS step_count,
  step_count > 20 AS is_cut, has_purchase AS is_converted, is_bot
FROM mart.sessions
CROSS JOIN (VALUES ('page_type'), ('category')) AS kinds (dimension)
LEFT JOIN paths ON sessions.rowid = session_number AND kinds.dimension = paths.dimension
LEFT JOIN texts USING (steps);

-- == mart.journey_transitions

CREATE TABLE mart.journey_transitions AS
WITH counted AS (
  SELECT started_date, kinds.dimension, coalesce(steps, []) AS steps, count(*) AS n,
    count(*) FILTER (has_purchase) AS converted
  FROM mart.sessions
  CROSS JOIN (VALUES ('page_type'), ('category')) AS kinds (dimension)
  LEFT JOIN paths ON sessions.rowid = session_number AND kinds.dimension = paths.dimension
  GROUP BY ALL
), pairs AS (
  SELECT started_date, dimension, unnest(range(len(steps) + 1)) AS place, unnest([0] || steps) AS here,
    unnest(steps || [0]) AS there, n, converted
  FROM counted
), sums AS (
  SELECT started_date, dimension, least(place, 10) AS place, here, there, sum(n)::BIGINT AS transition_count,
    sum(converted)::BIGINT AS converted_transition_count
  FROM pairs
  GROUP BY ALL
)
SELECT started_date, dimension, place, coalesce(one.name, '(start)') AS from_step,
  coalesce(other.name, '(exit)') AS to_step, transition_count, converted_transition_count
FROM sums
LEFT JOIN names AS one ON one.code = here
LEFT JOIN names AS other ON other.code = there;

-- == mart.search_performance

CREATE TABLE mart.search_performance AS
WITH codes AS (
  SELECT (SELECT code FROM names WHERE name = 'search') AS search, (
      SELECT code FROM names WHERE name = 'product_view') AS product_view, (
      SELECT code FROM names WHERE name = 'add_to_cart') AS add_to_cart
), numbered AS (
  SELECT started_date, session_number, type_code, search_term, search_result_count, count(*) FILTER (type_code = search) OVER (
      PARTITION BY session_number ORDER BY place ROWS UNBOUNDED PRECEDING) AS search_number, product_view, add_to_cart
  FROM members, codes
  WHERE type_code IN (search, product_view, add_to_cart)
    AND session_number IN (SELECT session_number FROM members, codes WHERE type_code = search)
), searches AS (
  SELECT started_date, session_number, any_value(search_term) AS received_term,
    any_value(search_result_count) AS result_count,
    bool_or(type_code = product_view) AS is_clicked, bool_or(type_code = add_to_cart) AS is_in_cart
  FROM numbered
  WHERE search_number > 0
  GROUP BY started_date, session_number, search_number
), sums AS (
  SELECT started_date, coalesce(nullif(trim(regexp_replace(lower(received_term), ' +', ' ', 'g')), ''), '(none)')
      AS search_term,
    count(*) AS search_count, count(DISTINCT session_number) AS session_count,
    count(*) FILTER (is_clicked) AS clicked_search_count,
    if(count(result_count) > 0, count(*) FILTER (result_count = 0), NULL) AS empty_search_count, count(*) FILTER (is_in_cart) AS cart_search_count
  FROM searches
  GROUP BY ALL
)
SELECT started_date, search_term, search_count, session_count, clicked_search_count,
  search_count - clicked_search_count AS unclicked_search_count, empty_search_count, cart_search_count,
  clicked_search_count / search_count AS click_rate, cart_search_count / search_count AS cart_rate
FROM sums;

-- == mart.category_performance

CREATE TABLE mart.category_performance AS
WITH codes AS (
  SELECT (SELECT code FROM names WHERE name = 'category_view') AS category_view, (
      SELECT code FROM names WHERE name = 'product_view') AS product_view, (
      SELECT code FROM names WHERE name = 'add_to_cart') AS add_to_cart, (
      SELECT code FROM names WHERE name = 'purchase') AS purchase
), bought AS (
  SELECT session_number, max(place) FILTER (type_code = add_to_cart) AS last_cart,
    max(place) FILTER (type_code = purchase) AS last_purchase
  FROM members, codes
  WHERE type_code IN (add_to_cart, purchase)
  GROUP BY ALL
), seen AS (
  SELECT started_date, session_number, category_code, min(place) FILTER (type_code <> add_to_cart) AS first_view,
    max(place) FILTER (type_code = add_to_cart) AS last_own_cart,
    count(*) FILTER (type_code = category_view) AS category_views,
    count(*) FILTER (type_code = product_view) AS product_views, count(*) FILTER (type_code = add_to_cart) AS carts
  FROM members, codes
  WHERE type_code IN (category_view, product_view, add_to_cart) AND category_code IS NOT NULL
  GROUP BY ALL
), sums AS (
  SELECT started_date, category_code, sum(category_views)::BIGINT AS category_view_count,
    sum(product_views)::BIGINT AS product_view_count, sum(carts)::BIGINT AS add_to_cart_count,
    count(first_view) AS viewing_session_count, count(*) FILTER (last_own_cart > first_view) AS cart_session_count,
    count(*) FILTER (last_cart > first_view) AS any_cart_session_count,
    count(*) FILTER (last_purchase > first_view) AS purchase_session_count
  FROM seen LEFT JOIN bought USING (session_number)
  GROUP BY ALL
)
SELECT started_date, name AS product_category, category_view_count, product_view_count, add_to_cart_count,
  viewing_session_count, cart_session_count, any_cart_session_count, purchase_session_count,
  share(cart_session_count, viewing_session_count) AS cart_rate,
  share(any_cart_session_count, viewing_session_count) AS any_cart_rate,
  share(purchase_session_count, viewing_session_count) AS purchase_rate
FROM sums JOIN names ON code = category_code;

-- == mart.funnel_entries

-- The steps of the funnel as numbers: of sessions, and of visitors, who have seven days.
CREATE TEMP TABLE steps AS
SELECT session_number, visitor_id, event_date, event_at,
  list_position(['page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase'], name) AS step
FROM members JOIN names ON code = type_code
WHERE name IN ('page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase');

CREATE TEMP TABLE session_levels AS
SELECT session_number, list_reduce(list_transform(list_sort(list(epoch_us(event_at) * 8 + step)),
  lambda packed: (packed & 7)::INT), lambda level, step: if(step = level + 1, step, level), 0) AS level
FROM steps
GROUP BY session_number;

-- From each event the time of the next step at or after it, and of those that can follow that one.
CREATE TEMP TABLE visitor_levels AS
WITH ordered AS (
  SELECT visitor_id, event_date, event_at, step, row_number() OVER (PARTITION BY visitor_id ORDER BY event_at, step)
    AS place FROM steps
), fifth AS (
  SELECT *, first_value(if(step = 5, event_at, NULL) IGNORE NULLS) OVER following AS at_5 FROM ordered
  WINDOW following AS (PARTITION BY visitor_id ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), fourth AS (
  SELECT *, first_value(if(step = 4, {'at_4': event_at, 'at_5': at_5}, NULL) IGNORE NULLS) OVER following AS next_4
  FROM fifth
  WHERE step < 5
  WINDOW following AS (PARTITION BY visitor_id ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), third AS (
  SELECT visitor_id, event_date, event_at, step, place,
    first_value(if(step = 3, {'at_3': event_at, 'next_4': next_4}, NULL) IGNORE NULLS) OVER following AS next_3
  FROM fourth
  WHERE step < 4
  WINDOW following AS (PARTITION BY visitor_id ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), second AS (
  SELECT visitor_id, event_date, event_at, step,
    first_value(if(step = 2, {'at_2': event_at, 'next_3': next_3}, NULL) IGNORE NULLS) OVER following AS next_2
  FROM third
  WHERE step < 3
  WINDOW following AS (PARTITION BY visitor_id ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
)
SELECT visitor_id, event_date AS cohort_date, max(event_at) AS last_start_at, max(CASE
    WHEN next_2.next_3.next_4.at_5 <= event_at + INTERVAL 7 DAY THEN 5
    WHEN next_2.next_3.next_4.at_4 <= event_at + INTERVAL 7 DAY THEN 4
    WHEN next_2.next_3.at_3 <= event_at + INTERVAL 7 DAY THEN 3
    WHEN next_2.at_2 <= event_at + INTERVAL 7 DAY THEN 2
    ELSE 1 END) AS level
FROM second
WHERE step = 1
GROUP BY ALL;

CREATE TABLE mart.funnel_entries AS
WITH seen AS (
  SELECT visitor_id, event_date, place, first_value(if(first_product_category IS NULL, NULL,
    {'category': first_product_category, 'at': started_at}) IGNORE NULLS) OVER (
      PARTITION BY visitor_id ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next
  FROM (
    SELECT *, row_number() OVER (PARTITION BY visitor_id ORDER BY started_at, session_device_id) AS place
    FROM mart.session_days
  )
), of_days AS (
  SELECT visitor_id, event_date AS cohort_date, arg_min(next, place) AS next FROM seen GROUP BY ALL
)
SELECT 'default' AS funnel_name, started_date AS cohort_date, 'session' AS unit, session_id AS unit_id, visitor_id,
  coalesce(first_product_category, '(none)') AS product_category, level::BIGINT AS last_step
FROM session_levels JOIN mart.sessions ON sessions.rowid = session_number
WHERE level > 0
UNION ALL
SELECT 'default', cohort_date, 'visitor', visitor_id, visitor_id,
  if(next.at <= last_start_at + INTERVAL 7 DAY, next.category, '(none)'), level
FROM visitor_levels LEFT JOIN of_days USING (visitor_id, cohort_date);

-- == mart.conversion_funnel

CREATE TABLE mart.conversion_funnel AS
WITH reached AS (
  SELECT cohort_date, unit, if(grouping(product_category) = 1, '(all)', product_category) AS product_category,
    count(*) AS "1", count(*) FILTER (last_step >= 2) AS "2", count(*) FILTER (last_step >= 3) AS "3",
    count(*) FILTER (last_step >= 4) AS "4", count(*) FILTER (last_step >= 5) AS "5"
  FROM mart.funnel_entries
  GROUP BY GROUPING SETS ((cohort_date, unit, product_category), (cohort_date, unit))
), by_step AS (
  UNPIVOT reached ON "1", "2", "3", "4", "5" INTO NAME step VALUE unit_count
)
SELECT 'default' AS funnel_name, cohort_date, unit, product_category, step::BIGINT AS step,
  ['page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase'][step::INT] AS event_type, unit_count,
  unit_count / nullif(first_value(unit_count) OVER steps, 0) AS conversion_from_start_rate,
  unit_count / nullif(coalesce(lag(unit_count) OVER steps, unit_count), 0) AS conversion_from_previous_rate
FROM by_step
WINDOW steps AS (PARTITION BY cohort_date, unit, product_category ORDER BY step);

-- == mart.cart_abandonment

CREATE TABLE mart.cart_abandonment AS
WITH events AS (
  SELECT session_number, visitor_id, event_date, event_at, place, name, cart_amount
  FROM members JOIN names ON code = type_code
  WHERE name IN ('add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase')
), valued AS (
  SELECT * FROM events WHERE name <> 'purchase' AND cart_amount IS NOT NULL
), purchases AS (
  SELECT session_number, visitor_id, event_date, event_at FROM events WHERE name = 'purchase'
), starts AS (
  SELECT * FROM events WHERE name IN ('add_to_cart', 'checkout_start')
), units AS (
  SELECT name, visitor_id, event_date, max(event_at) AS last_at FROM starts GROUP BY ALL
), waits AS (
  SELECT name, purchases.visitor_id, purchases.event_date, purchases.event_at - starts.event_at AS wait
  FROM (SELECT *, unnest(['add_to_cart', 'checkout_start']) AS name FROM purchases) AS purchases
  ASOF JOIN starts USING (name, visitor_id, event_date, event_at)
  UNION ALL
  SELECT name, units.visitor_id, units.event_date, event_at - last_at
  FROM units JOIN purchases ON units.visitor_id = purchases.visitor_id AND purchases.event_date > units.event_date
    AND event_at <= last_at + INTERVAL 7 DAY
), paid AS (
  SELECT name, visitor_id, event_date, min(wait) AS wait FROM waits GROUP BY ALL
), at_once AS (
  SELECT DISTINCT name, starts.visitor_id, starts.event_date
  FROM starts JOIN (SELECT session_number, max(event_at) AS last_at FROM purchases GROUP BY 1) USING (session_number)
  WHERE starts.event_at <= last_at
), worths AS (
  SELECT visitor_id, event_date, arg_max(cart_amount, (event_at, event_id)) AS worth
  FROM mart.session_events
  WHERE event_type IN ('add_to_cart', 'remove_from_cart', 'checkout_start') AND cart_amount IS NOT NULL
  GROUP BY ALL
), of_visitors AS (
  SELECT event_date AS cart_date, 'visitor' AS unit, unnest([3_600, 86_400, 604_800]) AS horizon_s,
    name = 'add_to_cart' AS is_cart, coalesce(wait <= to_seconds(horizon_s), false) AS is_converted,
    is_converted AND at_once.visitor_id IS NULL AS is_recovered, if(name = 'add_to_cart', worth, NULL) AS worth,
    NOT is_cart AS is_checkout
  FROM units
  LEFT JOIN paid USING (name, visitor_id, event_date)
  LEFT JOIN at_once USING (name, visitor_id, event_date)
  LEFT JOIN worths USING (visitor_id, event_date)
), of_sessions AS (
  SELECT started_date AS cart_date, 'session' AS unit, 0 AS horizon_s, add_to_cart_count > 0 AS is_cart,
    purchase_count > 0 AS is_converted, false AS is_recovered, if(add_to_cart_count > 0, worth, NULL) AS worth,
    checkout_start_count > 0 AS is_checkout
  FROM mart.sessions
  LEFT JOIN (SELECT session_number, arg_max(cart_amount, place) AS worth FROM valued GROUP BY 1)
    ON sessions.rowid = session_number
  WHERE add_to_cart_count > 0 OR checkout_start_count > 0
), sums AS (
  SELECT cart_date, unit, horizon_s::BIGINT AS horizon_s, count(*) FILTER (is_cart) AS cart_count,
    count(*) FILTER (is_cart AND is_converted) AS converted_cart_count,
    count(*) FILTER (is_cart AND is_recovered) AS recovered, count(*) FILTER (is_checkout) AS checkout_count,
    count(*) FILTER (is_checkout AND NOT is_converted) AS abandoned_checkout_count, count(worth) AS valued_cart_count,
    coalesce(sum(worth) FILTER (is_cart), 0)::DECIMAL(38, 4) AS worth,
    coalesce(sum(worth) FILTER (NOT is_converted), 0)::DECIMAL(38, 4) AS abandoned_worth,
    coalesce(sum(worth) FILTER (is_recovered), 0)::DECIMAL(38, 4) AS recovered_worth
  FROM (FROM of_visitors UNION ALL BY NAME FROM of_sessions)
  GROUP BY ALL
)
SELECT cart_date, unit, horizon_s, converted_cart_count, if(horizon_s > 0, recovered, NULL) AS recovered_cart_count,
  valued_cart_count, if(valued_cart_count > 0 AND horizon_s > 0, recovered_worth, NULL) AS recovered_cart_amount,
  (cart_date + CASE horizon_s WHEN 604_800 THEN 9 WHEN 86_400 THEN 3 ELSE 2 END)::DATE AS final_from_date,
  if(valued_cart_count > 0, worth, NULL) AS cart_amount,
  if(valued_cart_count > 0, abandoned_worth, NULL) AS abandoned_cart_amount, cart_count,
  cart_count - converted_cart_count AS abandoned_cart_count,
  share(abandoned_cart_count, cart_count) AS cart_abandonment_rate, checkout_count, abandoned_checkout_count,
  share(abandoned_checkout_count, checkout_count) AS checkout_abandonment_rate
FROM sums;

-- == mart.product_performance

CREATE TABLE mart.product_performance AS
WITH each AS (
  SELECT event_date, product_id, visitor_id, min(product_category) AS product_category,
    count(*) FILTER (event_type = 'product_view') AS views, count(*) FILTER (event_type = 'add_to_cart') AS carts,
    count(*) FILTER (event_type = 'remove_from_cart') AS removals,
    count(*) FILTER (event_type = 'purchase') AS purchases, count(*) FILTER (event_type = 'refund') AS refunds,
    sum(cart_amount) FILTER (event_type = 'purchase') AS shipped,
    sum(cart_amount) FILTER (event_type = 'refund') AS refunded
  FROM mart.session_events
  WHERE event_type IN ('product_view', 'add_to_cart', 'remove_from_cart', 'purchase', 'refund')
    AND product_id IS NOT NULL
  GROUP BY ALL
), sums AS (
  SELECT event_date, product_id, min(product_category) AS product_category,
    sum(views)::BIGINT AS product_view_count, sum(carts)::BIGINT AS add_to_cart_count,
    sum(removals)::BIGINT AS remove_from_cart_count, count(*) FILTER (views > 0) AS viewing_visitor_count,
    count(*) FILTER (views > 0 AND carts > 0) AS cart_visitor_count, sum(purchases)::BIGINT AS purchase_count,
    sum(purchases)::DECIMAL(18, 4) AS sold_item_count, sum(refunds)::DECIMAL(18, 4) AS refunded_item_count,
    purchase_count + refunded_item_count > 0 AND sum(shipped) IS NULL AND sum(refunded) IS NULL AS is_unpriced,
    if(is_unpriced, NULL, coalesce(sum(shipped), 0))::DECIMAL(38, 4) AS shipped_amount,
    if(is_unpriced, NULL, -coalesce(sum(refunded), 0))::DECIMAL(38, 4) AS refunded_amount
  FROM each
  GROUP BY ALL
)
SELECT event_date, product_id, product_category, 'events' AS sales_source, product_view_count, add_to_cart_count,
  remove_from_cart_count, viewing_visitor_count, cart_visitor_count, purchase_count, sold_item_count,
  refunded_item_count, shipped_amount, refunded_amount,
  (shipped_amount + refunded_amount)::DECIMAL(38, 4) AS revenue_amount,
  share(cart_visitor_count, viewing_visitor_count) AS cart_rate,
  share(purchase_count, add_to_cart_count) AS purchases_per_cart,
  share(purchase_count, product_view_count) AS purchases_per_view
FROM sums;

-- == mart.session_sources

CREATE TABLE mart.session_sources AS
WITH sourced AS (
  SELECT events.event_date, events.visitor_id, events.session_device_id, event_at, event_id, source, medium, campaign,
    channel, addresses.campaign_id, ad_platform
  FROM staging.events
  JOIN addresses ON if(contains(page_url, 'utm_'), page_url, NULL) IS NOT DISTINCT FROM page
    AND events.referrer_url IS NOT DISTINCT FROM addresses.referrer_url
  WHERE contains(page_url, 'utm_') OR NOT starts_with(events.referrer_url, 'https://shop.example.com/')
), placed AS (
  SELECT sourced.*, started_at AS fragment_started_at
  FROM sourced ASOF JOIN mart.session_days AS fragments
    ON sourced.visitor_id = fragments.visitor_id AND sourced.session_device_id = fragments.session_device_id
      AND sourced.event_at >= fragments.started_at
), first AS (
  SELECT event_date, visitor_id, session_device_id, fragment_started_at, arg_min({'event_at': event_at,
    'event_id': event_id, 'source': source, 'medium': medium, 'campaign': campaign, 'channel': channel,
    'campaign_id': campaign_id, 'ad_platform': ad_platform}, (event_at, event_id)) AS event
  FROM placed
  GROUP BY ALL
)
SELECT event_date, visitor_id, session_device_id, fragment_started_at, unnest(event),
  '{lists}' AS source_lists_version
FROM first;

-- == mart.touches

CREATE TABLE mart.touches AS
WITH sourced AS (
  SELECT sessions.session_id, arg_min({'source': source, 'medium': medium, 'campaign': campaign, 'channel': channel,
    'campaign_id': campaign_id, 'ad_platform': ad_platform}, fragment_started_at) AS source
  FROM mart.session_sources AS sources ASOF JOIN mart.sessions
    ON sessions.visitor_id = sources.visitor_id AND sessions.session_device_id = sources.session_device_id
      AND fragment_started_at >= started_at
  GROUP BY 1
)
SELECT visitor_id, coalesce(source.source, '(direct)') AS source, coalesce(source.medium, '(none)') AS medium,
  coalesce(source.campaign, '(not set)') AS campaign, coalesce(source.channel, 'Direct') AS channel,
  source.campaign_id AS campaign_id, source.ad_platform AS ad_platform,
  '{lists}' AS source_lists_version, session_id, started_at, started_date, is_bot
FROM mart.sessions LEFT JOIN sourced USING (session_id)
WHERE event_count > refund_count;

-- == mart.conversions

CREATE TABLE mart.conversions AS
SELECT event_date AS converted_date, 'purchase' AS unit, event_id AS conversion_id, visitor_id, visitor_id AS customer_id,
  event_type = 'refund' AS is_refund, event_at AS converted_at,
  if(event_type = 'refund', -cart_amount, cart_amount)::DECIMAL(38, 4) AS revenue_amount,
  false AS is_renewal
FROM mart.session_events
WHERE event_type IN ('purchase', 'refund');

-- == mart.conversion_credit

-- 2^(-age in seconds / 7 days) as a whole number of 2^40, a factor per bit, for every age within 30 days.
CREATE TEMP TABLE weights AS
SELECT age_s, greatest(floor(list_reduce(list_transform(range(22), lambda bit: if(age_s >> bit & 1 = 1,
  round(1_099_511_627_776 * pow(2, -pow(2, bit) / 604_800)), 1_099_511_627_776.0)),
  lambda weight, factor: weight * factor / 1_099_511_627_776.0, 1_099_511_627_776.0))::BIGINT, 1) AS weight
FROM range(2_592_001) AS ages (age_s);

-- Money is shared in whole cents if it is whole cents, and in large steps beyond what doubles hold.
CREATE MACRO money_step(money) AS
  CASE WHEN abs(money) > 100_000_000_000_000_000 THEN 1_000_000_000_000 WHEN money % 100 = 0 THEN 100 ELSE 1 END;
CREATE MACRO rounded(amount, part, whole) AS floor(amount::DOUBLE * part::DOUBLE / whole::DOUBLE + 0.5)::BIGINT;
CREATE MACRO part_of_money(money, step, part, whole) AS if(part = whole, abs(money),
  rounded(floor(abs(money)::DOUBLE / step), part, whole) * step);
-- What the touches up to place `p` of `n` have together where the first and the last have percentages of their own.
CREATE MACRO shaped(first, middle, two, n, p) AS CASE WHEN p < 1 THEN 0 WHEN p >= n THEN 100 * greatest(n - 2, 1)
  WHEN n > 2 THEN first * greatest(n - 2, 1) + middle * (p - 1) ELSE two END;

CREATE TEMP TABLE bought AS
WITH placed AS (
  SELECT *, max(if(is_refund, NULL, converted_at)) OVER so_far AS last_at,
    max(if(is_refund, NULL, converted_date)) OVER so_far AS last_date
  FROM mart.conversions
  WINDOW so_far AS (PARTITION BY visitor_id ORDER BY converted_at, is_refund, conversion_id ROWS UNBOUNDED PRECEDING)
)
SELECT row_number() OVER () AS number, converted_date, conversion_id, visitor_id, is_refund,
  if(NOT is_refund OR last_at >= converted_at - INTERVAL 90 DAY, last_at, NULL) AS bought_at,
  if(NOT is_refund OR last_at >= converted_at - INTERVAL 90 DAY, last_date, NULL) AS bought_date,
  (coalesce(revenue_amount, 0) * 10_000)::BIGINT AS money, money_step(money) AS step
FROM placed;

CREATE TEMP TABLE pairs AS
WITH ordered AS (
  SELECT visitor_id, channel, started_at, channel <> 'Direct' AS is_sourced,
    row_number() OVER (PARTITION BY visitor_id ORDER BY started_at, session_id) AS touch_number
  FROM mart.touches SEMI JOIN bought USING (visitor_id)
)
SELECT number, touch_number, channel, is_sourced,
  (epoch_us(bought_at) - epoch_us(started_at)) // 1_000_000 AS age_s
FROM bought JOIN ordered ON bought.visitor_id = ordered.visitor_id AND started_at <= bought_at
  AND started_at >= bought_at - INTERVAL 30 DAY;

CREATE TABLE mart.conversion_credit AS
WITH ends AS (
  SELECT number, min(touch_number) AS first_number, count(*) AS n,
    coalesce(max(touch_number) FILTER (is_sourced), max(touch_number)) AS last_non_direct
  FROM pairs
  GROUP BY number
), summed AS (
  SELECT number, touch_number, channel, sum(weight) OVER so_far AS weight_so_far, weight,
    sum(weight) OVER (PARTITION BY number) AS weight_in_all
  FROM pairs JOIN weights USING (age_s)
  WINDOW so_far AS (PARTITION BY number ORDER BY touch_number ROWS UNBOUNDED PRECEDING)
), shared AS (
  SELECT number, channel, touch_number - first_number + 1 AS p, n, touch_number = last_non_direct AS is_last_non_direct,
    100 * greatest(n - 2, 1) AS whole, shaped(40, 20, 50, n, p) AS position_here,
    shaped(40, 20, 50, n, p - 1) AS position_before, shaped(20, 20, 25, n, p) AS j_here,
    shaped(20, 20, 25, n, p - 1) AS j_before, weight_so_far::BIGINT AS decay_here,
    (weight_so_far - weight)::BIGINT AS decay_before, weight_in_all::BIGINT AS decay_whole, money, step
  FROM summed JOIN ends USING (number) JOIN bought USING (number)
), sums AS (
  SELECT number, channel, count(*) FILTER (p = 1) AS first, count(*) FILTER (p = n) AS last,
    count(*) FILTER (is_last_non_direct) AS last_non_direct,
    sum(rounded(1_000_000_000, p, n) - rounded(1_000_000_000, p - 1, n)) AS linear,
    sum(part_of_money(money, step, p, n) - part_of_money(money, step, p - 1, n)) AS linear_money,
    sum(rounded(1_000_000_000, position_here, whole) - rounded(1_000_000_000, position_before, whole)) AS position,
    sum(part_of_money(money, step, position_here, whole)
      - part_of_money(money, step, position_before, whole)) AS position_money,
    sum(rounded(1_000_000_000, j_here, whole) - rounded(1_000_000_000, j_before, whole)) AS j,
    sum(part_of_money(money, step, j_here, whole) - part_of_money(money, step, j_before, whole)) AS j_money,
    sum(rounded(1_000_000_000, decay_here, decay_whole) - rounded(1_000_000_000, decay_before, decay_whole)) AS decay,
    sum(part_of_money(money, step, decay_here, decay_whole)
      - part_of_money(money, step, decay_before, decay_whole)) AS decay_money
  FROM shared
  GROUP BY ALL
), parts AS (
  SELECT bought.* EXCLUDE (number), coalesce(channel, '(none)') AS channel, if(money < 0, -1, 1) AS sign,
    if(is_refund, 0, 1) AS is_conversion, coalesce(first, 1) AS first, coalesce(last, 1) AS last,
    coalesce(last_non_direct, 1) AS last_non_direct, coalesce(linear, 1_000_000_000) AS linear,
    coalesce(linear_money, abs(money)) AS linear_money, coalesce(position, 1_000_000_000) AS position,
    coalesce(position_money, abs(money)) AS position_money, coalesce(j, 1_000_000_000) AS j,
    coalesce(j_money, abs(money)) AS j_money, coalesce(decay, 1_000_000_000) AS decay,
    coalesce(decay_money, abs(money)) AS decay_money
  FROM bought LEFT JOIN sums USING (number)
)
SELECT converted_date, 'purchase' AS unit, conversion_id, visitor_id, visitor_id AS customer_id, is_refund, channel, bought_date,
  (first * is_conversion)::DECIMAL(18, 9) AS first_credit,
  (first * money * 0.0001)::DECIMAL(38, 4) AS first_revenue_amount,
  (last * is_conversion)::DECIMAL(18, 9) AS last_credit, (last * money * 0.0001)::DECIMAL(38, 4) AS last_revenue_amount,
  (last_non_direct * is_conversion)::DECIMAL(18, 9) AS last_non_direct_credit,
  (last_non_direct * money * 0.0001)::DECIMAL(38, 4) AS last_non_direct_revenue_amount,
  (linear * is_conversion * 0.000000001)::DECIMAL(18, 9) AS linear_credit,
  (linear_money * sign * 0.0001)::DECIMAL(38, 4) AS linear_revenue_amount,
  (position * is_conversion * 0.000000001)::DECIMAL(18, 9) AS position_credit,
  (position_money * sign * 0.0001)::DECIMAL(38, 4) AS position_revenue_amount,
  (j * is_conversion * 0.000000001)::DECIMAL(18, 9) AS j_credit,
  (j_money * sign * 0.0001)::DECIMAL(38, 4) AS j_revenue_amount,
  (decay * is_conversion * 0.000000001)::DECIMAL(18, 9) AS time_decay_credit,
  (decay_money * sign * 0.0001)::DECIMAL(38, 4) AS time_decay_revenue_amount
FROM parts;

-- == mart.channel_removal_effects

-- The transitions of the chain of each day; Python solves the few equations, as it does for the platform.
CREATE TEMP TABLE chain_steps AS
WITH ordered AS (
  SELECT visitor_id, session_id, channel, started_at, started_date, lead(channel) OVER in_order AS next_channel,
    lead(started_at) OVER in_order AS next_at, lag(started_at) OVER in_order AS previous_at
  FROM mart.touches
  WINDOW in_order AS (PARTITION BY visitor_id ORDER BY started_at, session_id)
), own AS (
  SELECT visitor_id, converted_at, converted_date FROM mart.conversions WHERE NOT is_refund
), led AS (
  SELECT converted_date, channel, if(next_at <= converted_at, next_channel, '(conversion)') AS there,
    previous_at IS NULL OR previous_at < converted_at - INTERVAL 30 DAY AS is_first, count(*) AS n
  FROM own JOIN ordered ON own.visitor_id = ordered.visitor_id AND started_at <= converted_at
    AND started_at >= converted_at - INTERVAL 30 DAY
  GROUP BY ALL
), open AS (
  SELECT ordered.visitor_id, session_id, channel, next_channel, started_at, next_at, started_date AS begin,
    least(started_date + 30, if(converted_at <= started_at + INTERVAL 30 DAY, converted_date, NULL)) AS until
  FROM ordered ASOF LEFT JOIN own ON own.visitor_id = ordered.visitor_id AND started_at <= converted_at
), linked AS (
  SELECT *, lead(begin) OVER in_order AS next_begin, lead(until) OVER in_order AS next_until
  FROM open
  WINDOW in_order AS (PARTITION BY visitor_id ORDER BY started_at, session_id)
), alone AS (
  SELECT channel, begin, until, count(*) AS n FROM linked WHERE begin < until GROUP BY ALL
), followed AS (
  SELECT channel, next_channel, next_begin AS begin, least(until, next_until) AS until, count(*) AS n
  FROM linked
  WHERE next_at <= started_at + INTERVAL 30 DAY AND next_begin < least(until, next_until)
  GROUP BY ALL
), spans AS (
  SELECT channel AS here, there, converted_date AS begin, converted_date + 30 AS until, n FROM led
  UNION ALL SELECT '(start)', channel, converted_date, converted_date + 30, n FROM led WHERE is_first
  UNION ALL SELECT '(start)', channel, begin, until, n FROM alone
  UNION ALL SELECT channel, '(null)', begin, until, n FROM alone
  UNION ALL SELECT channel, next_channel, begin, until, n FROM followed
  UNION ALL SELECT channel, '(null)', begin, until, -n FROM followed
  UNION ALL SELECT '(start)', next_channel, begin, until, -n FROM followed
), changes AS (
  SELECT here, there, begin AS day, sum(n) AS n FROM spans GROUP BY ALL
  UNION ALL SELECT here, there, until, -sum(n) FROM spans GROUP BY ALL
)
SELECT days.day, here, there, sum(n)::BIGINT AS step_count
FROM (SELECT DISTINCT converted_date AS day FROM led) AS days JOIN changes ON changes.day <= days.day
GROUP BY ALL
HAVING step_count > 0;

-- == mart.channel_attribution

CREATE TABLE mart.channel_attribution AS
WITH by_channel AS (
  SELECT unit, converted_date, channel, sum(COLUMNS('.*_(credit|revenue_amount)')) FROM mart.conversion_credit
  GROUP BY ALL
), by_model AS (
  SELECT converted_date, unit, channel, unnest([
    {'model': 'first', 'credit': first_credit, 'revenue_amount': first_revenue_amount},
    {'model': 'last', 'credit': last_credit, 'revenue_amount': last_revenue_amount},
    {'model': 'last_non_direct', 'credit': last_non_direct_credit, 'revenue_amount': last_non_direct_revenue_amount},
    {'model': 'linear', 'credit': linear_credit, 'revenue_amount': linear_revenue_amount},
    {'model': 'position', 'credit': position_credit, 'revenue_amount': position_revenue_amount},
    {'model': 'j', 'credit': j_credit, 'revenue_amount': j_revenue_amount},
    {'model': 'time_decay', 'credit': time_decay_credit, 'revenue_amount': time_decay_revenue_amount}
  ], recursive := true)
  FROM by_channel
), totals AS (
  SELECT unit, converted_date, bought_date, channel <> '(none)' AS is_touched, sum(first_credit)::BIGINT AS conversions,
    (sum(first_revenue_amount) * 10_000)::HUGEINT AS money
  FROM mart.conversion_credit
  GROUP BY ALL
), parts AS (
  SELECT totals.*, channel, rank_number, floor(credit_share::DOUBLE * 1e9 + 0.5)::BIGINT AS units,
    part_of_money(money, money_step(money), units, 1_000_000_000) * if(money < 0, -1, 1) AS part
  FROM totals JOIN mart.channel_removal_effects AS effects
    ON totals.unit = effects.unit AND bought_date = effects.converted_date
  WHERE is_touched
), markov AS (
  SELECT converted_date, unit, channel, conversions * units AS credit,
    part + if(rank_number = 1, money - sum(part) OVER (PARTITION BY unit, converted_date, bought_date), 0) AS money
  FROM parts
  UNION ALL
  SELECT converted_date, unit, '(none)', conversions * 1_000_000_000, money FROM totals WHERE NOT is_touched
)
SELECT converted_date, unit, model, channel, credit::DECIMAL(18, 9) AS credit,
  revenue_amount::DECIMAL(38, 4) AS revenue_amount
FROM by_model
WHERE credit <> 0 OR revenue_amount <> 0
UNION ALL
SELECT converted_date, unit, 'markov', channel, (sum(credit) * 0.000000001)::DECIMAL(18, 9),
  (sum(money) * 0.0001)::DECIMAL(38, 4)
FROM markov
GROUP BY ALL
HAVING sum(credit) <> 0 OR sum(money) <> 0;

-- == mart.conversion_by_dimension

CREATE TABLE mart.conversion_by_dimension AS
WITH agents AS (
  SELECT user_agent, CASE
      WHEN regexp_matches(lower(user_agent), 'ipad|tablet|kindle|silk/') THEN 'tablet'
      WHEN regexp_matches(lower(user_agent), 'iphone|ipod|windows phone|blackberry|mobi') THEN 'mobile'
      WHEN contains(lower(user_agent), 'android') THEN 'tablet'
      WHEN regexp_matches(lower(user_agent), 'windows nt|macintosh|x11|cros|linux') THEN 'desktop'
      ELSE 'other' END AS device
  FROM (SELECT DISTINCT user_agent FROM staging.events WHERE user_agent IS NOT NULL)
), first_events AS (
  SELECT sessions.session_id, arg_min_null(user_agent, event_id) AS user_agent
  FROM staging.events JOIN mart.sessions ON sessions.visitor_id = events.visitor_id
    AND sessions.session_device_id = events.session_device_id AND started_at = event_at
  GROUP BY 1
), described AS (
  SELECT session_id, sessions.started_date AS cohort_date, coalesce(first_product_category, '(none)') AS category,
    coalesce(channel, '(none)') AS channel, if(sessions.is_bot, 'robot', coalesce(device, 'other')) AS device,
    add_to_cart_count, checkout_start_count, purchase_count, last_step
  FROM mart.sessions
  LEFT JOIN first_events USING (session_id)
  LEFT JOIN agents USING (user_agent)
  LEFT JOIN (SELECT session_id, channel FROM mart.touches) USING (session_id)
  LEFT JOIN (SELECT unit_id AS session_id, last_step FROM mart.funnel_entries WHERE unit = 'session') USING (session_id)
), counted AS (
  SELECT cohort_date, category, channel, device, count(*) FILTER (add_to_cart_count > 0) AS carts,
    count(*) FILTER (add_to_cart_count > 0 AND purchase_count > 0) AS paid_carts,
    count(*) FILTER (checkout_start_count > 0) AS checkouts,
    count(*) FILTER (checkout_start_count > 0 AND purchase_count > 0) AS paid_checkouts,
    count(*) FILTER (last_step >= 1) AS reached_1, count(*) FILTER (last_step >= 2) AS reached_2,
    count(*) FILTER (last_step >= 3) AS reached_3, count(*) FILTER (last_step >= 4) AS reached_4,
    count(*) FILTER (last_step >= 5) AS reached_5
  FROM described
  GROUP BY ALL
), by_value AS (
  SELECT cohort_date, CASE WHEN grouping(category) = 0 THEN 'category' WHEN grouping(channel) = 0 THEN 'channel'
      ELSE 'device' END AS dimension, coalesce(category, channel, device) AS value,
    sum(COLUMNS('^(carts|paid_|checkouts|reached_).*'))::BIGINT
  FROM counted
  GROUP BY GROUPING SETS ((cohort_date, category), (cohort_date, channel), (cohort_date, device))
), rows AS (
  SELECT cohort_date, dimension, value, unnest([
    {'funnel_name': '(cart)', 'step': 1, 'event_type': 'add_to_cart', 'unit_count': carts, 'whole': carts},
    {'funnel_name': '(cart)', 'step': 2, 'event_type': 'purchase', 'unit_count': paid_carts, 'whole': carts},
    {'funnel_name': '(checkout)', 'step': 1, 'event_type': 'checkout_start', 'unit_count': checkouts,
      'whole': checkouts},
    {'funnel_name': '(checkout)', 'step': 2, 'event_type': 'purchase', 'unit_count': paid_checkouts,
      'whole': checkouts},
    {'funnel_name': 'default', 'step': 1, 'event_type': 'page_view', 'unit_count': reached_1, 'whole': reached_1},
    {'funnel_name': 'default', 'step': 2, 'event_type': 'product_view', 'unit_count': reached_2, 'whole': reached_1},
    {'funnel_name': 'default', 'step': 3, 'event_type': 'add_to_cart', 'unit_count': reached_3, 'whole': reached_1},
    {'funnel_name': 'default', 'step': 4, 'event_type': 'checkout_start', 'unit_count': reached_4, 'whole': reached_1},
    {'funnel_name': 'default', 'step': 5, 'event_type': 'purchase', 'unit_count': reached_5, 'whole': reached_1}
  ], recursive := true)
  FROM by_value
)
SELECT funnel_name, cohort_date, dimension, value, step::BIGINT AS step, event_type, unit_count
FROM rows
WHERE whole > 0 AND NOT (funnel_name = 'default' AND dimension = 'category');

-- == mart.customer_segments

CREATE TABLE mart.customer_segments AS
WITH buyers AS (
  SELECT visitor_id AS customer_id, as_of_date, max(started_date) AS last_order_date,
    as_of_date - last_order_date AS recency_days, sum(purchase_count)::BIGINT AS order_count,
    sum(purchase_amount)::DECIMAL(38, 4) AS revenue_amount
  FROM mart.sessions, (SELECT max(started_date) AS as_of_date FROM mart.sessions)
  WHERE has_purchase
  GROUP BY visitor_id, as_of_date
), ranked AS (
  SELECT *, rank() OVER (ORDER BY last_order_date) - 1 AS recency_rank, rank() OVER (ORDER BY order_count) - 1
    AS frequency_rank, rank() OVER (ORDER BY revenue_amount) - 1 AS monetary_rank, count(*) OVER () - 1 AS others
  FROM buyers
), scored AS (
  SELECT customer_id, as_of_date, last_order_date, recency_days, order_count, revenue_amount,
    1 + if(recency_rank > 0, least(5 * recency_rank // others, 4), 0) AS recency_score,
    1 + if(frequency_rank > 0, least(5 * frequency_rank // others, 4), 0) AS frequency_score,
    1 + if(monetary_rank > 0, least(5 * monetary_rank // others, 4), 0) AS monetary_score,
    recency_score * 100 + frequency_score * 10 + monetary_score AS code
  FROM ranked
)
SELECT * EXCLUDE (code), CASE
    WHEN code IN (555, 554, 544, 545, 454, 455, 445) THEN 'Champions'
    WHEN code IN (543, 444, 435, 355, 354, 345, 344, 335) THEN 'Loyal'
    WHEN code IN (553, 551, 552, 541, 542, 533, 532, 531, 452, 451, 442, 441, 431, 453, 433, 432, 423, 353,
      352, 351, 342, 341, 333, 323) THEN 'Potential Loyalist'
    WHEN code IN (512, 511, 422, 421, 412, 411, 311) THEN 'New'
    WHEN code IN (525, 524, 523, 522, 521, 515, 514, 513, 425, 424, 413, 414, 415, 315, 314, 313) THEN
      'Promising'
    WHEN code IN (535, 534, 443, 434, 343, 334, 325, 324) THEN 'Need Attention'
    WHEN code IN (331, 321, 312, 221, 213, 231, 241, 251) THEN 'About To Sleep'
    WHEN code IN (255, 254, 245, 244, 253, 252, 243, 242, 235, 234, 225, 224, 153, 152, 145, 143, 142, 135,
      134, 133, 125, 124) THEN 'At Risk'
    WHEN code IN (155, 154, 144, 214, 215, 115, 114, 113) THEN 'Can''t Lose'
    WHEN code IN (332, 322, 233, 232, 223, 222, 132, 123, 122, 212, 211) THEN 'Hibernating'
    ELSE 'Lost' END AS segment
FROM scored;

-- == mart.lifetime_value

-- What its models are fitted to; Python fits them, as it does for the platform.
CREATE TEMP TABLE histories AS
WITH days AS (
  SELECT visitor_id AS customer_id, started_date, sum(purchase_amount) AS amount, min(started_date) OVER (
    PARTITION BY visitor_id) AS first_date
  FROM mart.sessions
  WHERE has_purchase
  GROUP BY visitor_id, started_date
)
SELECT customer_id, as_of_date, count(*) - 1 AS repeat_order_count,
  max(started_date) - first_date AS first_to_last_days, as_of_date - first_date AS observed_days,
  coalesce(sum(amount) FILTER (started_date > first_date), 0)::DECIMAL(38, 4) AS repeat_amount
FROM days, (SELECT max(started_date) AS as_of_date FROM mart.sessions)
GROUP BY customer_id, as_of_date, first_date;
