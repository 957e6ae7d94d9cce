"""What people keep: saved questions, boards of them, and annotations,
each with all of its versions.
"""
