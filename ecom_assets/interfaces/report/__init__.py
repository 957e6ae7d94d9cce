"""The weekly report: the numbers of a week, what changed since the week before, and why."""
