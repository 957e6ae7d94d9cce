"""Values that are the same in every expression."""

import ibis

NO = ibis.literal(value=False)
