"""The fast way to count a funnel on DuckDB: the numbers of `levels.py` and `chains.py`.

SQL packs events into integers and gathers those of a unit: `counts.py` for answers, `lists.py` for
daily tables. NumPy follows the attempts of the units: `passes.py`.
"""
