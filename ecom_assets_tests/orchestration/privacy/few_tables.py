"""Erasures from shops with few tables, for tests of what holds whatever the table.

A real erasure computes every table of its sources, those that no run had made among them, which
takes longer than all else that it does. `test_erase_customer.py` has one over all tables.
"""

from contextlib import closing

import dagster as dg
import pytest

from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import without_source
from ecom_assets.orchestration.registry import ALL


def compute_only_what_was_made(patch: pytest.MonkeyPatch) -> None:
    """Let erasures in this process compute the tables again that runs have made, and no others;
    a run makes the others without rows.
    """

    def without_source_or_run(settings: Settings) -> set[dg.AssetKey]:
        with closing(new_engine(settings).open()) as engine:
            noted = engine.query("SELECT DISTINCT table_name FROM raw.computations")
        made = {row["table_name"] for row in noted} | {Restatements.qualified_name()}
        never = {asset_key(contract) for contract in ALL if contract.qualified_name() not in made}
        return without_source(settings) | never

    patch.setattr("ecom_assets.cli.erase.without_source", without_source_or_run)
