"""Retention: how many visitors of each cohort come back."""
