"""Orders of a small shop written in one layout by chance, with what they must come to."""

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from benchmarks.layouts.names import BACK, LISTED, NO_SALE, OWN, SOLD, STATES, TYPES
from benchmarks.layouts.small_shop import Fate, Line, Order, cents, orders_of

CURRENCY: Final = "EUR"
AMOUNTS: Final = (
    *("price", "line_total", "subtotal", "total", "shipping", "tax", "discount", "fee", "payout"),
    "refunded",
)
FORMS: Final = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%b %d, %Y %I:%M %p",
    "epoch_s",
    "epoch_ms",
    "day and clock",
)


@dataclass
class Truth:
    """What a file of orders must come to."""

    sold: Decimal = Decimal(0)
    paid_back: Decimal = Decimal(0)
    orders: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    times: set[datetime] = field(default_factory=set)


@dataclass
class OrderFile:
    """A file of orders, what it must come to, and what a person knows about it.

    `heads` are the names of its columns by what they are, `numbers` the amounts of each row by
    name, `goods` what was paid for the goods of each row, and `meanings` what states say.
    """

    path: Path
    truth: Truth
    heads: dict[str, str]
    numbers: dict[str, list[Decimal]]
    goods: list[Decimal]
    meanings: dict[str, str]
    zone: str
    form: str
    decimal: str
    encoding: str
    about: str


class OrderLayout:
    """Choices by chance of how orders are written."""

    def __init__(self, rng: random.Random) -> None:
        """Choose."""
        chance = rng.random
        self.rng = rng
        self.grain = rng.choice(("order", "order", "line", "line", "line", "first", "nested"))
        self.is_order = self.grain == "order"
        self.form = rng.choice(FORMS)
        self.zone = rng.choice(("UTC", "Europe/Berlin", "America/New_York", "Europe/Warsaw"))
        self.rate = rng.choice((Decimal("0.19"), Decimal("0.2"), Decimal("0.0825")))
        self.has_tax = chance() < 0.4
        self.is_tax_beside = self.has_tax and chance() < 0.5
        self.has_shipping = chance() < 0.6 and self.grain != "nested"
        self.has_discount = chance() < 0.5
        self.has_subtotal = self.is_order and chance() < 0.5
        self.is_before_discount = self.has_discount and chance() < 0.5
        self.prices = rng.choice(("price", "line_total", "both")) if not self.is_order else ""
        self.has_total = self.is_order or (chance() < 0.5 and self.grain != "nested")
        self.has_fee = self.is_order and chance() < 0.15
        backs = ["state", "state", "rows", "none"] + (["amount"] if self.is_order else [])
        self.back = rng.choice(
            backs if self.grain not in {"nested", "first"} else ["state", "none"]
        )
        self.has_state = self.back == "state" or (self.back != "rows" and chance() < 0.3)
        self.states = rng.choice(STATES)
        self.types = rng.choice((*TYPES, None)) if self.back == "rows" else None
        self.decimal = rng.choice((".", ".", ","))
        self.has_thousands = chance() < 0.3
        self.sign = rng.choice(("", "", "", "€ ", " €"))
        self.delimiter = rng.choice((",", ";", "\t", "|"))
        self.encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16"))
        self.has_currency = chance() < 0.3
        self.has_email = chance() < 0.3
        self.share_known = 0.5
        self.is_order_level_repeated = self.grain == "line"
        if self.grain == "nested":
            self.decimal, self.sign, self.has_thousands = ".", "", False
            self.form = rng.choice(("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "epoch_s"))

    def head(self, concept: str) -> str:
        """Return a name of a column, in half of the cases one that the platform does not list."""
        names = LISTED if self.rng.random() < self.share_known else OWN
        return self.rng.choice(names[concept])

    def about(self) -> str:
        """Return the choices in a line."""
        flags = [name[4:] for name, value in vars(self).items() if name[:4] == "has_" and value]
        flags += [name for name in ("is_tax_beside", "is_before_discount") if getattr(self, name)]
        return (
            f"{self.grain} {self.prices} back={self.back} types={self.types} {self.form} "
            f"{self.zone} {' '.join(flags)} {self.decimal}{self.delimiter} {self.encoding}"
        )


class Writer:
    """Writes orders in a layout, and adds up what they come to."""

    def __init__(self, rng: random.Random, layout: OrderLayout) -> None:
        """Begin."""
        self.rng, self.layout = rng, layout
        self.rows: list[dict[str, Any]] = []
        self.goods: list[Decimal] = []
        self.truth = Truth()

    def write(self, orders: Sequence[Order]) -> None:
        """Write all orders, and the rows of refunds where these are rows of their own."""
        timed: list[tuple[datetime, int, Order, bool]] = []
        for n, order in enumerate(orders):
            timed.append((order.at, n, order, False))
            if order.fate is Fate.REFUNDED and self.layout.back == "rows":
                timed.append((order.back_at, n, order, True))
        for _, _, order, is_back in sorted(timed, key=lambda each: each[:2]):
            self._order(order, is_back=is_back)

    def _fate(self, order: Order) -> Fate:
        layout = self.layout
        if order.fate is Fate.CANCELLED and not layout.has_state:
            return Fate.SOLD
        if order.fate is Fate.REFUNDED and (layout.back == "none"):
            return Fate.SOLD
        return order.fate

    def _order(self, order: Order, *, is_back: bool) -> None:
        layout, fate = self.layout, self._fate(order)
        sign = -1 if is_back else 1
        shipping = order.shipping if layout.has_shipping else Decimal(0)
        lines = [self._amounts(line) for line in order.lines]
        sums = {name: sum((line[name] for line in lines), Decimal()) for name in lines[0]}
        total = sums["paid"] + shipping
        common = self._common(order, fate, is_back=is_back)
        whole: dict[str, Any] = {"total": total * sign} if layout.has_total else {}
        if layout.has_shipping:
            whole["shipping"] = shipping * sign
        back = Decimal(0)
        if layout.is_order:
            if layout.back == "amount":
                is_part = fate is Fate.REFUNDED and self.rng.random() < 0.5
                whole_back = sums["truth"] if fate is Fate.REFUNDED else back
                back = cents(whole_back / 2) if is_part else whole_back
                whole["refunded"] = back
            self.rows.append({**common, **whole, **self._parts(sums, total, sign)})
            self.goods.append(sums["truth"] * sign)
        else:
            self._lines(order, lines, common, whole, sign)
        self._count(order, fate, sums["truth"], back, is_back=is_back)

    def _common(self, order: Order, fate: Fate, *, is_back: bool) -> dict[str, Any]:
        """Return what a row says of its order: number, time, buyer, state."""
        layout = self.layout
        mail = f"mail{order.customer}@example.com" if order.customer else ""
        common: dict[str, Any] = {
            "number": order.number,
            "time": self._time(order.back_at if is_back else order.at),
            "customer": order.customer,
            **({"email": mail} if layout.has_email else {}),
            **({"currency": CURRENCY} if layout.has_currency else {}),
        }
        if layout.types:
            common["type"] = layout.types[is_back]
        if layout.has_state:
            wanted = {Fate.SOLD: SOLD, Fate.REFUNDED: BACK, Fate.CANCELLED: NO_SALE}[fate]
            wanted = SOLD if (layout.back, wanted) == ("amount", BACK) else wanted
            common["status"] = next(k for k, v in layout.states.items() if v == wanted)
        return common

    def _parts(self, sums: dict[str, Decimal], total: Decimal, sign: int) -> dict[str, Decimal]:
        """Return the amounts of an order that stand beside its total."""
        layout = self.layout
        base = "before" if layout.is_before_discount else "goods"
        fee = cents(total * Decimal("0.08"))
        parts = {
            "tax": (layout.has_tax, sums["tax"]),
            "discount": (layout.has_discount, sums["discount"]),
            "subtotal": (layout.has_subtotal, sums[base]),
            "fee": (layout.has_fee, fee),
            "payout": (layout.has_fee, total - fee),
        }
        return {name: amount * sign for name, (is_there, amount) in parts.items() if is_there}

    def _lines(
        self,
        order: Order,
        lines: Sequence[dict[str, Decimal]],
        common: dict[str, Any],
        whole: dict[str, Any],
        sign: int,
    ) -> None:
        layout = self.layout
        written = []
        for line, amounts in zip(order.lines, lines, strict=True):
            row: dict[str, Any] = {"sku": line.sku, "item": line.name}
            row["quantity"] = line.quantity * sign
            if layout.prices in {"price", "both"}:
                row["price"] = amounts["price"]
            if layout.prices in {"line_total", "both"}:
                name = "before" if layout.is_before_discount else "goods"
                row["line_total"] = amounts[name] * sign
            if layout.has_discount:
                row["discount"] = amounts["discount"] * sign
            if layout.has_tax:
                row["tax"] = amounts["tax"] * sign
            written.append(row)
            self.goods.append(amounts["truth"] * sign)
        if layout.grain == "nested":
            self.rows.append({**common, **whole, "lines": written})
            return
        for n, row in enumerate(written):
            if layout.grain == "first" and n:
                self.rows.append({"number": order.number, **row})
            else:
                self.rows.append({**common, **whole, **row})

    def _amounts(self, line: Line) -> dict[str, Decimal]:
        layout = self.layout
        is_off = layout.has_discount
        discount = line.discount if is_off else Decimal(0)
        goods = line.before - discount
        rate = layout.rate
        tax = cents(goods * rate) if layout.is_tax_beside else cents(goods * rate / (1 + rate))
        tax = tax if layout.has_tax else Decimal(0)
        paid = goods + tax if layout.is_tax_beside else goods
        truth = goods if layout.is_tax_beside else goods - tax
        return {
            "price": line.price,
            "before": line.before,
            "discount": discount,
            "goods": goods,
            "tax": tax,
            "paid": paid,
            "truth": truth,
        }

    def _count(
        self, order: Order, fate: Fate, goods: Decimal, back: Decimal, *, is_back: bool
    ) -> None:
        truth = self.truth
        if fate is Fate.CANCELLED:
            return
        truth.orders.add(order.number)
        if order.customer:
            truth.customers.add(order.customer)
        if is_back:
            truth.paid_back += goods
            return
        truth.sold += goods
        truth.times.add(order.at)
        if fate is Fate.REFUNDED and self.layout.back == "state":
            truth.paid_back += goods
        truth.paid_back += back

    def _time(self, at: datetime) -> Any:  # noqa: ANN401 (a number, a text, or both columns)
        form = self.layout.form
        if form == "epoch_s":
            return int(at.timestamp())
        if form == "epoch_ms":
            return int(at.timestamp() * 1000)
        if form.endswith("Z"):
            return at.astimezone(UTC).strftime(form)
        local = at.astimezone(ZoneInfo(self.layout.zone))
        return local if form == "day and clock" else local.strftime(form)

    def number(self, value: Decimal) -> str:
        """Return an amount as the layout writes it."""
        layout = self.layout
        text = f"{value:,.2f}" if layout.has_thousands else f"{value:.2f}"
        if layout.decimal == ",":
            text = text.translate(str.maketrans(",.", ".,"))
        before, after = (layout.sign, "") if layout.sign[:1] == "€" else ("", layout.sign)
        return f"{before}{text}{after}"


def order_file(seed: int, folder: Path) -> OrderFile:
    """Write the orders of a seed to a file in a folder, and return what is known of it."""
    rng = random.Random(seed)  # noqa: S311 (layouts by chance, no secrets)
    orders = _whole_minutes(orders_of(rng))
    layout = OrderLayout(rng)
    if all(not line.discount for order in orders for line in order.lines):
        layout.has_discount = layout.is_before_discount = False
    writer = Writer(rng, layout)
    writer.write(orders)
    concepts = list(dict.fromkeys(name for row in writer.rows for name in row))
    inner = list(
        dict.fromkeys(n for row in writer.rows for line in row.get("lines", ()) for n in line)
    )
    heads: dict[str, str] = {}
    if layout.states is STATES[-1] and "status" in concepts:
        heads["status"] = rng.choice(LISTED["status"])  # nothing but the name says it of codes
    for name in (*concepts, *inner):
        if name in {"lines", "currency"} and name not in heads:
            heads[name] = {"lines": "items", "currency": "Currency"}[name]
        while name not in heads:
            head = layout.head(name)
            if head.casefold() not in {each.casefold() for each in heads.values()}:
                heads[name] = head
    amounts = _numbers(writer.rows, heads)
    path = (
        _nested(writer, heads, folder)
        if layout.grain == "nested"
        else _table(writer, concepts, heads, folder)
    )
    meanings = dict(layout.states)
    if layout.types:
        meanings |= {layout.types[0]: SOLD, layout.types[1]: BACK}
    return OrderFile(
        path,
        writer.truth,
        heads,
        amounts,
        writer.goods,
        meanings,
        layout.zone,
        layout.form,
        layout.decimal,
        layout.encoding,
        layout.about(),
    )


def _whole_minutes(orders: Sequence[Order]) -> list[Order]:
    """Return orders at whole minutes, as some forms of times have no seconds."""
    return [
        Order(o.number, o.at.replace(second=0), o.customer, o.lines, o.shipping, o.fate, o.back_at)
        for o in orders
    ]


def _numbers(rows: Sequence[dict[str, Any]], heads: dict[str, str]) -> dict[str, list[Decimal]]:
    flat = [{**row, **line} for row in rows for line in row.get("lines", [{}])]
    return {
        heads[name]: [Decimal(row.get(name) or 0) for row in flat]
        for name in (*AMOUNTS, "quantity")
        if name in heads
    }


def _noise(rng: random.Random) -> list[tuple[str, Callable[[int], str]]]:
    """Return columns that are no field, each with its values by row."""
    known: list[tuple[str, Callable[[int], str]]] = [
        ("PLZ", lambda n: f"{10115 + n * 37}"),
        ("Weight (g)", lambda n: f"{200 + (n % 7) * 50}"),
        ("Line no.", lambda n: f"{n + 1}"),
        ("Exported at", lambda _: "2026-04-20 10:00:00"),
        ("Note", lambda n: "please, ring; twice" if n % 5 == 0 else ""),
        ("Payment", lambda n: ("card", "PayPal", "invoice")[n % 3]),
        ("Points", lambda n: f"{(n * 13) % 40}"),
        ("Country", lambda n: ("DE", "FR", "PL")[n % 3]),
        ("Ship by", lambda n: (datetime(2026, 3, 9) + timedelta(days=n // 2)).strftime("%Y-%m-%d")),  # noqa: DTZ001
        ("VAT rate", lambda _: "19"),
    ]
    return rng.sample(known, rng.randint(0, 5))


def _table(writer: Writer, concepts: Sequence[str], heads: dict[str, str], folder: Path) -> Path:
    layout, rng = writer.layout, writer.rng
    noise = _noise(rng)
    order = list(concepts)
    if rng.random() < 0.3:
        rng.shuffle(order)
    names = [heads[name] for name in order if name != "time" or layout.form != "day and clock"]
    if layout.form == "day and clock":
        names += ["Datum", "Uhrzeit"]
        heads["time"] = "Datum"
    names += [name for name, _ in noise]
    out = io.StringIO()
    table = csv.DictWriter(out, names, delimiter=layout.delimiter, lineterminator="\r\n")
    table.writeheader()
    for n, row in enumerate(writer.rows):
        cells: dict[str, Any] = {name: value(n) for name, value in noise}
        for name, value in row.items():
            if isinstance(value, datetime):
                cells["Datum"], cells["Uhrzeit"] = value.strftime("%d.%m.%Y|%H:%M").split("|")
            elif name in AMOUNTS:
                cells[heads[name]] = writer.number(value)
            else:
                cells[heads[name]] = value
        table.writerow(cells)
    path = folder / "orders.csv"
    try:
        path.write_bytes(out.getvalue().encode(layout.encoding))
    except UnicodeEncodeError:
        layout.encoding = "utf-8"
        path.write_bytes(out.getvalue().encode(layout.encoding))
    return path


def _nested(writer: Writer, heads: dict[str, str], folder: Path) -> Path:
    def written(row: dict[str, Any]) -> dict[str, Any]:
        return {
            heads[name]: [written(line) for line in value]
            if name == "lines"
            else (float(value) if isinstance(value, Decimal) else value)
            for name, value in row.items()
        }

    path = folder / "orders.json"
    path.write_text(json.dumps([written(row) for row in writer.rows]), encoding="utf-8")
    return path
