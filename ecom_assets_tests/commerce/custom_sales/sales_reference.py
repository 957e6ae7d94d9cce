"""What a question about sales must answer, in plain Python: lines are put into groups, and each
number is counted from the lines of its group.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.questions.answer import Kind, answer
from ecom_assets.commerce.custom_sales.answer import SALES
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.order_source import FileOrders, OrderFileSource
from ecom_assets_tests.commerce.costs.test_contribution import by_hand

Row = dict[str, Any]
CATEGORIES = {"hat": "hats", "sock": "socks", "scarf": "scarves"}
COSTS = {"hat": Decimal("7.50"), "sock": Decimal(2)}
"""What a piece costs; nobody says what a scarf costs."""
COLUMNS = (
    "id,uniq_id,order_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,"
    "item_name,item_category,quantity,payment_amount,status,payment_method,discount_codes,"
    "discount_amount,gross_amount,unit_cost_amount"
)
"""The first line of a file of orders."""


@dataclass(frozen=True)
class Line:
    """An order line; `codes` are those of its discounts."""

    number: int
    order: str
    customer: str
    at: datetime
    item: str
    quantity: int
    paid: Decimal
    is_refund: bool = False
    method: str = ""
    city: str = "1"
    codes: tuple[str, ...] = ()
    discount: Decimal | None = None
    goodwill: Decimal = Decimal(0)
    """Of a refund, what of it was paid back beyond the worth of its order; see `with_goodwill`."""

    @property
    def day(self) -> date:
        """The day of the line."""
        return self.at.date()

    @property
    def unit_cost(self) -> Decimal | None:
        """What a piece costs."""
        return COSTS.get(self.item)

    def cells(self) -> list[str]:
        """Return the line as a row of a file."""
        gross = "" if self.discount is None else str(self.paid + self.discount)
        return [
            str(self.number),
            f"l{self.number:03}",
            self.order,
            self.at.isoformat(),
            self.city,
            {"1": "Berlin", "2": "Munich"}[self.city],
            self.customer,
            "",
            "",
            self.item,
            self.item.capitalize(),
            CATEGORIES[self.item],
            str(self.quantity),
            str(self.paid),
            "refunded" if self.is_refund else "shipped",
            self.method,
            f'"{", ".join(self.codes)}"' if self.codes else "",
            "" if self.discount is None else str(self.discount),
            gross,
            "" if self.unit_cost is None else str(self.unit_cost),
        ]


def with_goodwill(lines: Iterable[Line]) -> list[Line]:
    """Return the lines of a shop, refunds with their parts of the goodwill of their order.

    What is paid back up to a day, beyond what the order was sold for until then, is goodwill of the
    day on which it is paid back. Orders that were never sold have none here.
    """
    lines = list(lines)
    parts: dict[int, Decimal] = {}
    refunds = [line for line in lines if line.is_refund]
    for order, day in {(line.order, line.day) for line in refunds}:
        own = sorted(
            (line for line in refunds if (line.order, line.day) == (order, day)),
            key=attrgetter("number"),
        )
        sold = [
            line for line in lines if not line.is_refund and line.order == order and line.day <= day
        ]
        worth = sum((line.paid for line in sold), Decimal(0))
        before = sum(
            (line.paid for line in refunds if line.order == order and line.day < day), Decimal(0)
        )
        back = sum((line.paid for line in own), Decimal(0))
        beyond = max(before + back - worth, Decimal(0)) - max(before - worth, Decimal(0))
        shares = by_hand(beyond, [int(line.paid * 100) for line in own])
        if sold:
            parts |= dict(zip((line.number for line in own), shares, strict=True))
    return [replace(line, goodwill=parts.get(line.number, Decimal(0))) for line in lines]


def write(lines: Iterable[Line], path: Path) -> Path:
    """Write lines as a file of order lines."""
    rows = [COLUMNS, *(",".join(line.cells()) for line in lines)]
    path.write_text("\n".join(rows) + "\n")
    return path


def ask(
    path: Path,
    mapping: str = "user_order_log",
    settings: Mapping[str, Any] | None = None,
    **question: Any,
) -> Row:
    """Return the answer to a question about the order lines of a file, as JSON."""
    home = path.parent / "home"
    read_by = Settings(home=home, orders_mapping=mapping, **settings or {})
    return ask_of(SALES, path, read_by, **question)


def ask_of(kind: Kind[Any, Any], path: Path, read_by: Settings, **question: Any) -> Row:
    """Return the answer of a kind to a question about the order lines of a file, as JSON."""
    return answer_of(kind, source_of(path, read_by, is_of_sales=kind is SALES), **question)


def source_of(path: Path, read_by: Settings, *, is_of_sales: bool) -> OrderFileSource:
    """Return the order lines of a file, with all columns unless a question about sales names them.

    Those with all are read once for all questions.
    """
    return OrderFileSource(FileOrders.open([str(path)], read_by), is_of_sales=is_of_sales)


def answer_of(kind: Kind[Any, Any], source: OrderFileSource, **question: Any) -> Row:
    """Return the answer of a kind to a question about order lines, as JSON."""
    result = answer(kind, kind.question.from_mapping(question), source)
    document: Row = result.model_dump(mode="json", by_alias=True)
    return document


def total(values: Iterable[Decimal | None], count: int) -> Decimal | None:
    """Return a sum: 0 of no lines, and not known where no line has a value."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known or not count else None


def ratio(part: Decimal | None, whole: Decimal | None) -> float | None:
    """Return a share; not known where one of both is not, or the whole is 0."""
    return None if part is None or not whole else float(part) / float(whole)


def number(name: str, lines: Sequence[Line]) -> Any:
    """Return a measure of lines."""
    shipped = [line for line in lines if not line.is_refund]
    refunds = [line for line in lines if line.is_refund]
    revenue = [-line.paid if line.is_refund else line.paid for line in lines]
    net = [paid + line.goodwill for paid, line in zip(revenue, lines, strict=True)]
    cost = [
        None
        if line.unit_cost is None
        else line.unit_cost * (-line.quantity if line.is_refund else line.quantity)
        for line in lines
    ]
    profit = [
        None if spent is None else paid - spent for paid, spent in zip(net, cost, strict=True)
    ]
    costed = sum(
        (paid for paid, spent in zip(net, cost, strict=True) if spent is not None), Decimal(0)
    )
    discount = total((None if line.is_refund else line.discount for line in lines), len(lines))
    gross = sum((line.paid + (line.discount or 0) for line in shipped), Decimal(0))
    numbers: Mapping[str, Callable[[], Any]] = {
        "revenue_amount": lambda: sum(revenue, Decimal(0)),
        "shipped_amount": lambda: sum((line.paid for line in shipped), Decimal(0)),
        "refunded_amount": lambda: -sum((line.paid for line in refunds), Decimal(0)),
        "returns_amount": lambda: sum((line.paid - line.goodwill for line in refunds), Decimal(0)),
        "net_sales_amount": lambda: sum(net, Decimal(0)),
        "goodwill_amount": lambda: sum((line.goodwill for line in lines), Decimal(0)),
        "order_count": lambda: len({(line.day, line.order) for line in shipped}),
        "refund_count": lambda: len({(line.day, line.order) for line in refunds}),
        "customer_count": lambda: len({line.customer for line in shipped}),
        "sold_item_count": lambda: sum(line.quantity for line in shipped),
        "gross_sales_amount": lambda: gross,
        "discount_amount": lambda: discount,
        "discount_rate": lambda: ratio(discount, gross),
        "cost_amount": lambda: total(cost, len(lines)),
        "gross_profit_amount": lambda: total(profit, len(lines)),
        "gross_margin_rate": lambda: (
            ratio(total(profit, len(lines)), costed) if costed > 0 else None
        ),
        "average_order_value": lambda: ratio(
            sum(revenue, Decimal(0)), Decimal(len({(line.day, line.order) for line in shipped}))
        ),
    }
    return numbers[name]()


MEASURES = (
    "revenue_amount",
    "shipped_amount",
    "refunded_amount",
    "returns_amount",
    "net_sales_amount",
    "goodwill_amount",
    "order_count",
    "refund_count",
    "customer_count",
    "sold_item_count",
    "gross_sales_amount",
    "discount_amount",
    "discount_rate",
    "cost_amount",
    "gross_profit_amount",
    "gross_margin_rate",
    "average_order_value",
)
DIMENSIONS = (
    "product",
    "category",
    "city",
    "payment_method",
    "discount_code",
    "weekday",
    "hour",
    "customer_type",
    "order_number",
    "cohort_month",
    "first_category",
)


@dataclass(frozen=True)
class Shop:
    """All lines, by which the dimensions of each are decided."""

    lines: Sequence[Line] = field(default_factory=list)

    def values(self, line: Line, dimension: str) -> list[str]:
        """Return the values of a dimension that a line has: several of codes of discounts."""
        shipped = [other for other in self.lines if not other.is_refund]
        of_customer = [other for other in shipped if other.customer == line.customer]
        first = min(of_customer, key=lambda other: (other.at, other.number), default=None)
        plain = {
            "product": line.item,
            "category": CATEGORIES[line.item],
            "city": line.city,
            "payment_method": self._method(line, shipped),
            "weekday": str(line.day.isoweekday()),
            "hour": str(line.at.hour),
            "cohort_month": f"{first.day:%Y-%m}" if first else "(none)",
            "first_category": CATEGORIES[first.item] if first else "(none)",
        }
        if dimension == "discount_code":
            return [*line.codes] or ["(none)"]
        if dimension == "customer_type":
            return [self._customer_type(line, of_customer)]
        if dimension == "order_number":
            return [self._number(line, of_customer)]
        return [plain[dimension]]

    def _customer_type(self, line: Line, of_customer: Sequence[Line]) -> str:
        """Return what the customer of a line is on the day of its order; no order is a renewal."""
        paid: dict[tuple[date, str], list[Line]] = {}
        for other in of_customer:
            paid.setdefault((other.day, other.order), []).append(other)
        firsts = {
            key: min(other.at for other in lines)
            for key, lines in paid.items()
            if sum(other.paid for other in lines) > 0
        }
        shipped = [other for other in self.lines if not other.is_refund]
        is_known = not line.is_refund or any(
            other.order == line.order and other.day <= line.day for other in shipped
        )
        placed = self._placed(line, shipped)
        if firsts:
            day = min(firsts, key=lambda key: (firsts[key], key[1]))[0]
            if day <= placed:
                return "new" if day == placed else "returning"
        return "unpaid" if is_known else "returning"

    @staticmethod
    def _method(line: Line, shipped: Sequence[Line]) -> str:
        """Return how a line was paid; of a refund that does not say it, what its order says."""
        if line.method or not line.is_refund:
            return line.method or "(none)"
        methods = {other.method for other in shipped if other.order == line.order} - {""}
        return methods.pop() if len(methods) == 1 else "(none)"

    @staticmethod
    def _placed(line: Line, shipped: Sequence[Line]) -> date:
        """Return the day on which the order of a line was placed."""
        if not line.is_refund:
            return line.day
        earlier = [
            other for other in shipped if other.order == line.order and other.day <= line.day
        ]
        same_item = [other.day for other in earlier if other.item == line.item]
        return max(same_item or [other.day for other in earlier] or [line.day])

    @staticmethod
    def _number(line: Line, of_customer: Sequence[Line]) -> str:
        """Return the number of a line's order among those of its customer."""
        first_at: dict[tuple[date, str], datetime] = {}
        for other in of_customer:
            key = (other.day, other.order)
            first_at[key] = min(first_at.get(key, other.at), other.at)
        in_order = sorted(first_at, key=lambda key: (first_at[key], *key))
        numbers = [
            position
            for position, (day, order) in enumerate(in_order, start=1)
            if order == line.order and day <= line.day
        ]
        return str(max(numbers)) if numbers else "(none)"


def start_of(day: date, over: str) -> date:
    """Return the first day of the period that a day is in."""
    if over == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if over == "month" else day
