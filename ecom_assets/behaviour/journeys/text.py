"""Journeys in a terminal: the most frequent paths and transitions."""

from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.formats import aligned_percent, counted


def lines(answer: Answer) -> list[str]:
    """Return the number of sessions, the paths of all of them, with a purchase and without,
    and the transitions.
    """
    definition = answer["definition"]
    part = "".join(
        f" {name} {definition[f'{name}_step']}"
        for name in ("from", "to")
        if f"{name}_step" in definition
    )
    converted = answer["converted_sessions"]
    bought = "" if converted is None else f", {converted:,} of them with a purchase"
    result = [f"{counted(answer['sessions'], 'session')}{part}{bought}"]
    is_cut_before = "to_step" in definition and "from_step" not in definition
    for title, name in (
        ("Paths of all sessions", "top_paths"),
        ("Paths with a purchase", "converting_paths"),
        ("Paths without a purchase", "other_paths"),
    ):
        if answer[name]:
            result += [
                "",
                title,
                *(path_line(path, is_cut_before=is_cut_before) for path in answer[name]),
            ]
    if answer["transitions"]:
        most = answer["transitions"][: len(answer["top_paths"]) or 1]
        result += ["", "Most frequent transitions"]
        result += [
            f"  {transition['count']:>9,}  {transition['from']} → {transition['to']}"
            for transition in most
        ]
    return result


def path_line(path: Row, *, is_cut_before: bool = False) -> str:
    """Return a path as a line of text, with an ellipsis where it is cut:
    at its end, or before it.
    """
    cut = ["…"] if path["is_cut"] else []
    steps = (
        " → ".join([*cut, *path["path"]] if is_cut_before else [*path["path"], *cut]) or "(no step)"
    )
    return f"  {path['sessions']:>9,} {aligned_percent(path['share'])}  {steps}"
