"""Settings of what order lines must have to be let in. Not here: where orders come from (`settings.py`)."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class OrderGateSettings(BaseSettings):
    """What `Settings` has for the gate of orders."""

    order_customers_over: int = Field(
        3, ge=0, description="A day's orders must be of more customers than this, or the day is held back"
    )
    order_gate: Literal["auto", "day", "run"] = Field(
        "auto",
        description="What ECOM_ORDER_CUSTOMERS_OVER judges: each day, or a run's orders as one; auto: each day where "
        "orders come as daily reports (landing folders, an API), else as one",
    )
