-- The tables of profit by hand, over `sales`, `customers` and `versions`, with what orders cost as
-- they state it; refunds name their items, and every cost its first day.
CREATE TABLE hand_costs AS
SELECT
    item_id,
    valid_from_date,
    lead(valid_from_date) OVER (PARTITION BY item_id ORDER BY valid_from_date) AS valid_to_date,
    unit_cost_amount
FROM versions;

CREATE TABLE hand_lines AS
WITH found AS (
    SELECT
        r.uniq_id,
        coalesce(
            max(s.order_date) FILTER (s.item_id = r.item_id), max(s.order_date)
        ) AS found_date
    FROM sales AS r INNER JOIN sales AS s USING (order_id)
    WHERE r.status = 'refunded' AND s.status = 'shipped' AND s.order_date <= r.order_date
    GROUP BY r.uniq_id
),

placed AS (
    SELECT s.*, coalesce(f.found_date, s.order_date) AS placed_date
    FROM sales AS s LEFT JOIN found AS f USING (uniq_id)
),

costed AS (
    SELECT
        p.*,
        c.unit_cost_amount AS cost,
        (c.unit_cost_amount::DECIMAL(19, 6) * p.quantity)::DECIMAL(38, 6) AS cost_amount,
        abs(p.revenue_amount) AS paid
    FROM placed AS p ASOF LEFT JOIN hand_costs AS c
        ON p.item_id = c.item_id AND p.placed_date >= c.valid_from_date
),

orders AS (
    SELECT
        order_id,
        order_date,
        status,
        sum(paid) AS paid,
        count(*) AS line_count,
        sum(shipping_amount) AS shipping,
        sum(shipping_cost_amount) AS shipping_cost,
        sum(payment_fee_amount) AS fee,
        count(cost_amount) = count(*)
        AND (status = 'refunded' OR count(payment_fee_amount) > 0) AS is_known
    FROM costed GROUP BY order_id, order_date, status
),

refunds AS (
    SELECT
        r.order_id,
        r.order_date,
        r.paid,
        sum(r.paid) OVER (PARTITION BY r.order_id ORDER BY r.order_date) AS paid_to,
        s.paid AS worth,
        r.is_known AND s.is_known AS is_known
    FROM orders AS r INNER JOIN orders AS s ON r.order_id = s.order_id AND s.status = 'shipped'
    WHERE r.status = 'refunded'
),

whole AS (
    SELECT
        o.* REPLACE (coalesce(r.is_known, o.is_known) AS is_known),
        coalesce(
            greatest(r.paid_to - r.worth, 0) - greatest(r.paid_to - r.paid - r.worth, 0), 0
        ) AS goodwill
    FROM orders AS o LEFT JOIN refunds AS r
        ON o.order_id = r.order_id AND o.order_date = r.order_date AND o.status = 'refunded'
),

weighed AS (
    SELECT
        c.*,
        o.shipping, o.shipping_cost, o.fee, o.goodwill, o.is_known, o.line_count,
        floor(o.paid::DOUBLE * 10000 + 0.5) AS whole,
        sum(floor(c.paid::DOUBLE * 10000 + 0.5)) OVER (
            PARTITION BY c.order_id, c.order_date, c.status ORDER BY c.uniq_id
        ) AS upto,
        upto - floor(c.paid::DOUBLE * 10000 + 0.5) AS before
    FROM costed AS c INNER JOIN whole AS o USING (order_id, order_date, status)
),

shared AS (
    SELECT
        *,
        part(shipping, upto, whole) - part(shipping, before, whole) AS own_shipping,
        part(shipping_cost, upto, whole) - part(shipping_cost, before, whole) AS own_shipping_cost,
        part(fee, upto, whole) - part(fee, before, whole) AS own_fee,
        part(goodwill, upto, whole) - part(goodwill, before, whole) AS own_goodwill
    FROM weighed
)

SELECT
    s.uniq_id, s.order_id, s.order_date, s.placed_date, s.customer_id, s.item_id, s.item_category,
    s.channel, s.city_id, s.sales_channel, s.status, s.quantity, s.cost_amount,
    if(c.first_order_date = s.placed_date, 'new', 'returning') AS customer_type,
    if(s.status = 'refunded', 0, s.revenue_amount)::DECIMAL(38, 6) AS gross_sales_amount,
    if(s.status = 'refunded', s.paid - s.own_goodwill, 0)::DECIMAL(38, 6) AS returns_amount,
    if(s.status = 'refunded', s.own_goodwill - s.paid, s.paid)::DECIMAL(38, 6) AS revenue,
    if(s.cost_amount IS NULL, 0, revenue) AS costed_revenue_amount,
    revenue - s.cost_amount AS gross_profit_amount,
    s.own_shipping AS shipping_amount,
    s.own_shipping_cost AS shipping_cost_amount,
    s.own_fee AS payment_fee_amount,
    s.own_goodwill AS goodwill_amount,
    if(s.is_known, revenue, 0) AS contribution_revenue_amount,
    if(
        s.is_known,
        revenue - s.cost_amount + coalesce(s.own_shipping, 0) - coalesce(s.own_shipping_cost, 0)
        - coalesce(s.own_fee, 0) - s.own_goodwill,
        NULL
    ) AS contribution_before_ads_amount
FROM shared AS s LEFT JOIN customers AS c USING (customer_id);

CREATE TABLE hand_daily AS
SELECT
    order_date, channel, city_id, item_category, sales_channel, customer_type,
    count(DISTINCT order_id) FILTER (status = 'shipped') AS order_count,
    coalesce(sum(quantity) FILTER (status = 'shipped'), 0) AS sold_item_count,
    coalesce(sum(revenue) FILTER (status = 'shipped'), 0) AS shipped_amount,
    sum(revenue) AS revenue_amount,
    sum(gross_sales_amount) AS gross_sales_amount,
    sum(returns_amount) AS returns_amount,
    coalesce(sum(costed_revenue_amount) FILTER (status = 'shipped'), 0) AS costed_shipped_amount,
    sum(costed_revenue_amount) AS costed_revenue_amount,
    sum(cost_amount) AS cost_amount,
    sum(gross_profit_amount) AS gross_profit_amount,
    sum(shipping_amount) AS shipping_amount,
    sum(shipping_cost_amount) AS shipping_cost_amount,
    sum(payment_fee_amount) AS payment_fee_amount,
    sum(goodwill_amount) AS goodwill_amount,
    coalesce(sum(contribution_revenue_amount) FILTER (status = 'shipped'), 0)
        AS contribution_shipped_amount,
    sum(contribution_before_ads_amount) AS contribution_before_ads_amount
FROM hand_lines
GROUP BY GROUPING SETS (
    (order_date), (order_date, channel), (order_date, city_id), (order_date, item_category),
    (order_date, sales_channel), (order_date, customer_type)
);

CREATE TABLE hand_weekly AS
WITH sums AS (
    SELECT
        date_trunc('week', order_date)::DATE AS week_start_date,
        item_category,
        count(DISTINCT (order_date, order_id)) FILTER (status = 'shipped') AS order_count,
        coalesce(sum(quantity) FILTER (status = 'shipped'), 0) AS sold_item_count,
        coalesce(sum(revenue) FILTER (status = 'shipped'), 0) AS shipped_amount,
        sum(revenue) AS revenue_amount,
        sum(cost_amount) AS cost_amount,
        sum(gross_profit_amount) AS gross_profit_amount,
        sum(contribution_before_ads_amount) AS contribution_before_ads_amount
    FROM hand_lines GROUP BY 1, 2
)

SELECT
    *,
    if(gross_profit_amount IS NULL, NULL, rank() OVER (
        PARTITION BY week_start_date ORDER BY gross_profit_amount DESC NULLS LAST
    )) AS profit_rank,
    rank() OVER (PARTITION BY week_start_date ORDER BY order_count DESC) AS popularity_rank
FROM sums;
