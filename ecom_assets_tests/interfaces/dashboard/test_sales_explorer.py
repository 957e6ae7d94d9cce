"""The page "Sales explorer": what a chart has space for."""

from ecom_assets.interfaces.dashboard.value_names import paths_of

HOME, MUGS = "https://ferns.example/", "https://ferns.example/mugs"


def test_pages_of_one_host_are_named_by_their_paths() -> None:
    labels = {HOME, MUGS, "https://ferns.example", "(none)", "(other)"}
    assert paths_of(labels) == {HOME: "/", MUGS: "/mugs", "https://ferns.example": "/"}


def test_a_path_that_two_hosts_could_have_is_not_shortened() -> None:
    assert paths_of({MUGS, "https://blog.example/mugs"}) == {}
    assert paths_of({MUGS, "/mugs"}) == {}


def test_other_labels_stay() -> None:
    assert paths_of({"Mugs", "Mugs / Berlin", f"Mugs / {MUGS}"}) == {}
