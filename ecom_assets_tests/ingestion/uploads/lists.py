"""Lists of a shop that say what holds when they are sent: customers, what items cost, and stock."""

from pathlib import Path
from typing import Final

CUSTOMERS_1: Final = (
    "id,email,first_name,last_name,city,country,updated_at\n"
    "1,ann@shop.example,Ann,Abel,Berlin,DE,2026-03-01T09:00:00Z\n"
    "2,bob@shop.example,Bob,Beck,Graz,AT,2026-03-01T09:00:00Z\n"
    "3,cid@shop.example,Cid,Cohn,Bern,CH,2026-03-01T09:00:00Z\n"
    "4,dan@shop.example,Dan,Dorn,Kiel,DE,2026-03-01T09:00:00Z\n"
    "5,eve@shop.example,Eve,Ernst,Linz,AT,2026-03-01T09:00:00Z\n"
    ",nobody@shop.example,No,Body,Bonn,DE,2026-03-01T09:00:00Z\n"
)
"""Five customers, and a line without an id."""
CUSTOMERS_2: Final = (
    "id,email,first_name,last_name,city,country,updated_at\n"
    "2,bob@shop.example,Bob,Beck,Wien,AT,2026-03-05T09:00:00Z\n"
    "6,flo@shop.example,Flo,Frey,Ulm,DE,2026-03-05T09:00:00Z\n"
)
"""Bob has moved to Vienna, and Flo is new."""
COSTS_1: Final = 'SKU,Title,Einkaufspreis\nL1,Lamp,"30,50"\nD1,Desk,"70,00"\n'
COSTS_2: Final = 'SKU,Title,Einkaufspreis\nL1,Lamp,"20,00"\n'
STOCK_1: Final = (
    "SKU,Title,Available,Meldebestand\nL1,Lamp,12,10\nD1,Desk,0,\nL1,Lamp,9,10\n,Shelf,3,\n"
)
"""Nine lamps, as the later line says, of which ten are to be there; no desk; and a line of no
product.
"""
STOCK_2: Final = "SKU,Title,Available,Meldebestand\nL1,Lamp,40,10\n"


MAPPINGS: Final = {
    "orders": "extends: shopify\n",
    "customers": (
        "name: own\nfields:\n  id: id\n"
        + "".join(
            f"  {name}: {{path: {name}, optional: true}}\n"
            for name in ("email", "first_name", "last_name", "city", "country", "updated_at")
        )
    ),
    "costs": (
        "name: own\ndecimal: ','\nthousands: '.'\nother_columns: ignore\nfields:\n"
        "  cost_id: {hash_of: [SKU, Einkaufspreis]}\n  item_id: SKU\n"
        "  unit_cost_amount: Einkaufspreis\n"
    ),
    "stock": (
        "name: own\nfields:\n  line_id: {hash_of: [SKU, Available], equal_rows: keep}\n"
        "  product_id: SKU\n  name: Title\n  stock: Available\n  reorder_point: Meldebestand\n"
    ),
}
"""How the files of each kind are read, as somebody would choose it."""


def written(path: Path, text: str) -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
