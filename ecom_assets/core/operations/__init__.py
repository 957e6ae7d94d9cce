"""Operations: requests of people to the next run,
and the results that runs record of their checks and tables.
"""
