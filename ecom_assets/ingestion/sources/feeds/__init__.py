"""The kinds of record, a package each: what settings and pages need to know of one is `UPLOAD` in
its `__init__.py`, how its rows are read and land is `FEED` in its `feed.py`.
"""
