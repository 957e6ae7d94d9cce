"""How many days of a range the small shop's files cover, in plain Python, and what is null where they do not."""

from ecom_assets_tests.api.plain_shop import PlainShop, Row, Span, change


def coverage(shop: PlainShop, span: Span, *sources: str) -> str:
    """How many of some days all sources know."""
    known = [span.within(shop.known(source)) for source in sources]
    return "whole" if all(one == span for one in known) else "part" if any(known) else "none"


def known(shop: PlainShop, span: Span, *sources: str) -> Row:
    """What `range` says of the days that are known, and of those before."""
    answer: Row = {}
    for prefix, days in (("", span), ("previous_", span.before)):
        here: Span | None = days
        for source in sources:
            here = here and here.within(shop.known(source))
        answer[f"{prefix}data"] = coverage(shop, days, *sources)
        answer[f"{prefix}known_from"], answer[f"{prefix}known_to"] = (
            (str(here.first), str(here.last)) if here else (None,) * 2
        )
        answer[f"{prefix}held_days"] = []  # the small shop holds none
    return answer


def if_known(numbers: Row, shop: PlainShop, span: Span, *sources: str) -> Row:
    """The numbers; null where no day is known."""
    return dict.fromkeys(numbers) if coverage(shop, span, *sources) == "none" else numbers


def compared(now: Row, before: Row, shop: PlainShop, span: Span, *sources: str) -> Row:
    """The numbers of the days before, and the change; null where the data do not hold all days of both."""
    is_whole = coverage(shop, span, *sources) == coverage(shop, span.before, *sources) == "whole"
    return {
        "previous": None if coverage(shop, span.before, *sources) == "none" else before,
        "change": {name: change(now[name], before[name]) if is_whole else None for name in now},
    }
