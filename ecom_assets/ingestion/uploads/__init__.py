"""Files that people send by the browser: kept as they came, looked at, landed in the platform's
own layout, and taken back.
"""
