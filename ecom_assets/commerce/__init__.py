"""What is ordered and earned: orders, attribution, sales, products, customers,
and whether the numbers agree.
"""
