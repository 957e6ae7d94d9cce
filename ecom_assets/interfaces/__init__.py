"""What people and programs see: the API, pages, reports, alerts.

They render answers, and decide nothing.
"""
