"""Visitors by the default identity rule: the platform's tables beside the same
rule in hand-written SQL.

Both run in DuckDB processes of their own over the same clean events, and give equal visitors. Then
`ecom funnel` over a file of the same events is timed by two identity rules.
"""

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks.measuring import (
    ECOM,
    Result,
    Spent,
    ratios,
    report,
    run_process,
    say,
    scratch,
    script,
)
from benchmarks.shop_data import DATA, FIRST_DAY, HISTORY_DAYS, NEXT_DAY

RATIO, QUESTION_MORE_S = 1.2, 3.0
DEVICES_OF, USERS_OF, ALIASES_OF = 10, 33, 3_333
"""Events per device, per user, and per alias."""
LATE_OF, LATE_DAYS, DAY_US = 1_000, 30, 86_400_000_000
"""Of the day after: sign-ins per late one, and how late they are at most."""
HAND_WRITTEN = """
    CREATE TABLE visits AS SELECT *, sum(begins) OVER w AS visit FROM (
        SELECT event_id, event_at, event_type, user_id, coalesce(device_id, source_session_id)
          AS device, device_id,
            CASE WHEN event_at <= lag(event_at) OVER w + INTERVAL 30 MINUTE THEN 0 ELSE 1 END
              AS begins
        FROM events WINDOW w AS (PARTITION BY coalesce(device_id, source_session_id)
          ORDER BY event_at, event_id)
    ) WINDOW w AS (PARTITION BY device ORDER BY event_at, event_id);
    CREATE TABLE joins_nobody AS
        SELECT device AS id FROM visits WHERE user_id IS NOT NULL
        GROUP BY device HAVING count(DISTINCT user_id) >= CASE WHEN max(device_id) IS NULL THEN 5
          ELSE 20 END;
    CREATE TABLE days_of_many AS SELECT DISTINCT user_id, device_id, event_at::DATE AS day
      FROM visits
    WHERE user_id IN (
        SELECT user_id FROM visits WHERE user_id IS NOT NULL AND device_id IS NOT NULL
        GROUP BY user_id HAVING count(DISTINCT device_id) >= 50
    );
    CREATE TABLE guests AS SELECT DISTINCT user_id AS id FROM (
        SELECT last.user_id FROM (SELECT DISTINCT user_id, day FROM days_of_many) AS last
          JOIN days_of_many AS d
            ON d.user_id = last.user_id AND d.day BETWEEN last.day - 29 AND last.day
        GROUP BY last.user_id, last.day HAVING count(DISTINCT d.device_id) >= 50
    );
    CREATE TABLE visitors AS SELECT event_id, coalesce(visitor_user_id, owner, 'anon-' || device)
      AS visitor_id FROM (
        SELECT event_id, device, CASE
            WHEN user_id IS NOT NULL THEN user_id
            WHEN last_visit = visit AND event_at - last_at <= INTERVAL 1 DAY THEN last_user
            WHEN next_visit = visit AND next_at - event_at <= INTERVAL 1 DAY THEN next_user
            WHEN event_at - last_at <= INTERVAL 90 DAY THEN last_user
            WHEN next_at - event_at <= INTERVAL 30 DAY THEN next_user
            WHEN least_user = greatest_user THEN least_user END
              AS owner  -- the events are of less than a year
        FROM (
            SELECT event_id, event_at, device, user_id, visit,
                last_value(seen_user IGNORE NULLS) OVER before AS last_user,
                last_value(seen_at IGNORE NULLS) OVER before AS last_at,
                last_value(seen_visit IGNORE NULLS) OVER before AS last_visit,
                first_value(seen_user IGNORE NULLS) OVER after AS next_user,
                first_value(seen_at IGNORE NULLS) OVER after AS next_at,
                first_value(seen_visit IGNORE NULLS) OVER after AS next_visit,
                min(seen_user) OVER whole AS least_user, max(seen_user) OVER whole AS greatest_user
            FROM (
                SELECT *, CASE WHEN joins THEN user_id END AS seen_user, CASE WHEN joins
                  THEN event_at END AS seen_at,
                    CASE WHEN joins THEN visit END AS seen_visit
                FROM (
                    SELECT *, user_id IS NOT NULL AND device NOT IN (FROM joins_nobody)
                        AND user_id NOT IN (FROM guests) AS joins FROM visits
                )
            ) WINDOW before AS (PARTITION BY device ORDER BY event_at, event_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
                after AS (PARTITION BY device ORDER BY event_at, event_id
                    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
                whole AS (PARTITION BY device)
        )
    ) LEFT JOIN merged ON merged.user_id = owner;
"""


def make_events(count: int) -> Path:
    """Clean events of 90 days, one in ten devices shared by two users,
    half of all events without a user; made once.
    """
    import duckdb  # noqa: PLC0415 (a process that only asks need not load it)

    file = DATA / f"identity_events_{count}.parquet"
    if file.exists():
        return file
    DATA.mkdir(parents=True, exist_ok=True)
    devices, users, aliases = count // DEVICES_OF, count // USERS_OF, count // ALIASES_OF
    part = file.with_suffix(".part")
    duckdb.connect().execute(f"""
        COPY (
            SELECT lpad(number::VARCHAR, 12, '0') AS event_id,
                TIMESTAMP '2026-01-01' + to_microseconds(at_us) AS event_at,
                CASE WHEN number < {aliases} THEN 'alias' WHEN dice % 10 = 0 THEN 'purchase'
                  WHEN dice % 10 < 3
                    THEN 'add_to_cart' ELSE 'page_view' END AS event_type,
                CASE WHEN dice % 2 = 0 OR number < {aliases} THEN 'u' || user END AS user_id,
                'd' || device AS device_id, NULL::VARCHAR AS source_session_id,
                CASE WHEN number < {aliases}
                    THEN '{{"previous_id":"u' || ((user + 1) % {users}) || '"}}' END AS properties
            FROM (
                SELECT *, CASE WHEN device % 10 = 0 AND dice % 7 < 3
                  THEN (device * 13 + 1) % {users}
                    ELSE (device * 7) % {users} END AS user,
                    (hash(device * 31 + visit) % (90 * 86400000000::UBIGINT))::BIGINT
                        + (dice % 1500000000)::BIGINT AS at_us
                FROM (
                    SELECT number, (hash(number) % {devices})::BIGINT AS device, hash(number * 17)
                      AS dice,
                        hash(number * 5) % 4 AS visit
                    FROM range({count}) AS t(number)
                )
            )
        ) TO '{part}' (FORMAT parquet, COMPRESSION zstd)
    """)
    part.rename(file)
    return file


def write_visitors(events: Path, file: Path, *, by_hand: bool) -> None:
    """Write the table `visitors`, event id and visitor, into a new DuckDB file."""
    from ecom_assets.behaviour.identity.links import (  # noqa: PLC0415 (part of what is timed)
        alias_events,
        identity_aliases,
        identity_links,
        merged_rows,
        merged_users,
        shared_ids,
    )
    from ecom_assets.behaviour.identity.rule import IdentityRule  # noqa: PLC0415 (as above)
    from ecom_assets.behaviour.identity.visitors import KnownIds, with_visitors  # noqa: PLC0415 (as above)
    from ecom_assets.core.warehouse.local import connect  # noqa: PLC0415 (as above)

    con, rule = connect(file), IdentityRule()
    con.raw_sql(f"CREATE TABLE events AS SELECT *, event_at::DATE AS event_date FROM '{events}'")
    found = con.table("events")
    aliases = identity_aliases(con.con.execute(con.compile(alias_events(found, rule))).fetchall())
    pairs = [(user, previous) for *_, user, previous in aliases]
    groups, _ = merged_users(pairs, rule.group_users)
    con.raw_sql("CREATE TABLE merged (user_id VARCHAR, visitor_user_id VARCHAR, user_count BIGINT)")
    con.con.executemany("INSERT INTO merged VALUES (?, ?, ?)", list(merged_rows(groups)))
    if by_hand:
        con.raw_sql(HAND_WRITTEN)
        return
    links = con.create_table("identity_links", identity_links(found, rule))
    shared = con.create_table("shared_ids", shared_ids(links, rule))
    rows = with_visitors(found, KnownIds(links, shared, con.table("merged")), rule)
    con.create_table("visitors", rows.select("event_id", "visitor_id"))


def require_equal(ecom_file: Path, by_hand_file: Path) -> None:
    """End the benchmark if the visitors of an event differ."""
    import duckdb  # noqa: PLC0415 (as above)

    con = duckdb.connect()
    con.execute(
        f"ATTACH '{ecom_file}' AS ours (READ_ONLY); ATTACH '{by_hand_file}' AS theirs (READ_ONLY)"
    )
    differing = con.execute(
        "SELECT * FROM ours.visitors EXCEPT SELECT * FROM theirs.visitors LIMIT 5"
    ).fetchall()
    ((ecom_count,), (by_hand_count,)) = con.execute(
        "SELECT count(*) FROM ours.visitors UNION ALL SELECT count(*) FROM theirs.visitors"
    ).fetchall()
    if differing or ecom_count != by_hand_count:
        sys.exit(f"The visitors differ: {ecom_count:,} and {by_hand_count:,} rows; {differing}")


def tables_of(events: Path, repetitions: int) -> list[tuple[Spent, Spent]]:
    """Return what our visitors and the hand-written ones cost, in turn."""
    pairs = []
    for _ in range(repetitions):
        with scratch() as folder:
            spent = {
                name: run_process(
                    [
                        *script("behaviour.identity"),
                        "--write",
                        name,
                        str(events),
                        str(folder / name),
                    ]
                )
                for name in ("by_hand", "ours")
            }
            require_equal(folder / "ours", folder / "by_hand")
        say(
            ", ".join(
                f"{name} {of.wall_s:.1f} s, {of.peak_mb:.0f} MB" for name, of in spent.items()
            )
        )
        pairs.append((spent["ours"], spent["by_hand"]))
    return pairs


def questions_of(events: Path, repetitions: int) -> list[tuple[Spent, Spent]]:
    """Return what a funnel costs by the default rule, and by users and source sessions alone."""
    steps = [
        "funnel",
        "--steps",
        "page_view,add_to_cart,purchase",
        "--events",
        str(events),
        "--json",
    ]
    pairs = []
    for _ in range(repetitions):
        stitched, user = (
            run_process([ECOM, *steps, "--identity", name]) for name in ("stitched", "user")
        )
        say(f"funnel: stitched {stitched.wall_s:.1f} s, user {user.wall_s:.1f} s")
        pairs.append((stitched, user))
    return pairs


def as_received(events: Path) -> Path:
    """Return the same events in the layout of the platform's own files; made once."""
    import duckdb  # noqa: PLC0415 (as above)

    file = events.with_name(f"received_{events.name}")
    if not file.exists():
        part = file.with_suffix(".part")
        rows = _received_sql(f"FROM '{events}'")
        duckdb.connect().execute(f"COPY ({rows}) TO '{part}' (FORMAT parquet, COMPRESSION zstd)")
        part.rename(file)
    return file


def _received_sql(events: str, received_date: str | None = None) -> str:
    """Return the statement of events in the layout of the platform's own files, with
    `received_date` if it is given.
    """
    nothing = ", ".join(
        f"NULL::VARCHAR AS {name}" for name in ("product_category", "page_url", "referrer_url")
    )
    received = f", {received_date} AS received_date" if received_date else ""
    return f"""
        SELECT event_id, user_id, event_type, event_at AS event_timestamp, '1' AS product_id,
            source_session_id AS session_id, {nothing}, NULL::DECIMAL(18, 2) AS cart_value,
            device_id AS anonymous_id, properties{received}
        {events}
    """


def land(count: int, into: Path) -> None:
    """Land `make_events` day by day, as they happened."""
    last = FIRST_DAY + (HISTORY_DAYS - 1) * timedelta(days=1)
    received_date = f"least(event_at::DATE, DATE '{last}')"
    _write_days(_received_sql(f"FROM '{make_events(count)}'", received_date), into)


def land_next_day(
    count: int, into: Path, *, has_sign_ins: bool = True, alias_count: int = 0
) -> None:
    """Land the day after: a 90th of the events, of whose sign-ins 0.1 % are late by up to 30 days.

    Without sign-ins the same events name no user, and none is late. Aliases are each of two users
    of the history.
    """
    users = count // USERS_OF
    of_day = f"FROM '{make_events(count)}' WHERE hash(event_id || 'next') % {HISTORY_DAYS} = 0"
    at_us = f"(hash(event_id) % {DAY_US})::BIGINT"
    is_late = f"user_id IS NOT NULL AND hash(event_id || 'late') % {LATE_OF} = 0 AND {has_sign_ins}"
    late_days = f"CASE WHEN {is_late} THEN 1 + hash(event_id || 'days') % {LATE_DAYS} ELSE 0 END"
    events = f"""
        SELECT 'next-' || event_id AS event_id, CASE WHEN {has_sign_ins} THEN user_id END
            AS user_id, device_id, source_session_id,
            TIMESTAMP '{NEXT_DAY}' + to_microseconds({at_us}) - to_days(({late_days})::INTEGER)
              AS event_at,
            CASE WHEN row_number() OVER (ORDER BY user_id IS NULL, event_id DESC) <= {alias_count}
                THEN 'alias' WHEN event_type = 'alias' THEN 'page_view' ELSE event_type END
                  AS event_type
        {of_day}
    """
    # Not the neighbour, with whom `make_events` joins a user.
    previous_id = f"'u' || ((user_id[2:]::BIGINT + {users // 2}) % {users})"
    properties = f"""CASE WHEN event_type = 'alias'
        THEN '{{"previous_id":"' || {previous_id} || '"}}' END AS properties"""
    _write_days(
        _received_sql(f"FROM (SELECT *, {properties} FROM ({events}))", f"DATE '{NEXT_DAY}'"), into
    )


def _write_days(rows: str, into: Path) -> None:
    import duckdb  # noqa: PLC0415 (as above)

    into.mkdir(parents=True, exist_ok=True)
    duckdb.connect().execute(
        f"COPY ({rows}) TO '{into}' (FORMAT parquet, PARTITION_BY (received_date), "
        "OVERWRITE_OR_IGNORE)"
    )


def main() -> None:
    """Parse the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--write", nargs=3, metavar=("NAME", "EVENTS", "FILE"), help="only write the visitors"
    )
    arguments = parser.parse_args()
    if arguments.write:
        name, events, file = arguments.write
        write_visitors(Path(events), Path(file), by_hand=name == "by_hand")
        return
    events = make_events(arguments.events)
    report(
        *ratios(
            "identity: visitors / hand-written SQL",
            tables_of(events, arguments.repetitions),
            RATIO,
            "by_hand",
        )
    )
    asked = questions_of(as_received(events), arguments.repetitions)
    more_s = median(stitched.wall_s - user.wall_s for stitched, user in asked)
    report(
        *ratios("identity: ecom funnel, stitched / user", asked, None, "user"),
        Result("identity: ecom funnel, stitched: more than by user", more_s, "s", QUESTION_MORE_S),
    )


if __name__ == "__main__":
    main()
