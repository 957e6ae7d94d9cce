"""Why a number is what it is: its definition, what made it,
and the rows that it was counted from.
"""
