"""What charts call the values of a breakdown: products by their names, pages by their paths."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ecom_assets.commerce.products.queries import product_names
from ecom_assets.core.tables.queries import NotPublishedError
from ecom_assets.interfaces.dashboard.page import View

PAGE_ADDRESS: Final = re.compile(r"\w+://([^/\s]+)(/\S*)?")
"""The address of a page: its host and its path."""
PRODUCTS: Final = ("product_id", "first_product")
"""The columns whose values are products."""


def names_of(
    view: View, by: str | Sequence[str] | None, values: Collection[str]
) -> Mapping[str, str]:
    """Return what to call values of a breakdown `by` some columns, of those that are called
    otherwise.

    Two products of one name keep their ids beside it.
    """
    columns = [by] if isinstance(by, str) else [*(by or ())]
    if len(columns) != 1 or columns[0] not in PRODUCTS:
        return paths_of(values)
    try:
        named = product_names(view.context.reading, values)
    except NotPublishedError:  # without order lines there are no names
        return {}
    shown = list(named.values())
    return {
        value: name if shown.count(name) == 1 else f"{name} ({value})"
        for value, name in named.items()
    }


def paths_of(labels: Collection[str]) -> dict[str, str]:
    """Return the paths of labels that are pages of one host, which a chart has no space for;
    nothing where there are several hosts, or pages without one.
    """
    pages = {label: page for label in labels if (page := PAGE_ADDRESS.fullmatch(label))}
    hosts = {page[1] for page in pages.values()}
    if len(hosts) != 1 or any(label.startswith("/") for label in labels):
        return {}
    return {label: page[2] or "/" for label, page in pages.items()}
