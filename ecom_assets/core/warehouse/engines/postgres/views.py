"""Views of others in Postgres that use a table of the platform:
what makes them again after the table was replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.warehouse.sql_text import ident, text

Query = Callable[[str], list[Row]]
DEPENDENT = """
WITH RECURSIVE used AS (
  SELECT {table}::oid AS oid, 0 AS depth
  UNION
  SELECT rule.ev_class, used.depth + 1
  FROM used
  JOIN pg_depend ON pg_depend.refobjid = used.oid AND pg_depend.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite AS rule ON rule.oid = pg_depend.objid
  WHERE rule.ev_class <> used.oid
)
SELECT kept.oid::bigint AS oid, format('%I.%I', nspname, relname) AS name, relkind::text AS kind,
  pg_get_viewdef(kept.oid) AS definition, pg_get_userbyid(relowner)::text AS owner,
    current_user::text AS caller,
  obj_description(kept.oid, 'pg_class') AS comment, array_to_string(reloptions, ', ') AS options
FROM (SELECT oid, max(depth) AS depth FROM used WHERE depth > 0 GROUP BY oid) AS kept
JOIN pg_class ON pg_class.oid = kept.oid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('v', 'm')
ORDER BY kept.depth, name
"""
RIGHTS = """
SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
  AS grantee,
  privilege_type AS right_name, is_grantable
FROM pg_class, aclexplode(relacl)
WHERE oid = {oid} AND grantee <> relowner
ORDER BY 1, 2
"""
INDEXES = (
    "SELECT pg_get_indexdef(indexrelid) AS statement FROM pg_index WHERE indrelid = {oid} ORDER "
    "BY indexrelid"
)
COLUMN_COMMENTS = """
SELECT attname AS name, col_description({oid}, attnum) AS comment FROM pg_attribute
WHERE attrelid = {oid} AND attnum > 0 AND col_description({oid}, attnum) IS NOT NULL
ORDER BY attnum
"""


@dataclass(frozen=True)
class SavedView:
    """A view by its quoted name, and the statements that make it as it was."""

    name: str
    kind: str
    statements: Sequence[str]


def dependent_views(query: Query, table: str) -> list[SavedView]:
    """Return the views that use a table, given as the SQL of a regclass,
    in the order in which they can be made.
    """
    return [_saved(query, row) for row in query(DEPENDENT.format(table=table))]


def _saved(query: Query, row: NamedValues) -> SavedView:
    kind, name, oid = (
        "MATERIALIZED VIEW" if row["kind"] == "m" else "VIEW",
        row["name"],
        int(row["oid"]),
    )
    options = f" WITH ({row['options']})" if row["options"] else ""
    statements = [f"CREATE {kind} {name}{options} AS {row['definition']}"]
    statements += [index["statement"] for index in query(INDEXES.format(oid=oid))]
    if row["comment"]:
        statements.append(f"COMMENT ON {kind} {name} IS {text(row['comment'])}")
    for column in query(COLUMN_COMMENTS.format(oid=oid)):
        statements.append(
            f"COMMENT ON COLUMN {name}.{ident(column['name'])} IS {text(column['comment'])}"
        )
    for right in query(RIGHTS.format(oid=oid)):
        grantable = " WITH GRANT OPTION" if right["is_grantable"] else ""
        statements.append(f"GRANT {right['right_name']} ON {name} TO {right['grantee']}{grantable}")
    if row["owner"] != row["caller"]:
        statements.append(f"ALTER {kind} {name} OWNER TO {ident(row['owner'])}")
    return SavedView(name, kind, statements)
