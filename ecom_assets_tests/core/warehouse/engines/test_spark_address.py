"""Addresses and settings of Spark, and those that lead nowhere."""

from pathlib import Path

import pytest
from pyspark import SparkContext

from ecom_assets.core.errors import SettingError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.spark import session as spark_session
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles
from ecom_assets.core.warehouse.engines.spark.session import SparkAddress, parse_conf, session_for
from ecom_assets_tests.each import each

HOME = Path("/never/written")


@each(
    "url, master, folder",
    [
        ("spark://local", "local[*]", "/home/spark"),
        ("spark://local[2]/data/shop%201", "local[2]", "/data/shop 1"),
        ("spark://node:7077/data", "spark://node:7077", "/data"),
        ("spark://node:15002/data?connect=true", "sc://node:15002/", "/data"),
        (
            "spark://ann:s%2Fc@node:15002?connect=true",
            "sc://node:15002/;user_id=ann;token=s%2Fc",
            "/home/spark",
        ),
    ],
)
def test_addresses(url: str, master: str, folder: str) -> None:
    address = SparkAddress.parse(url, Path("/home"))
    assert (address.master, address.folder) == (master, Path(folder))
    assert "s%2Fc" not in address.shown
    assert "ann" not in address.shown


@each(
    "url, says",
    [
        ("spark://", "names no Spark"),
        ("spark://node", "names no Spark"),
        ("spark://local[two]", "names no Spark"),
        ("spark://local/data[1]", "as a pattern"),
        (
            "spark://local/100%25",
            "/100% has a sign that Delta tables cannot have; name a folder without %",
        ),
        ("spark://node:7077/data?conect=true", "takes only"),
        ("spark://local?connect=true", "takes only"),
    ],
)
def test_a_wrong_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        SparkAddress.parse(url, Path("/home"))


@pytest.mark.parametrize(
    "url", ["spark://127.0.0.1:9/data", "spark://127.0.0.1:9/data?connect=true"]
)
def test_a_spark_that_does_not_answer_is_said_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_session, "_RUNNING", {})
    monkeypatch.setattr(SparkContext, "_gateway", None)
    settings = Settings(home=HOME, warehouse=url)
    with pytest.raises(
        WarehouseError, match=r"nothing answers at 127.0.0.1:9 \(Connection refused\)"
    ):
        session_for(SparkAddress.parse(url, HOME), settings.model_copy(update={"home": HOME}))


def test_a_process_has_one_spark(spark_engine: SparkFiles) -> None:
    assert spark_engine.con.version.startswith("4.")
    with pytest.raises(
        WarehouseError, match=r"already uses Spark at local\[2\], and can use only one"
    ):
        SparkFiles(Settings(home=HOME, warehouse="spark://local[1]/other")).open()


def test_settings_of_sparks_own_are_read_and_secrets_do_not_show() -> None:
    read = parse_conf("spark.jars=a.jar,b.jar, spark.hadoop.fs.s3a.secret.key=x=y")
    assert read == {"spark.jars": "a.jar,b.jar", "spark.hadoop.fs.s3a.secret.key": "x=y"}
    assert parse_conf("") == {}
    with pytest.raises(
        SettingError, match=r"ECOM_SPARK_CONF: part 1 is not spark.name=value; correct it.$"
    ):
        parse_conf("jars=hush")
    assert "hush" not in repr(Settings(spark_conf="spark.password=hush"))
