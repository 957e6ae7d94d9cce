"""The tools that records are delivered to, a package each, found by its folder.

`settings.py` of a package has its `SETTINGS`, `payload.py` how rows become the tool's JSON, and
`tool.py` its requests and `TOOL`: see "Add a destination" in CONTRIBUTING.md.
"""
