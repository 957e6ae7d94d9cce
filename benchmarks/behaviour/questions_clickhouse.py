"""The questions of `questions.py` in ClickHouse's SQL, by name, each one statement over `{file}`.

They count by the definitions of docs/metrics/, as short and as fast as ClickHouse says them.
"""

from typing import Final

DAY: Final = "toDate(assumeNotNull(event_timestamp))"
MONDAY: Final = "toMonday(assumeNotNull(event_timestamp))"
PLAN: Final = "JSONExtractString(assumeNotNull(properties), 'plan')"
WEEK_US: Final = 7 * 86_400 * 1_000_000
FIVE: Final = ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
LATER_STEPS: Final = ", ".join(f"event_type = '{step}'" for step in FIVE[1:])
STEPS: Final = ", ".join(f"event_type = '{step}'" for step in FIVE)
CLOCK: Final = "toUInt64(toUnixTimestamp64Micro(assumeNotNull(event_timestamp)))"


def _daily(value: str, where: str) -> str:
    return f"SELECT {DAY} AS d, {value} FROM {{file}} WHERE {where} GROUP BY d WITH ROLLUP"


def _funnel(where: str) -> str:
    return f"""
        SELECT level, count() FROM (
            SELECT windowFunnel({WEEK_US})({CLOCK}, {STEPS}) AS level FROM {{file}} WHERE {where}
              GROUP BY user_id
        ) GROUP BY level"""


NEXT_PURCHASE: Final = f"""
    SELECT s.user_id AS user_id, min(s.at) AS entered_at, min(e.at - s.at) AS least,
      argMin(e.at - s.at, s.at) AS took
    FROM (SELECT user_id, {CLOCK} AS at FROM {{file}} WHERE event_type = 'product_view') AS s
    ASOF INNER JOIN (SELECT user_id, {CLOCK} AS at FROM {{file}} WHERE event_type = 'purchase') AS e
    ON s.user_id = e.user_id AND s.at <= e.at WHERE e.at - s.at <= {WEEK_US} GROUP BY user_id"""
"""Who bought within a week of a product view: the first view from which they did,
and how long it took.
"""

SESSION_PATHS: Final = f"""
    CREATE TEMPORARY TABLE paths ENGINE = Memory AS
    SELECT arrayCompact(arrayMap(one -> one.3, arrayJoin(arraySplit((one, gap) -> gap > 1800000000,
      rows,
        arrayDifference(arrayMap(one -> toInt64(one.1), rows)))))) AS path, count() AS n
    FROM (
        SELECT arraySort(groupArray(({CLOCK}, event_id, assumeNotNull(event_type)))) AS rows
        FROM {{file}} GROUP BY user_id
    ) GROUP BY path"""

CLICKHOUSE: Final[dict[str, tuple[str, ...]]] = {
    "trend, count": (_daily("count()", "event_type = 'product_view'"),),
    "trend, unique visitors": (_daily("uniqExact(user_id)", "event_type = 'product_view'"),),
    "trend, percentile": (
        _daily(
            "arraySort(groupArray(assumeNotNull(cart_value)))[intDiv(count() * 95 + 99, 100)]",
            "event_type = 'add_to_cart'",
        ),
    ),
    "trend, breakdown": (
        f"""SELECT product_category, {DAY} AS d, count() FROM {{file}}
            WHERE event_type = 'product_view' GROUP BY product_category, d""",
    ),
    "trend, where column": (
        _daily("count()", "event_type = 'product_view' AND product_category = 'shoes'"),
    ),
    "trend, where property": (
        _daily("count()", f"event_type = 'product_view' AND {PLAN} = 'pro'"),
    ),
    "funnel": (_funnel("1"),),
    "funnel, where column": (_funnel("product_category IN ('shoes', 'hats')"),),
    "funnel, where property": (_funnel(f"{PLAN} = 'pro'"),),
    "funnel, over weeks": (
        f"""
        SELECT week, level, count() FROM (
            SELECT week, windowFunnel({WEEK_US})(
                {CLOCK}, event_type = '{FIVE[0]}' AND {MONDAY} = week, {LATER_STEPS}) AS level
            FROM (
                SELECT user_id, event_type, event_timestamp,
                    arrayJoin(arrayDistinct([{MONDAY},
                      toMonday(assumeNotNull(event_timestamp) - 7 * 86400)])) AS week
                FROM {{file}}
            ) GROUP BY user_id, week
        ) GROUP BY week, level""",
    ),
    "funnel, time to convert": (
        f"""
        SELECT count(), sum(took), countIf(took < 3600000000), countIf(took >= 3600000000
          AND took < 86400000000),
            countIf(took >= 86400000000), quantileExact(0.5)(took) FROM ({NEXT_PURCHASE})""",
    ),
    "retention, daily": (
        f"""
        SELECT first, day - first AS n, count() FROM (
            SELECT arrayMin(days) AS first, arrayJoin(days) AS day FROM (
                SELECT groupUniqArray({DAY}) AS days FROM {{file}} GROUP BY user_id
            )
        ) GROUP BY first, n""",
    ),
    "retention, by category": (
        f"""
        SELECT first, value, (week - first) / 7 AS n, count() FROM (
            SELECT value, arrayMin(weeks) AS first, arrayJoin(weeks) AS week FROM (
                SELECT groupUniqArray({MONDAY}) AS weeks,
                    argMin(product_category, (event_timestamp, event_id)) AS value FROM {{file}}
                      GROUP BY user_id
            )
        ) GROUP BY first, value, n""",
    ),
    "journeys": (
        SESSION_PATHS,
        "SELECT path, n FROM paths ORDER BY n DESC, arrayStringConcat(path, ' → ') LIMIT 10",
        "SELECT sum(n), sumIf(n, has(path, 'purchase')) FROM paths",
        """
        SELECT step.1, step.2, sum(n) FROM (
            SELECT arrayJoin(arrayZip(arrayPushFront(path, '(start)'), arrayPushBack(path,
              '(exit)'))) AS step, n
            FROM paths
        ) GROUP BY step""",
    ),
    "correlation": (
        f"CREATE TEMPORARY TABLE bought ENGINE = Memory AS {NEXT_PURCHASE}",
        f"""
        CREATE TEMPORARY TABLE entered ENGINE = Memory AS
        SELECT v.user_id AS user_id, if(took > 0 OR b.entered_at > 0, b.entered_at, v.at) AS at,
            if(b.entered_at > 0, b.entered_at + b.took, v.at + {WEEK_US}) AS until_at,
              b.entered_at > 0 AS is_converted
        FROM (SELECT user_id, min({CLOCK}) AS at FROM {{file}} WHERE event_type = 'product_view'
          GROUP BY user_id) AS v
        LEFT JOIN bought AS b ON v.user_id = b.user_id""",
        "SELECT sum(is_converted), count() FROM entered",
        f"""
        SELECT event_type, countIf(is_converted = 1), countIf(is_converted = 0) FROM (
            SELECT DISTINCT event_type, f.user_id, is_converted FROM (
                SELECT user_id, event_type, {CLOCK} AS at FROM {{file}}
                WHERE event_type NOT IN ('product_view', 'purchase')
            ) AS f INNER JOIN entered AS e ON f.user_id = e.user_id WHERE f.at > e.at
              AND f.at < e.until_at
        ) GROUP BY event_type""",
    ),
    "experiment": (
        f"""
        SELECT variant, count(), countIf(goals > 0), sum(amount) FROM (
            SELECT x.user_id, x.variant, countIf(g.at >= x.at) AS goals, sumIf(g.amount,
              g.at >= x.at) AS amount
            FROM (
                SELECT user_id, min({CLOCK}) AS at, min(v) AS variant FROM (
                    SELECT user_id, event_timestamp, JSONExtractString(assumeNotNull(properties),
                      'variant') AS v
                    FROM {{file}} WHERE event_type = 'page_view'
                ) WHERE v <> '' GROUP BY user_id HAVING min(v) = max(v)
            ) AS x
            LEFT JOIN (
                SELECT user_id, {CLOCK} AS at, assumeNotNull(cart_value) AS amount FROM {{file}}
                WHERE event_type = 'purchase'
            ) AS g ON x.user_id = g.user_id
            GROUP BY x.user_id, x.variant
        ) GROUP BY variant""",
    ),
    "trend of a segment": (
        _daily(
            "count()",
            f"""event_type = 'product_view' AND user_id IN (
                SELECT user_id FROM {{file}} GROUP BY user_id
                HAVING countIf(event_type = 'purchase'
                    AND {DAY} > (SELECT max({DAY}) - 30 FROM {{file}})) >= 2
                      AND countIf(event_type = 'search') = 0
            )""",
        ),
    ),
}
"""The statements of each question; the answer is all rows that they return."""
