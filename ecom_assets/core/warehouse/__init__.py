"""The warehouse that stores tables: the engine interface, the IO manager,
and the code common to all engines.
"""
