"""How much there is to read, counted by hand for modules of a few lines."""

from pathlib import PurePath

from benchmarks.size import Size, room_of, size_of_python, sizes_by_room
from ecom_assets_tests.each import each

MODULE = '''
"""Two words."""


def total(prices):
    """Add them up."""
    return _sum(prices)


def _sum(prices):
    return _start(prices) + _start(prices[1:])


def _start(prices):
    return prices[0]
'''


def test_a_module_is_counted_without_its_docstrings() -> None:
    size = size_of_python(MODULE)
    # Three functions, each with one line; `_sum` is called once, `_start` twice.
    assert (size.statement_count, size.function_count, size.private_used_once_count) == (6, 3, 1)
    assert size.docstring_word_count == 5


def test_lines_that_become_denser_have_as_many_nodes() -> None:
    long, dense = "price = 1\ncount = 2\n", "price = 1; count = 2\n"
    assert size_of_python(long).node_count == size_of_python(dense).node_count


@each(
    "path, room",
    [
        ("ecom_assets/core/errors.py", "ecom_assets/core"),
        ("ecom_assets/definitions.py", "ecom_assets"),
        ("ecom_assets_tests/core/test_errors.py", "ecom_assets_tests"),
        ("ecom_assets/interfaces/dashboard/vendored/charts.js", None),
        ("deploy/api.service", None),
    ],
)
def test_a_file_is_of_a_folder_or_a_package(path: str, room: str | None) -> None:
    assert room_of(PurePath(path)) == room


def test_what_moves_into_another_kind_of_file_is_counted_still() -> None:
    sizes = sizes_by_room(
        {
            PurePath("ecom_assets/core/a.py"): "x = 1\n",
            PurePath("ecom_assets/core/a.sql"): "SELECT 1;\n",
            PurePath("ecom_assets/core/a.png"): "no text that a person reads",
        }
    )
    assert sizes["ecom_assets"] == sizes["ecom_assets/core"] == Size(2, 5, 1, 0, 0, 0, 3)
