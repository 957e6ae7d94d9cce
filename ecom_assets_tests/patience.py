"""How long tests wait for what is about to happen, however busy the machine is."""

from typing import Final

PATIENCE_S: Final = 300.0
"""Seconds until a test gives up. A wait ends when what it waits for is there, so this is the time
of a test whose process hangs; beside eight others a server takes ten times as long to begin."""
