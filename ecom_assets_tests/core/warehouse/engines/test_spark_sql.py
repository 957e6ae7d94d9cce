"""SQL that is Spark's own: where Ibis spells it otherwise, and what catalogs are sent."""

from datetime import date, datetime

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.contract import Table, day, instant, text
from ecom_assets.core.tables.days import Days, day_start
from ecom_assets.core.warehouse.engines.spark import catalog as spark_catalog
from ecom_assets.core.warehouse.engines.spark.engine import SparkEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    THREE,
    Visits,
    from_outside,
    grown,
)


class Instants(Table):
    """One row per instant."""

    layer = "mart"

    visit_date = day("The day of the visit")
    visitor_id = text("Who came")
    at = instant("When")
    until = instant("Until when")


def test_sql_that_ibis_spells_otherwise_for_spark_gives_the_same_values(
    spark_engine: SparkEngine,
) -> None:
    outside = from_outside((date(2026, 3, 29), "ann"), (date(2026, 3, 30), "zoë")).mutate(
        at=ibis.timestamp("2026-03-29 00:59:59.999999"),
        until=ibis.timestamp("2026-03-29 03:00:00.000001"),
    )
    spark_engine.replace(Instants, outside, None)

    def computed(table: ir.Table) -> list[dict[str, object]]:
        length_us = table.until.delta(table.at, unit="microsecond")
        days = Days.between(date(2026, 3, 28), date(2026, 4, 1))
        values = table.select(
            "visitor_id",
            length_us=length_us,
            length_s=length_us / 1e6,
            third=ibis.literal(1) / 3,
            second=table.at.truncate("s"),
            epoch_s=table.at.truncate("s").epoch_seconds().cast("int64"),
            microsecond=table.at.microsecond().cast("int64"),
            later=table.at + ibis.interval(days=1),
            starts_at=day_start(table.visit_date, days, "Europe/Berlin"),
            is_never=table.at > ibis.literal(datetime(1, 1, 1), "timestamp(6)"),  # noqa: DTZ001 (as stored)
            campaign=table.visitor_id.re_extract(r"z(o.)", 1),
        )
        actual: list[dict[str, object]] = values.order_by("visitor_id").to_pyarrow().to_pylist()
        return actual

    con = connect()
    con.create_table("instants", outside.to_pyarrow())
    assert computed(spark_engine.table(Instants)) == computed(con.table("instants"))

    def in_order(table: ir.Table) -> object:
        return (
            table.agg(all=table.visitor_id.group_concat(", ", order_by=table.visitor_id))
            .to_pyarrow()
            .to_pylist()
        )

    assert (
        in_order(spark_engine.table(Instants))
        == in_order(con.table("instants"))
        == [{"all": "ann, zoë"}]
    )
    hashed = spark_engine.table(Instants).visitor_id.hash()
    assert int(hashed.max().to_pyarrow().as_py()) > 2**32, "64 bits"


CITIES = grown(city=text("Where from", nullable=True))


def test_catalogs_get_statements_that_replace_a_slice_at_once(spark_engine: SparkEngine) -> None:
    replaced = spark_catalog.replace_statement(CITIES, Days((ONE, THREE)), "new_rows")
    assert replaced == (
        "INSERT INTO `mart`.`visits` REPLACE WHERE (`visit_date` >= DATE '2026-03-01' AND "
        "`visit_date` < DATE '2026-03-02') OR (`visit_date` >= DATE '2026-03-03' AND `visit_date` "
        "< DATE '2026-03-04') SELECT CAST(COALESCE(`visit_date`, RAISE_ERROR('visit_date is "
        "missing in some rows')) AS DATE) AS `visit_date`, CAST(COALESCE(`visitor_id`, "
        "RAISE_ERROR('visitor_id is missing in some rows')) AS STRING) AS `visitor_id`, "
        "CAST(`city` AS STRING) AS `city` FROM `new_rows`"
    )
    created = spark_catalog.create_statement(CITIES, "iceberg")
    assert created == (
        "CREATE TABLE IF NOT EXISTS `mart`.`visits` (`visit_date` DATE, `visitor_id` STRING, "
        "`city` STRING) USING iceberg PARTITIONED BY (`visit_date`)"
    )
    assert spark_catalog.condition(CITIES, None) == "TRUE"
    assert spark_catalog.condition(CITIES, Days(())) == "FALSE"
    parser = spark_engine.con.session._jsparkSession.sessionState().sqlParser()  # noqa: SLF001 (Spark's grammar decides)
    for statement in (
        replaced,
        created,
        spark_catalog.replace_table_statement(Visits, CITIES, "delta"),
    ):
        assert parser.parsePlan(statement).toString()
