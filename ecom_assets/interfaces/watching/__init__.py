"""Watching numbers: what an alert says of each period, incidents, their causes and messages,
and boards by e-mail.
"""
