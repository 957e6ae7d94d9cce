r"""Several paths in one setting: separated by commas; a comma that is part of a path is written `\,`.

Not here: what lies there (`file_formats`).
"""

import re
from collections.abc import Iterable

_SEPARATOR = re.compile(r"(?<!\\),")


def split_places(setting: str) -> list[str]:
    r"""Return the paths that a setting names.

    >>> split_places(r"landing, more/a\,b.csv")
    ['landing', 'more/a,b.csv']
    """
    parts = (part.strip().replace("\\,", ",") for part in _SEPARATOR.split(setting))
    return [part for part in parts if part]


def joined_places(paths: Iterable[str]) -> str:
    """Return paths as one setting, so that `split_places` gives them back."""
    return ",".join(path.replace(",", "\\,") for path in paths)
