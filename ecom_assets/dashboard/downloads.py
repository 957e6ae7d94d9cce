"""Files that a page holds itself: what it shows as CSV or JSON, in addresses from which a browser saves them."""

from typing import Any
from urllib.parse import quote

from fastapi.encoders import jsonable_encoder

from ecom_assets.api.csv_answers import csv_of


def csv_address(answer: dict[str, Any]) -> str:
    """Return the list of an answer as the address of a CSV file, which a browser saves without another request."""
    return data_address("text/csv", csv_of(jsonable_encoder(answer)))


def data_address(kind: str, text: str) -> str:
    """Return a text as an address of its own."""
    return f"data:{kind};charset=utf-8,{quote(text)}"
