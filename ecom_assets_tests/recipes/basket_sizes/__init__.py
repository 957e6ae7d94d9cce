"""Basket sizes: how many lines orders have. CONTRIBUTING's question over orders, in a folder as a
subject's.
"""
