"""Ad-hoc questions: computed in processes of their own, a bounded number at a time,
callers in turn.
"""
