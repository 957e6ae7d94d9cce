"""What every subject is made with: contracts, days, assets, checks,
portable expressions, periods.
"""
