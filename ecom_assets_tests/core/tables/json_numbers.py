"""Numbers as JSON has them, with the text that each is on every engine."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str | None]] = {
    "19": "19",
    "19.0": "19",
    "1.9e1": "19",
    "19.5": "19.5",
    "-0": "0",
    "-0.0": "0",
    "0.1": "0.1",
    "-2.50": "-2.5",
    "1e5": "100000",
    "1E+15": "1000000000000000",
    "1e16": "1e+16",
    "1e308": "1e+308",
    "10000000000000000": "1" + 16 * "0",
    "1e-7": "1e-07",
    "-1.5e-5": "-1.5e-05",
    "0.00012345": "0.00012345",
    "3.3333333333333335": "3.3333333333333335",
    "12345678.9": "12345678.9",
    "-1234567890123.25": "-1234567890123.25",
    "1000000000000000.5": "1000000000000000.5",
    "-1234567890123456.75": "-1234567890123456.8",
    # Whole numbers of 64 bits are exact; larger ones read as doubles do.
    "-9007199254740993": "-9007199254740993",
    "9007199254740993": "9007199254740993",
    "9223372036854775807": "9223372036854775807",
    "-9223372036854775809": "-9.223372036854776e+18",
    "123456789012345678901234567890": "1.2345678901234568e+29",
    # Beyond the range of a double: no value, or nothing.
    "1e400": None,
    "-1e400": None,
    "1e99999": None,
    "1e-400": "0",
    "1e-99999": "0",
}
SMALLEST: Final[Mapping[str, str | None]] = {
    "4.9e-324": "5e-324",
    "1e-323": "1e-323",
    "2e-324": "0",
}
"""The smallest numbers, which Java writes with other digits, so that they differ
on Spark (docs/metrics/).
"""
