"""Removal effects, which are computed outside of any engine, as rows of their table. Not here: the computing."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

import pyarrow as pa

from ecom_assets.contracts.attribution import ChannelRemovalEffects
from ecom_assets.transforms.markov import RemovalEffect
from ecom_assets.warehouse.schema import schema_of

Chain = tuple[date, str, Sequence[RemovalEffect]]
"""A day, a unit of conversions, and what their chain says."""


def removal_effect_rows(chains: Iterable[Chain]) -> pa.Table:
    """Return the rows of `ChannelRemovalEffects`; effects come greatest first."""
    rows = [
        {
            "converted_date": day,
            "unit": unit,
            "channel": one.channel,
            "removal_effect_rate": one.effect,
            "credit_share": Decimal(one.units).scaleb(-9),
            "rank_number": rank,
        }
        for day, unit, effects in chains
        for rank, one in enumerate(effects, start=1)
    ]
    kinds = schema_of(ChannelRemovalEffects).to_pyarrow()
    return pa.Table.from_pylist(rows, schema=pa.schema([(kind.name, kind.type) for kind in kinds]))
