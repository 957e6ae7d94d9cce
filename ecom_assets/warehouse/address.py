"""Addresses of warehouses and sources, as people may see them.

Not here: which engine an address means (`opening.py`).
"""

from urllib.parse import urlsplit


def without_secrets(url: str) -> str:
    """Return an address without its password and without its query, in which keys and tokens can stand."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    user, _, host = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}@{host}" if user.partition(":")[0] else host
    return f"{parts.scheme}://{shown}{parts.path}"
