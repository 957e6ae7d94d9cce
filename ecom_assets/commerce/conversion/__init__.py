"""Funnels of sessions by device, channel and category."""
