"""A setting, a command that shows it, and a source mapping: CONTRIBUTING's recipes, which
`test_recipes.py` adds to a copy of the package.
"""
