"""Which days can be those of a shop's records. A clock that was never set says 1970, or 2000.

For the platform they begin with `Settings.first_plausible_day`; questions to files take any from 1990.
Not here: what is done with the rows of other days.
"""

from datetime import date, datetime, time

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.days import NO, ONE_DAY

FIRST_PLAUSIBLE = date(1990, 1, 1)
LAST_PLAUSIBLE = date(2099, 12, 31)


def is_plausible(day: date) -> bool:
    """Tell whether something can have happened on a day."""
    return FIRST_PLAUSIBLE <= day <= LAST_PLAUSIBLE


def is_implausible(moment: ir.TimestampColumn, first_day: date = FIRST_PLAUSIBLE) -> ir.BooleanValue:
    """Tell whether an instant lies a day or more outside of the plausible days; a missing one does not."""
    first = ibis.literal(datetime.combine(first_day - ONE_DAY, time()), type="timestamp")
    end = ibis.literal(datetime(2100, 1, 2), type="timestamp")  # noqa: DTZ001 (UTC without saying so)
    return ((moment < first) | (moment >= end)).fill_null(NO)
