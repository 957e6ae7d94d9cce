"""The smallest mart, check, endpoint, engine and source, as CONTRIBUTING shows them.

`test_recipes.py` runs each.
"""
