"""An open e-commerce data platform on Dagster.

Nothing else is imported here, so that `ecom` commands load only what they use.
"""

from ecom_assets.core.former_addresses import find_former_addresses

find_former_addresses()
