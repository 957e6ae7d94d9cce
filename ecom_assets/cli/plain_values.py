"""Values of checks as people read them: not as Python writes them. Not here: the checks."""

from collections.abc import Mapping


def plain(value: object) -> str:
    """Return a value in words: `a 1, b 2` for names and values, `x; y` for several, `none` for nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)
