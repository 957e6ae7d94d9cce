"""Kafka topics as landing files: each message once, whatever stops, pauses or dies."""
