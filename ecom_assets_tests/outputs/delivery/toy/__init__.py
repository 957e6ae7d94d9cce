"""A toy tool: the smallest package that a tool can be.

Tests copy it beside the real ones, and deliver to it.
"""
