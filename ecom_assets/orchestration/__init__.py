"""What runs when, which tables and rules there are, the erasure of people,
and the simulated shop.
"""
