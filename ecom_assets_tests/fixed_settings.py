"""The setting that all tests have, so that they depend on nothing of the machine."""

FIXED = {"ECOM_MEMORY_LIMIT": "1500MB"}
