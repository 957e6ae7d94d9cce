-- The tables of advertising by hand, over `raw_spend`, `touches`, `conversions`, `sales`,
-- `profit_lines`, `cities` and `calendar`. They are written for shops as these: each campaign has
-- an id, a load is the file of one day of arrival, and orders have customers.
-- == ad_spend

CREATE TABLE hand_ad_spend AS
WITH loads AS (
    SELECT
        source_file, spend_date, platform, account_id, campaign_id AS campaign_key,
        if(ad_group_id IS NULL, 'campaign', 'ad_group') AS level,
        coalesce(ad_group_id, '(all)') AS ad_group_key,
        max(campaign_id) AS campaign_id, max(campaign_name) AS campaign_name,
        max(currency) AS currency, max(account_time_zone) AS account_time_zone,
        max(received_date) AS received_date, count(*) AS row_count,
        sum(account_spend_amount) AS account_spend_amount, sum(spend_amount) AS spend_amount,
        sum(impression_count)::BIGINT AS impression_count, sum(click_count)::BIGINT AS click_count,
        sum(platform_conversion_count) AS platform_conversion_count,
        sum(account_conversion_amount) AS account_conversion_amount,
        sum(platform_conversion_amount) AS platform_conversion_amount
    FROM raw_spend
    WHERE
        malformed_row IS NULL AND spend_date IS NOT NULL AND campaign_id IS NOT NULL
        AND account_spend_amount IS NOT NULL
    GROUP BY ALL
),

newest AS (
    SELECT spend_date, platform, account_id, level, campaign_key, max(received_date) AS newest_date
    FROM loads GROUP BY ALL
),

older AS (
    SELECT DISTINCT source_file, spend_date, platform, account_id, level
    FROM loads INNER JOIN newest USING (spend_date, platform, account_id, level, campaign_key)
    WHERE received_date < newest_date
),

counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY spend_date, platform, account_id, level) > 1 AS is_conflict,
        level = 'campaign' OR NOT bool_or(level = 'campaign') OVER (
            PARTITION BY spend_date, platform, account_id
        ) AS is_counted
    FROM (SELECT DISTINCT source_file, spend_date, platform, account_id, level FROM loads)
    ANTI JOIN older USING (source_file, spend_date, platform, account_id, level)
)

SELECT loads.*, is_counted, is_conflict
FROM loads INNER JOIN counted USING (source_file, spend_date, platform, account_id, level);

-- == ad_spend_daily

CREATE TABLE hand_ad_spend_daily AS
SELECT
    spend_date, platform, account_id, campaign_key,
    max(campaign_id) AS campaign_id, max(campaign_name) AS campaign_name,
    max(currency) AS currency, bool_or(is_conflict) AS is_conflict,
    max(coalesce(account_time_zone, if(platform = 'tiktok', 'UTC', NULL))) AS account_time_zone,
    sum(account_spend_amount) AS account_spend_amount, sum(spend_amount) AS spend_amount,
    sum(impression_count)::BIGINT AS impression_count, sum(click_count)::BIGINT AS click_count,
    sum(platform_conversion_count) AS platform_conversion_count,
    sum(platform_conversion_amount) AS platform_conversion_amount
FROM hand_ad_spend WHERE is_counted
GROUP BY ALL;

-- == campaign_credit

-- 2^(-age in seconds / 7 days) as a whole number of 2^40, a factor per bit, by age.
CREATE TEMP TABLE weights AS
SELECT
    age_s,
    greatest(floor(list_reduce(
        list_transform(range(22), lambda bit: if(
            age_s >> bit & 1 = 1, round(1_099_511_627_776 * pow(2, -pow(2, bit) / 604_800)),
            1_099_511_627_776.0
        )),
        lambda weight, factor: weight * factor / 1_099_511_627_776.0, 1_099_511_627_776.0
    ))::BIGINT, 1) AS weight
FROM range(2_592_001) AS ages (age_s);

-- Money is shared in whole cents.
CREATE MACRO rounded(amount, part, whole) AS
    floor(amount::DOUBLE * part::DOUBLE / whole::DOUBLE + 0.5)::BIGINT;
CREATE MACRO part_of_money(money, part, whole) AS
    if(part = whole, abs(money), rounded(floor(abs(money)::DOUBLE / 100), part, whole) * 100);
-- What the touches up to place `p` of `n` have where the first and the last have percentages.
CREATE MACRO shaped(first, middle, two, n, p) AS
    CASE
        WHEN p < 1 THEN 0 WHEN p >= n THEN 100 * greatest(n - 2, 1)
        WHEN n > 2 THEN first * greatest(n - 2, 1) + middle * (p - 1) ELSE two
    END;

CREATE TEMP TABLE bought AS
WITH placed AS (
    SELECT
        *,
        coalesce(
            max(if(is_refund, NULL, converted_at)) OVER of_order,
            max(if(is_refund, NULL, converted_at)) OVER so_far
        ) AS last_at,
        coalesce(
            max(if(is_refund, NULL, converted_date)) OVER of_order,
            max(if(is_refund, NULL, converted_date)) OVER so_far
        ) AS last_date
    FROM conversions
    WINDOW so_far AS (
        PARTITION BY visitor_id ORDER BY converted_at, is_refund, conversion_id
        ROWS UNBOUNDED PRECEDING
    ), of_order AS (
        PARTITION BY visitor_id, conversion_id ORDER BY converted_at, is_refund
        ROWS UNBOUNDED PRECEDING
    )
)

SELECT
    row_number() OVER () AS number, converted_date, conversion_id, visitor_id, customer_id,
    is_refund,
    NOT is_refund OR last_at >= converted_at - INTERVAL 90 DAY AS is_found,
    if(is_found, last_at, NULL) AS bought_at, if(is_found, last_date, NULL) AS bought_date,
    (revenue_amount * 10_000)::BIGINT AS money
FROM placed;

CREATE TABLE hand_campaign_credit AS
WITH ordered AS (
    SELECT
        visitor_id, channel, started_at, started_date, campaign,
        coalesce(ad_platform, '(none)') AS ad_platform,
        coalesce(campaign_id, '(not set)') AS campaign_id, channel <> 'Direct' AS is_sourced,
        row_number() OVER (PARTITION BY visitor_id ORDER BY started_at, session_id) AS touch_number
    FROM touches SEMI JOIN bought USING (visitor_id)
),

pairs AS (
    SELECT
        number, touch_number, started_date, channel, ad_platform, campaign_id, campaign, is_sourced,
        (epoch_us(bought_at) - epoch_us(started_at)) // 1_000_000 AS age_s
    FROM bought INNER JOIN ordered
        ON
            bought.visitor_id = ordered.visitor_id AND started_at <= bought_at
            AND started_at >= bought_at - INTERVAL 30 DAY
),

ends AS (
    SELECT
        number, min(touch_number) AS first_number, count(*) AS n,
        coalesce(max(touch_number) FILTER (is_sourced), max(touch_number)) AS last_non_direct
    FROM pairs GROUP BY number
),

summed AS (
    SELECT
        pairs.*, weight, sum(weight) OVER so_far AS weight_so_far,
        sum(weight) OVER (PARTITION BY number) AS weight_in_all
    FROM pairs INNER JOIN weights USING (age_s)
    WINDOW so_far AS (PARTITION BY number ORDER BY touch_number ROWS UNBOUNDED PRECEDING)
),

shared AS (
    SELECT
        number, started_date, channel, ad_platform, campaign_id, campaign,
        touch_number - first_number + 1 AS p, n, 100 * greatest(n - 2, 1) AS whole,
        touch_number = last_non_direct AS is_last_non_direct, money,
        shaped(40, 20, 50, n, p) AS position_here, shaped(40, 20, 50, n, p - 1) AS position_before,
        shaped(20, 20, 25, n, p) AS j_here, shaped(20, 20, 25, n, p - 1) AS j_before,
        weight_so_far::BIGINT AS decay_here, (weight_so_far - weight)::BIGINT AS decay_before,
        weight_in_all::BIGINT AS decay_whole
    FROM summed INNER JOIN ends USING (number) INNER JOIN bought USING (number)
),

sums AS (
    SELECT
        number, started_date, channel, ad_platform, campaign_id, campaign,
        count(*) FILTER (p = 1) AS first, count(*) FILTER (p = n) AS last,
        count(*) FILTER (is_last_non_direct) AS last_non_direct,
        sum(rounded(1e9, p, n) - rounded(1e9, p - 1, n)) AS linear,
        sum(part_of_money(money, p, n) - part_of_money(money, p - 1, n)) AS linear_money,
        sum(rounded(1e9, position_here, whole) - rounded(1e9, position_before, whole)) AS position,
        sum(
            part_of_money(money, position_here, whole)
            - part_of_money(money, position_before, whole)
        ) AS position_money,
        sum(rounded(1e9, j_here, whole) - rounded(1e9, j_before, whole)) AS j,
        sum(part_of_money(money, j_here, whole) - part_of_money(money, j_before, whole)) AS j_money,
        sum(rounded(1e9, decay_here, decay_whole) - rounded(1e9, decay_before, decay_whole))
            AS decay,
        sum(
            part_of_money(money, decay_here, decay_whole)
            - part_of_money(money, decay_before, decay_whole)
        ) AS decay_money
    FROM shared GROUP BY ALL
),

parts AS (
    SELECT
        bought.* EXCLUDE (number, is_found, bought_at),
        coalesce(started_date, converted_date) AS touched_date,
        coalesce(channel, '(none)') AS channel, coalesce(ad_platform, '(none)') AS ad_platform,
        coalesce(campaign_id, '(not set)') AS campaign_id,
        coalesce(campaign, '(not set)') AS campaign,
        if(money < 0, -1, 1) AS sign, if(is_refund, 0, 1) AS is_conversion,
        coalesce(first, 1) AS first, coalesce(last, 1) AS last,
        coalesce(last_non_direct, 1) AS last_non_direct, coalesce(linear, 1e9::BIGINT) AS linear,
        coalesce(linear_money, abs(money)) AS linear_money,
        coalesce(position, 1e9::BIGINT) AS position,
        coalesce(position_money, abs(money)) AS position_money, coalesce(j, 1e9::BIGINT) AS j,
        coalesce(j_money, abs(money)) AS j_money, coalesce(decay, 1e9::BIGINT) AS decay,
        coalesce(decay_money, abs(money)) AS decay_money
    FROM bought LEFT JOIN sums USING (number)
)

SELECT
    converted_date, conversion_id, visitor_id, customer_id, is_refund, bought_date, touched_date,
    channel, ad_platform, campaign_id, campaign,
    (first * is_conversion)::DECIMAL(18, 9) AS first_credit,
    (first * money * 0.0001)::DECIMAL(38, 4) AS first_revenue_amount,
    (last * is_conversion)::DECIMAL(18, 9) AS last_credit,
    (last * money * 0.0001)::DECIMAL(38, 4) AS last_revenue_amount,
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

-- == campaign_tags

CREATE TABLE hand_campaign_tags AS
WITH tags AS (
    SELECT
        channel, coalesce(ad_platform, '(none)') AS ad_platform,
        coalesce(campaign_id, '(not set)') AS campaign_id, campaign,
        count(*) FILTER (NOT is_bot) AS session_count,
        ad_platform <> '(none)' OR channel IN (
            'Cross-network', 'Paid Shopping', 'Paid Search', 'Paid Social', 'Paid Video', 'Display',
            'Paid Other'
        ) AS is_ad
    FROM touches GROUP BY ALL
),

known AS (
    SELECT DISTINCT platform, account_id, campaign_key, campaign_id, lower(campaign_name) AS named
    FROM hand_ad_spend_daily
),

met AS (
    SELECT channel, ad_platform, tags.campaign_id, campaign, platform, account_id, campaign_key,
        'campaign_id' AS matched_by
    FROM tags INNER JOIN known
        ON tags.campaign_id = known.campaign_id AND ad_platform IN (platform, '(none)')
    UNION ALL
    SELECT channel, ad_platform, tags.campaign_id, campaign, platform, account_id, campaign_key,
        'campaign_name'
    FROM tags INNER JOIN known ON campaign = named AND ad_platform IN (platform, '(none)')
    WHERE is_ad
),

alone AS (
    SELECT * FROM met
    QUALIFY count(*) OVER (PARTITION BY channel, ad_platform, campaign_id, campaign, matched_by) = 1
),

first_met AS (
    SELECT * FROM alone
    QUALIFY row_number() OVER (
        PARTITION BY channel, ad_platform, campaign_id, campaign ORDER BY matched_by
    ) = 1
)

SELECT
    channel, ad_platform, campaign_id, campaign, session_count,
    coalesce(platform, ad_platform) AS platform, coalesce(account_id, '(none)') AS account_id,
    coalesce(
        campaign_key, if(campaign_id <> '(not set)', campaign_id, campaign)
    ) AS campaign_key,
    coalesce(matched_by, if(ad_platform <> '(none)', 'click_id', 'nothing')) AS matched_by
FROM tags LEFT JOIN first_met USING (channel, ad_platform, campaign_id, campaign)
WHERE is_ad OR matched_by IS NOT NULL;

-- == ad_campaigns

CREATE TABLE hand_ad_campaigns AS
WITH spent AS (
    SELECT
        platform, account_id, campaign_key, arg_max(campaign_name, spend_date) AS campaign_name,
        min(spend_date) AS first_spend_date, max(spend_date) AS last_spend_date
    FROM hand_ad_spend_daily GROUP BY ALL
),

visited AS (
    SELECT platform, account_id, campaign_key, channel
    FROM (
        SELECT platform, account_id, campaign_key, channel, sum(session_count) AS session_count
        FROM hand_campaign_tags GROUP BY ALL
    )
    QUALIFY row_number() OVER (
        PARTITION BY platform, account_id, campaign_key ORDER BY session_count DESC, channel
    ) = 1
)

SELECT
    platform, account_id, campaign_key, coalesce(campaign_name, campaign_key) AS campaign_name,
    regexp_matches(lower(coalesce(campaign_name, campaign_key)), '(^|[^a-z])brand([^a-z]|$)')
        AS is_brand,
    coalesce(channel, '(none)') AS channel, first_spend_date, last_spend_date
FROM spent FULL JOIN visited USING (platform, account_id, campaign_key);

-- == marketing_daily

CREATE MACRO part_of(amount, share) AS
    (floor(amount::DOUBLE * 1_000_000 * share + 0.5)::BIGINT * 0.000001)::DECIMAL(38, 6);
CREATE MACRO share_of(is_refund, money, paid, credit) AS
    if(is_refund, money::DOUBLE / paid::DOUBLE, credit::DOUBLE);
CREATE MACRO of_model(
    model, credit, money, is_renewal, is_first, is_refund, paid, revenue, contribution
) AS {
    'model': model,
    'credited_order_count': sum(credit) FILTER (NOT is_renewal),
    'credited_revenue_amount': sum(money) FILTER (NOT is_renewal),
    'renewal_order_count': sum(credit) FILTER (is_renewal),
    'renewal_revenue_amount': sum(money) FILTER (is_renewal),
    'new_customer_count': sum(if(is_first, credit, 0)),
    'first_order_revenue_amount': sum(if(is_first, money, 0)),
    'contribution_revenue_amount':
        sum(part_of(revenue, share_of(is_refund, money, paid, credit))) FILTER (NOT is_renewal),
    'contribution_before_ads_amount':
        sum(part_of(contribution, share_of(is_refund, money, paid, credit)))
        FILTER (NOT is_renewal)
};
CREATE MACRO of_touch(model, credit, money) AS
    {'model': model, 'touched_order_count': sum(credit), 'touched_revenue_amount': sum(money)};

CREATE TABLE hand_marketing_daily AS
WITH renewals AS (SELECT DISTINCT conversion_id AS renewal_id FROM conversions WHERE is_renewal),

first_paid AS (
    SELECT arg_min(conversion_id, (converted_at, conversion_id)) AS conversion_id
    FROM conversions WHERE NOT is_refund AND revenue_amount > 0
    GROUP BY customer_id
),

left_over AS (
    SELECT
        order_id, order_date, status, sum(revenue_amount) AS paid,
        sum(contribution_revenue_amount) AS revenue,
        sum(contribution_before_ads_amount) AS contribution
    FROM profit_lines GROUP BY ALL
),

ads AS (
    SELECT c.*, platform, account_id, campaign_key, renewal_id IS NOT NULL AS is_renewal
    FROM hand_campaign_credit AS c INNER JOIN hand_campaign_tags
        USING (channel, ad_platform, campaign_id, campaign)
    LEFT JOIN renewals ON conversion_id = renewal_id
),

worth AS (
    SELECT
        ads.*, paid, revenue, contribution,
        NOT is_refund AND NOT is_renewal AND first_paid.conversion_id IS NOT NULL AS is_first
    FROM ads
    LEFT JOIN left_over
        ON
            ads.conversion_id = order_id AND converted_date = order_date
            AND status = if(is_refund, 'refunded', 'shipped')
    LEFT JOIN first_paid USING (conversion_id)
),

of_orders AS (
    SELECT converted_date AS marketing_date, platform, account_id, campaign_key, [
        of_model(
            'first', first_credit, first_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        ),
        of_model(
            'last', last_credit, last_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        ),
        of_model(
            'last_non_direct', last_non_direct_credit, last_non_direct_revenue_amount, is_renewal,
            is_first, is_refund, paid, revenue, contribution
        ),
        of_model(
            'linear', linear_credit, linear_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        ),
        of_model(
            'position', position_credit, position_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        ),
        of_model(
            'j', j_credit, j_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        ),
        of_model(
            'time_decay', time_decay_credit, time_decay_revenue_amount, is_renewal, is_first,
            is_refund, paid, revenue, contribution
        )
    ] AS models
    FROM worth GROUP BY 1, 2, 3, 4
),

of_touches AS (
    SELECT touched_date AS marketing_date, platform, account_id, campaign_key, [
        of_touch('first', first_credit, first_revenue_amount),
        of_touch('last', last_credit, last_revenue_amount),
        of_touch('last_non_direct', last_non_direct_credit, last_non_direct_revenue_amount),
        of_touch('linear', linear_credit, linear_revenue_amount),
        of_touch('position', position_credit, position_revenue_amount),
        of_touch('j', j_credit, j_revenue_amount),
        of_touch('time_decay', time_decay_credit, time_decay_revenue_amount)
    ] AS models
    FROM ads WHERE NOT is_renewal GROUP BY 1, 2, 3, 4
),

of_visits AS (
    SELECT
        started_date AS marketing_date, platform, account_id, campaign_key,
        count(*) AS session_count
    FROM touches AS t INNER JOIN hand_campaign_tags AS tags
        ON
            t.channel = tags.channel AND coalesce(t.ad_platform, '(none)') = tags.ad_platform
            AND coalesce(t.campaign_id, '(not set)') = tags.campaign_id
            AND t.campaign = tags.campaign
    WHERE NOT is_bot
    GROUP BY ALL
),

once AS (
    SELECT
        spend_date AS marketing_date, platform, account_id, campaign_key, spend_amount,
        impression_count, click_count, platform_conversion_count, platform_conversion_amount
    FROM hand_ad_spend_daily
    UNION ALL BY NAME
    SELECT * FROM of_visits
),

parts AS (
    SELECT
        once.*, unnest([
            'first', 'last', 'last_non_direct', 'linear', 'position', 'j', 'time_decay'
        ]) AS model
    FROM once
    UNION ALL BY NAME
    SELECT * EXCLUDE (models), unnest(models, recursive := true) FROM of_orders
    UNION ALL BY NAME
    SELECT * EXCLUDE (models), unnest(models, recursive := true) FROM of_touches
),

sums AS (
    SELECT
        marketing_date, platform, account_id, campaign_key, model,
        coalesce(sum(spend_amount), 0) AS spend_amount,
        sum(impression_count)::BIGINT AS impression_count, sum(click_count)::BIGINT AS click_count,
        coalesce(sum(session_count), 0)::BIGINT AS session_count,
        sum(platform_conversion_count) AS platform_conversion_count,
        sum(platform_conversion_amount) AS platform_conversion_amount,
        coalesce(sum(credited_order_count), 0) AS credited_order_count,
        coalesce(sum(credited_revenue_amount), 0) AS credited_revenue_amount,
        coalesce(sum(renewal_order_count), 0) AS renewal_order_count,
        coalesce(sum(renewal_revenue_amount), 0) AS renewal_revenue_amount,
        coalesce(sum(touched_order_count), 0) AS touched_order_count,
        coalesce(sum(touched_revenue_amount), 0) AS touched_revenue_amount,
        coalesce(sum(new_customer_count), 0) AS new_customer_count,
        coalesce(sum(first_order_revenue_amount), 0) AS first_order_revenue_amount,
        sum(contribution_revenue_amount) AS contribution_revenue_amount,
        sum(contribution_before_ads_amount) AS contribution_before_ads_amount
    FROM parts GROUP BY ALL
)

SELECT
    *,
    credited_revenue_amount::DOUBLE / if(spend_amount > 0, spend_amount, NULL) AS roas,
    platform_conversion_amount::DOUBLE / if(spend_amount > 0, spend_amount, NULL) AS platform_roas,
    first_order_revenue_amount::DOUBLE / if(spend_amount > 0, spend_amount, NULL)
        AS first_order_roas,
    contribution_revenue_amount::DOUBLE
    / if(contribution_before_ads_amount > 0, contribution_before_ads_amount, NULL)
        AS break_even_roas,
    spend_amount::DOUBLE / nullif(new_customer_count, 0) AS cost_per_new_customer
FROM sums
WHERE
    spend_amount <> 0 OR session_count <> 0 OR credited_order_count <> 0
    OR credited_revenue_amount <> 0 OR touched_order_count <> 0 OR touched_revenue_amount <> 0
    OR renewal_order_count <> 0 OR renewal_revenue_amount <> 0
    OR new_customer_count <> 0 OR first_order_revenue_amount <> 0
    OR contribution_revenue_amount <> 0 OR contribution_before_ads_amount <> 0
    OR platform_conversion_count IS NOT NULL OR impression_count IS NOT NULL
    OR click_count IS NOT NULL;

-- == spend_reconciliation_daily

CREATE TABLE hand_spend_reconciliation_daily AS
SELECT
    marketing_date, platform, account_id, campaign_key, spend_amount, click_count, session_count,
    click_count - session_count AS click_without_session_count, platform_conversion_count,
    touched_order_count, platform_conversion_count - touched_order_count AS overclaimed_order_count,
    platform_conversion_amount, touched_revenue_amount
FROM hand_marketing_daily WHERE model = 'last_non_direct';

-- == customer_cohort_value

CREATE TABLE hand_customer_cohort_value AS
WITH placed AS (
    SELECT customer_id, order_id, order_date, min(ordered_at) AS first_at
    FROM sales WHERE status = 'shipped'
    GROUP BY ALL HAVING sum(revenue_amount) > 0
),

firsts AS (
    SELECT
        customer_id, min(first_at) AS first_at, arg_min(order_id, (first_at, order_id)) AS order_id
    FROM placed GROUP BY customer_id
),

bought AS (
    SELECT
        customer_id, order_id, first_at, min(order_date) AS first_date,
        arg_min(
            {'first_channel': channel, 'item_category': item_category, 'city_id': city_id},
            (-revenue_amount, uniq_id)
        ) AS largest,
        any_value(discount_codes) AS discount_codes
    FROM firsts INNER JOIN sales USING (customer_id, order_id)
    WHERE status = 'shipped' GROUP BY customer_id, order_id, first_at
    HAVING NOT bool_or(is_renewal)
),

customers AS (
    SELECT
        customer_id, first_at, date_trunc('month', first_date)::DATE AS cohort_month_date,
        largest.first_channel AS first_channel, largest.item_category AS item_category,
        country, list_distinct(string_split(coalesce(discount_codes, '(none)'), ', ')) AS codes
    FROM bought INNER JOIN cities ON largest.city_id = cities.city_id
),

monthly AS (
    SELECT
        s.customer_id, date_diff('month', cohort_month_date, s.order_date) AS months_since_count,
        count(DISTINCT (s.order_id, s.order_date)) FILTER (s.status = 'shipped') AS order_count,
        sum(s.revenue_amount) AS revenue_amount,
        count(DISTINCT (s.order_id, s.order_date)) FILTER (s.status = 'shipped' AND s.is_renewal)
            AS renewal_order_count,
        sum(if(s.is_renewal, s.revenue_amount, 0)) AS renewal_revenue_amount,
        sum(contribution_revenue_amount) AS contribution_revenue_amount,
        sum(contribution_before_ads_amount) AS contribution_before_ads_amount
    FROM sales AS s INNER JOIN customers AS c USING (customer_id)
    LEFT JOIN profit_lines AS p ON s.uniq_id = p.uniq_id
    WHERE s.ordered_at >= first_at
    GROUP BY ALL
),

sizes AS (
    SELECT
        cohort_month_date, first_channel, item_category, NULL AS discount_code, country,
        count(*) AS customer_count
    FROM customers
    GROUP BY GROUPING SETS (
        (cohort_month_date), (cohort_month_date, first_channel), (cohort_month_date, item_category),
        (cohort_month_date, country)
    )
    UNION ALL BY NAME
    SELECT cohort_month_date, discount_code, count(*) AS customer_count
    FROM customers, unnest(codes) AS c(discount_code) GROUP BY ALL
),

members AS (SELECT * FROM customers INNER JOIN monthly USING (customer_id)),

sums AS (
    SELECT
        cohort_month_date, first_channel, item_category, NULL AS discount_code, country,
        months_since_count, sum(order_count) AS order_count, sum(revenue_amount) AS revenue_amount,
        sum(renewal_order_count) AS renewal_order_count,
        sum(renewal_revenue_amount) AS renewal_revenue_amount,
        sum(contribution_revenue_amount) AS contribution_revenue_amount,
        sum(contribution_before_ads_amount) AS contribution_before_ads_amount
    FROM members
    GROUP BY GROUPING SETS (
        (cohort_month_date, months_since_count),
        (cohort_month_date, months_since_count, first_channel),
        (cohort_month_date, months_since_count, item_category),
        (cohort_month_date, months_since_count, country)
    )
    UNION ALL BY NAME
    SELECT
        cohort_month_date, discount_code, months_since_count,
        sum(order_count) AS order_count, sum(revenue_amount) AS revenue_amount,
        sum(renewal_order_count) AS renewal_order_count,
        sum(renewal_revenue_amount) AS renewal_revenue_amount,
        sum(contribution_revenue_amount) AS contribution_revenue_amount,
        sum(contribution_before_ads_amount) AS contribution_before_ads_amount
    FROM members, unnest(codes) AS c(discount_code) GROUP BY ALL
),

months AS (
    SELECT DISTINCT
        date_trunc('month', calendar_date)::DATE AS month_date,
        (SELECT max(calendar_date) FROM calendar) AS newest_date
    FROM calendar
),

dense AS (
    SELECT
        sizes.*, date_diff('month', cohort_month_date, month_date) AS months_since_count,
        (month_date + INTERVAL 1 MONTH)::DATE <= newest_date + 1 AS is_complete
    FROM sizes INNER JOIN months ON month_date >= cohort_month_date
),

counted AS (
    SELECT
        d.*, coalesce(s.order_count, 0)::BIGINT AS order_count,
        coalesce(s.revenue_amount, 0) AS revenue_amount,
        coalesce(s.renewal_order_count, 0)::BIGINT AS renewal_order_count,
        coalesce(s.renewal_revenue_amount, 0) AS renewal_revenue_amount,
        sum(s.order_count) OVER so_far::BIGINT AS cumulative_order_count,
        sum(coalesce(s.revenue_amount, 0)) OVER so_far AS cumulative_revenue_amount,
        sum(s.contribution_before_ads_amount) OVER so_far AS cumulative_contribution_amount,
        if(
            s.months_since_count IS NOT NULL, s.contribution_revenue_amount,
            if(cumulative_contribution_amount IS NULL, NULL, 0)
        ) AS contribution_revenue_amount,
        if(
            s.months_since_count IS NOT NULL, s.contribution_before_ads_amount,
            if(cumulative_contribution_amount IS NULL, NULL, 0)
        ) AS contribution_before_ads_amount
    FROM dense AS d LEFT JOIN sums AS s
        ON
            d.cohort_month_date = s.cohort_month_date
            AND d.months_since_count = s.months_since_count
            AND coalesce(d.first_channel, '') = coalesce(s.first_channel, '')
            AND coalesce(d.item_category, '') = coalesce(s.item_category, '')
            AND coalesce(d.discount_code, '') = coalesce(s.discount_code, '')
            AND coalesce(d.country, '') = coalesce(s.country, '')
    WINDOW so_far AS (
        PARTITION BY
            d.cohort_month_date, d.first_channel, d.item_category, d.discount_code, d.country
        ORDER BY d.months_since_count ROWS UNBOUNDED PRECEDING
    )
)

SELECT
    * EXCLUDE (first_channel, item_category, discount_code, country),
    coalesce(first_channel, '(all)') AS first_channel,
    coalesce(item_category, '(all)') AS item_category,
    coalesce(discount_code, '(all)') AS discount_code, coalesce(country, '(all)') AS country,
    cumulative_revenue_amount::DOUBLE / customer_count AS revenue_per_customer,
    cumulative_contribution_amount::DOUBLE / customer_count AS contribution_per_customer
FROM counted;
