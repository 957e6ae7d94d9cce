"""The settings that all tests have, so that they depend on nothing of the machine or its user:
a memory limit, and no checks of files in the user's cache folder.
"""

FIXED = {"ECOM_MEMORY_LIMIT": "1500MB", "ECOM_CACHE": "off"}
