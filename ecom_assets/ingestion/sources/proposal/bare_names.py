"""Names as they are compared: without signs, accents and capitals."""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=10_000)
def bare(name: str) -> str:
    """Return a name without case, accents, blanks and punctuation."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())
