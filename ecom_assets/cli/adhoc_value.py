"""`ecom value`: what to expect of customers, from files. Not here: the models (`transforms/lifetime_value.py`)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecom_assets.cli.file_purchases import Customers, FilePurchases
from ecom_assets.cli.value_totals import value_totals
from ecom_assets.cli.written_files import check_format, write_rows
from ecom_assets.contracts.customer_value import LifetimeValue
from ecom_assets.transforms.lifetime_value import ValueModels, histories, lifetime_value, value_correlation
from ecom_assets.transforms.likelihood import Fitted, NoFit
from ecom_assets.transforms.value_rule import ValueRule


def answer_value(asked: Customers, rule: ValueRule, out: Path | None) -> dict[str, Any]:
    """Return INTERFACE's `value`; write every customer where `out` is given.

    Args:
        asked: Whose customers.
        rule: How far to look ahead, and what later money is worth.
        out: A Parquet or CSV file.
    """
    check_format("--out", out)
    files = FilePurchases.open(asked)
    told = histories(files.purchases).to_pyarrow()
    models = ValueModels.fit(told)
    rows = lifetime_value(told, models, rule).select(list(LifetimeValue.columns))
    if out is not None:
        files.con.con.register("lifetime_value", rows)
        write_rows(files.con, files.con.table("lifetime_value").order_by("customer_id"), out)
    return {"model": "bg_nbd", **_answer(rows, models, rule, asked, files, told)}


def _answer(
    rows: pa.Table, models: ValueModels, rule: ValueRule, asked: Customers, files: FilePurchases, told: pa.Table
) -> dict[str, Any]:
    totals = value_totals(rows)
    return {
        "customers": totals.pop("customers"),
        **_of_model(models.orders, ("r", "alpha", "a", "b")),
        "order_value": {
            "model": "gamma_gamma",
            **_of_model(models.values, ("p", "q", "v")),
            "frequency_value_correlation": value_correlation(told),
        },
        **totals,
        "as_of_date": files.newest_day(),
        "definition": {**asdict(rule), "time_unit": "week", "order": "day_with_an_order", **asked.definition()},
        "rows": files.rows.as_json(),
    }


def _of_model(fitted: Fitted[Any] | NoFit, names: tuple[str, ...]) -> dict[str, Any]:
    """Return parameters, fit and reason; null is what there is not."""
    model = fitted.model if isinstance(fitted, Fitted) else None
    return {
        "parameters": {name: getattr(model, name, None) for name in names},
        "log_likelihood": fitted.log_likelihood if isinstance(fitted, Fitted) else None,
        "at_limit": list(fitted.at_limit) if isinstance(fitted, Fitted) else [],
        "reason": fitted.value if isinstance(fitted, NoFit) else None,
    }
