"""Queries whose parts are used more than once, with each such part computed once and stored until the query is done.

Spark writes a common table expression out anew at every place that names it: the five passes of a funnel, each built on
the one before, became a plan that took 115 s, and 6 s with stored parts. Caching the parts did not help, because Spark
still analyses the whole. Files survive the loss of an executor. Not here: what a query says (`transforms/`).
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import sqlglot.expressions as sge
from pyspark.sql import DataFrame, SparkSession

WORTH_STORING = (sge.Join, sge.Window, sge.AggFunc, sge.Group, sge.Distinct, sge.Union)
"""What makes a part dearer to compute than to store; a mere scan is not."""


@contextlib.contextmanager
def staged(session: SparkSession, query: sge.Query, scratch: Path) -> Iterator[DataFrame]:
    """Yield the rows of a query; what was stored for them, in a folder of `scratch`, is removed afterwards."""
    number = uuid.uuid4().hex
    folder = scratch / f"stages-{number}"
    inlined: dict[str, sge.CTE] = {}
    views: list[str] = []
    try:
        for part in query.ctes:
            uses = sum(table.name == part.alias for table in query.find_all(sge.Table))
            if uses > 1 and part.find(*WORTH_STORING):
                views.append(f"stage_{number}_{part.alias}")
                _store(session, _text(part.this, inlined), folder / part.alias, views[-1])
                _rename(query, part.alias, views[-1])
            else:
                inlined[part.alias] = part
        body = query.copy()
        body.set("with_", None)
        yield session.sql(_text(body, inlined))
    finally:
        with contextlib.suppress(Exception):  # a session that has died holds no views
            for view in views:
                session.catalog.dropTempView(view)
        shutil.rmtree(folder, ignore_errors=True)


def _store(session: SparkSession, sql: str, place: Path, view: str) -> None:
    rows = session.sql(sql)
    rows.write.parquet(f"file://{place}")
    session.read.schema(rows.schema).parquet(f"file://{place}").createOrReplaceTempView(view)


def _text(body: sge.Expr, inlined: dict[str, sge.CTE]) -> str:
    """Return the SQL of a part with the parts that it is built on written into it."""
    needed: list[str] = []
    looked_at = [body]
    while looked_at:
        for table in looked_at.pop().find_all(sge.Table):
            if table.name in inlined and table.name not in needed and not table.args.get("db"):
                needed.append(table.name)
                looked_at.append(inlined[table.name])
    parts = [inlined[name] for name in inlined if name in needed]
    sql: str = body.sql(dialect="spark")
    if parts:
        sql = f"WITH {', '.join(part.sql(dialect='spark') for part in parts)}\n{sql}"
    return sql


def _rename(query: sge.Query, name: str, view: str) -> None:
    for table in list(query.find_all(sge.Table)):
        if table.name == name and not table.args.get("db"):
            if not table.alias:
                table.set("alias", sge.TableAlias(this=sge.to_identifier(name, quoted=True)))
            table.set("this", sge.to_identifier(view, quoted=True))
