"""What is known of files with received rows by those that only look at names and lines, in a
process that imports no engine.
"""

from typing import Final

OF_UPLOADS: Final = "upload-"
"""What the names of files with rows of uploads begin with, and of no others."""
LARGE_SHARE: Final = 0.05
"""Share of rows that may be refused without a warning."""
