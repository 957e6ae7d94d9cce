"""Retention: who of each cohort came back."""
