"""The weekly report: the numbers of a week, what changed against the week before, and why."""
