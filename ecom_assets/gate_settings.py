"""Settings of what a source may bring before it is asked about. Not here: reading them (`settings.py`), the gate."""

from decimal import Decimal

from pydantic import Field
from pydantic_settings import BaseSettings

from ecom_assets.transforms.bounds import MAX_AMOUNT, MAX_QUANTITY, WIDEST_AMOUNT, WIDEST_QUANTITY


class GateSettings(BaseSettings):
    """What `Settings` has for the gate in front of every source, and for what one row may carry."""

    gate_refused_share: float = Field(
        0.5, gt=0, le=1, description="Share of a source's rows that may be refused; more, and nothing is built on them"
    )
    gate_fall_share: float = Field(
        0.8, gt=0, le=1, description="Share by which a source's day may fall below what is usual, or below what it had"
    )
    gate_least_rows: int = Field(
        100, ge=1, description="Rows of a day below which these shares are chance, and are not looked at"
    )
    max_days: int = Field(
        1830, ge=1, description="Days that the data may span before a run over all of them is asked for by --from, --to"
    )
    max_amount: Decimal = Field(
        MAX_AMOUNT,
        gt=0,
        le=WIDEST_AMOUNT,
        decimal_places=2,
        description="Money that one event or order line may carry; one with more is quarantined",
    )
    max_quantity: int = Field(
        MAX_QUANTITY, ge=1, le=WIDEST_QUANTITY, description="Items that one order line may have; more is quarantined"
    )
