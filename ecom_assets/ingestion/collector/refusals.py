"""Why an event is not taken."""


class EventRefusal(Exception):  # noqa: N818 (no failure of ours: the answer of an event)
    """An event that is not taken: a word for scripts, and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
