"""Sales: the star schema, revenue, weekly customer retention."""
