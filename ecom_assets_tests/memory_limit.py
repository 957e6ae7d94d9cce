"""The memory limit that all tests have, whatever the machine has."""

MEMORY = {"ECOM_MEMORY_LIMIT": "1500MB"}
