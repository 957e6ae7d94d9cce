"""What every ad-hoc question is made with: the typed model, the source of its events,
and what answers it.
"""
