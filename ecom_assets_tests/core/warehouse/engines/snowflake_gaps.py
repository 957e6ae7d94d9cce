"""What Snowflake's stand-in cannot run or does otherwise than the service, by name,
with how that is made up for.

Each is covered by a test of the SQL that would be sent, in `test_snowflake_gaps.py`.
"""

GAPS = {
    "alter_session": (
        "It knows no session parameters: ALTER SESSION is passed over, and login parameters "
        "are ignored."
    ),
    "logins": (
        "It lets everybody in: refusals are planned faults, and ways to log in are looked at "
        "as arguments."
    ),
    "clustering": "It ignores CLUSTER BY.",
    "quotients": (
        "It divides as DuckDB does, in doubles, where the service gives NUMBER / NUMBER six "
        "decimals."
    ),
    "swapped_tables": (
        "It has no ALTER TABLE … SWAP WITH; the stand-in renames three times instead."
    ),
    "waiting_writers": (
        "It refuses a second writer at once; the stand-in lets it wait, as the service does."
    ),
    "anti_joins": "It would run LEFT ANTI JOIN, which the service does not know.",
    "variants": "Its VARIANT keeps more of the text than the service's does.",
    "variant_values": (
        "It has no AS_VARCHAR, AS_INTEGER and the like, which take a value out of a VARIANT."
    ),
    "parquet_types": (
        "It ignores USE_LOGICAL_TYPE, without which the service reads instants from Parquet "
        "as numbers."
    ),
}
"""Name and reason."""
