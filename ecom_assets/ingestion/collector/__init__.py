"""The collector: events over HTTP, answered when they are on disk,
and in the landing folder within a second.
"""
