"""The drafts of mappings of customers, and of lists: costs, stock and reports of ads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from ecom_assets.commerce.marketing.spend import TOTAL
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.files.mapping import AD_SPEND_KEYS
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.drafts.asked_columns import (
    ask_for_column,
    ask_for_missing,
)
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    MILLIONTHS,
    NEEDED,
    WHOLE_UNITS,
    Draft,
    file_lines,
    plain_name,
)
from ecom_assets.ingestion.sources.proposal.drafts.written_fields import field_line
from ecom_assets.ingestion.sources.proposal.fields import (
    CONSENT,
    TIMES,
    Found,
    FoundField,
    MappingKind,
    candidates,
    named_consents,
    named_refusals,
    numbers_left,
    state_columns,
    stock_by_place,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    RowSum,
    is_free,
    is_promised,
    what_is_left,
)
from ecom_assets.ingestion.sources.proposal.proofs import key_line, sum_lines, values_line
from ecom_assets.ingestion.sources.proposal.questions import (
    ACCOUNT,
    CURRENCY,
    FORMAT,
    PLATFORM,
    PLATFORMS,
    UNITS,
    ZONE,
    account_origin,
    account_question,
    currency_question,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.values import EMAIL, Value
from ecom_assets.ingestion.sources.record_feed import feeds

MOST_OF_IMPRESSION, MOST_OF_CLICK = 100, 20_000
"""What an impression or a click hardly ever costs, in any currency: more is in its millionths."""
ALL_PLACES: Final = "those of all places together"
"""The answer that the stock of an item is that of several columns, one of each place."""


@dataclass
class CustomerDraft(Draft):
    """A mapping of customers that is being written."""

    refusals: tuple[Value, ...] = ()
    """The columns that say who must not be written to, such as who unsubscribed."""

    def __post_init__(self) -> None:
        """Find the fields, and who must not be written to."""
        super().__post_init__()
        self.refusals = (*named_refusals(self.values, self.found),)
        consents = [] if CONSENT in self.found else named_consents(self.values, self.found)
        if len(consents) == 1:
            why = f"yes and no, named {consents[0].name}"
            self.found[CONSENT] = FoundField(CONSENT, consents[0], why)
        if self.refusals and CONSENT not in self.found:
            first = self.refusals[0]
            self.found[CONSENT] = FoundField(CONSENT, first, f"named {first.name}")

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        ask_for_missing(self, ["id"])
        fields = [self._customer_field(name) for name in dict.fromkeys(["id", *self.found])]
        return [*file_lines(self.values), "fields:", *fields]

    def _customer_field(self, name: str) -> str:
        if name not in self.found:
            return self.marked(f'  {name}: "?"', name)
        value = self.found[name].value
        options = [] if name == "id" else ["optional: true"]
        if name == "id" and self.values.matching(value, EMAIL):
            options.append("key: address")
        if name in TIMES:
            options += self.time_options(value)
        if name == CONSENT:
            options += self._taken_back(value)
        path = f"path: {quoted('.'.join(value.path))}"
        return self.marked(f"  {name}: {{{', '.join([path, *options])}}}", FORMAT, ZONE)

    def _taken_back(self, consent: Value) -> list[str]:
        """Return the options of consent by the columns that say who took it back; where no other
        column says anything of it, nobody is known to have agreed.
        """
        if consent in self.refusals:
            self.notes.append(
                f"{shown(consent.name)} says who must not be written to, and of nobody that they "
                "agreed"
            )
        words = ["agreed: []", "refused: []"] if consent in self.refusals else []
        names = [".".join(value.path) for value in self.refusals]
        return [*words, f"unless: {quoted_list(names)}"] if names else []


_TOTALS: Final = "total|summe|gesamt|somme|totale|totaal|suma|razem|итого|всего|合計|小計|总计|합계"
_SUM_OF: Final = f"[ :-]({_TOTALS})$"
_ALONE: Final = f"(grand )?({_TOTALS}|totals|gesamtsumme|subtotal|zwischensumme)"
"""How the name of a total ends, such as `A-1 Summe`, and what it may be as a whole."""
_FILLED_BUT_OF_TOTALS: Final = ("name", "item_name", "location", "category", "item_category")


def _is_called_total(sql: str) -> str:
    return f"regexp_matches(lower({sql}), {text(f'{TOTAL}|{_SUM_OF}')})"


def _is_total_alone(sql: str) -> str:
    return f"regexp_full_match(lower({sql}), {text(_ALONE)})"


@dataclass
class ListDraft(Draft):
    """A mapping of a list of products that is being written: of their costs, or of their stock."""

    KEYS: ClassVar[Sequence[str]] = ("product_id", "item_id", "location", "valid_from_date")
    """The fields that tell rows apart, as far as a file has them."""
    stock_sum: RowSum | None = None
    """Of several numbers of stock, how the one that counts follows from others."""
    places: tuple[Value, ...] = ()
    """The columns of the stock of several places, where no column has that of all."""
    promised: Value | None = None
    """How many of those that there are have been sold already, where no column has what is left."""

    def __post_init__(self) -> None:
        """Find the fields; of several numbers of stock, the one that is left of the others."""
        super().__post_init__()
        cost = self.found.get("unit_cost_amount")
        if self.kind is MappingKind.STOCK and cost is not None and cost.value.currency:
            self.notes.append(
                f"{shown(cost.value.name)} says {cost.value.currency}; a list of stock has costs "
                "in the currency of the shop: in another one, bring a list of costs"
            )
        if self.answers.get("stock") == ALL_PLACES:
            self.places = stock_by_place(self.values, self.found)
        if self.kind is not MappingKind.STOCK:
            return
        self.promised = self._promised()
        if "stock" in self.answers:
            return
        numbers = numbers_left(self.values, self.found)
        wholes = [self.found["stock"].value] if "stock" in self.found else numbers
        ways = (
            what_is_left(self.values, whole, [column for column in numbers if column != whole])
            for whole in wholes
        )
        left = next((way for way in ways if way is not None), None)
        if left is not None:
            why = f"named {left.whole}; by adding up: {left.text}"
            value = next(v for v in self.values.values if v.name == left.whole)
            self.found["stock"] = FoundField("stock", value, why)
            self.stock_sum, self.promised = left, None
        if "stock" not in self.found:
            self.places = stock_by_place(self.values, self.found)

    def _promised(self) -> Value | None:
        """Return the number of pieces that are there and sold already, beside that of all pieces
        that are there.
        """
        stock = self.found.get("stock")
        if stock is None or is_free(stock.value):
            return None
        numbers = [value for value in numbers_left(self.values, self.found) if is_promised(value)]
        some = [column for column in numbers if self.values.matching(column, r".*[1-9].*")]
        return some[0] if len(some) == 1 and not any(map(is_free, numbers)) else None

    def _stock_less_promised(self, stock: Value, promised: Value) -> str:
        """Ask whether what is sold already is taken off; return the line of the stock."""
        cells = [
            f"coalesce(TRY_CAST({self.values.plain_sql(value)} AS DECIMAL(24, 6)), 0)"
            for value in (stock, promised)
        ]
        less = f"{stock.name} less {promised.name}"
        sums = [self.values.scalar(f"sum({self.values.number_sql(v)})") for v in (stock, promised)]
        sentence = (
            f"{NEEDED['stock']}: {shown(stock.name)} ({sums[0]:,.0f} in all), or {shown(less)} "
            f"({sums[0] - sums[1]:,.0f}), which is what may be sold"
        )
        answer = self.ask("stock", sentence, (less, stock.name), less)
        if answer != quoted(less):
            column = answer if self.is_open("stock") else quoted(stock.path[0])
            return self.marked(f"  stock: {column}", "stock")
        return f"  stock: {{expression: {quoted(f'({cells[0]} - {cells[1]})::VARCHAR')}}}  # {less}"

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        kind = feeds()[self.kind].model.kind
        needed = [name for name in kind.required if name != kind.id]
        for name in needed:
            if name not in self.found and not (name == "stock" and self._asked_by_place()):
                ask_for_column(self, name)
        names = dict.fromkeys([*needed, *self.found])
        equal_rows = "equal_rows: " + ("keep" if self.kind is MappingKind.STOCK else "merge")
        columns = [match.value.path[0] for match in self.found.values() if match.value.is_column]
        return [
            *file_lines(self.values),
            *self.numeral_lines(),
            "fields:",
            f"  {kind.id}: {{hash_of: {quoted_list(columns)}, optional: ['*'], {equal_rows}}}",
            *(self._listed_field(name) for name in names),
            *(self.currency_lines() if "currency" in kind.fields else ()),
            *self._lines_of_totals(),
            *self._proof_lines(),
            "other_columns: ignore",
        ]

    def _lines_of_totals(self) -> list[str]:
        """Return the condition of lines that add up others, as a report has them below each product
        or all: they are called a total, and nothing but that, or have no place or name either.
        """
        key = next((self.found[name].value for name in self.KEYS[:2] if name in self.found), None)
        if key is None or not key.is_column:
            return []
        others = [
            match.value
            for name, match in self.found.items()
            if name in _FILLED_BUT_OF_TOTALS and match.value.is_column
        ]
        is_total = _is_called_total(key.column)
        counts = (f"count(*) FILTER ({is_total} = ({v.column} IS NOT NULL))" for v in others)
        is_line = _is_called_total if not all(map(self.values.scalar, counts)) else _is_total_alone
        rows = int(self.values.scalar(f"count(*) FILTER ({is_line(key.column)})"))
        if not rows or rows == self.values.row_count:
            return []
        condition = quoted(is_line(key.sql))
        note = f"  # {counted(rows, 'row')}; check this"
        return ["leave_out:", f"  total: {{expression: {condition}, optional: true}}{note}"]

    def _asked_by_place(self) -> bool:
        """Ask whether the stock of all places counts; return whether there are several."""
        if not self.places:
            return False
        names = tuple(value.name for value in self.places)
        others = [
            candidate
            for candidate in candidates(self.values, "stock", self.found)
            if candidate not in names
        ]
        sentence = f"{NEEDED['stock']}: {', '.join(map(shown, names))} may each be of one place"
        self.ask("stock", sentence, (ALL_PLACES, *names, *others), ALL_PLACES)
        return True

    def _of_all_places(self) -> str:
        """Return the origin of the stock of all places; where one says none, it has none."""
        numbers = ", ".join(
            f"TRY_CAST({self.values.plain_sql(value)} AS DECIMAL(24, 6))" for value in self.places
        )
        return f"{{expression: {quoted(f'list_sum([{numbers}])::VARCHAR')}}}"

    def _proof_lines(self) -> list[str]:
        """Return the lines of what was found true of all rows, which later lists must be, too."""
        keys = [self.found[name].value for name in self.KEYS if name in self.found]
        lines = []
        if all(key.is_column for key in keys) and self.values.are_unique_in_each_file(keys):
            lines.append(key_line([key.path[0] for key in keys]))
        if self.stock_sum is not None:
            stock = self.found["stock"].value
            lines += sum_lines(self.values, [self.stock_sum], ("", ()), [stock])
        if self.kind is not MappingKind.AD_SPEND:  # campaigns are paused, and spent before
            states = state_columns(self.values, self.found)
            lines += filter(None, (values_line(self.values, value) for value in states))
        return ["holds:", *lines] if lines else []

    def _listed_field(self, name: str) -> str:
        if name == "stock" and self.answers.get(name) == ALL_PLACES:
            return f"  {name}: {self._of_all_places()}  # {ALL_PLACES}"
        if name not in self.found:
            return self.marked(f'  {name}: "{OPEN}"', name)
        value = self.found[name].value
        if name == "stock" and self.promised:
            return self._stock_less_promised(value, self.promised)
        if name not in TIMES:
            return field_line(self, name)
        # A day is the shop's, wherever the server of the file is.
        forms = self.values.time_formats(value)
        origin = f"expression: {quoted(value.sql)}"  # such as of months in another language
        if value.is_column:
            origin = f"column: {quoted(value.path[0])}"
        options = [origin, "optional: true"]
        if len(forms) > 1:
            example = shown(self.values.counts(value, 1)[0][0])
            sentence = f"how days such as {example} are written"
            written = self.ask(FORMAT, sentence, tuple(forms), note=f"As in {example}")
            options.append(f"format: {written}")
        elif forms[0] != "iso":
            options.append(f"format: {quoted(forms[0])}")
        return self.marked(f"  {name}: {{{', '.join([*options, 'timezone: shop'])}}}", FORMAT)


@dataclass
class AdSpendDraft(ListDraft):
    """A mapping of ad spend that is being written."""

    KEYS = AD_SPEND_KEYS

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        needed = ["spend_date", "spend_amount"]
        if not {"campaign_id", "campaign_name"} & self.found.keys():
            needed.append("campaign_name")
        for name in needed:
            if name not in self.found:
                ask_for_column(self, name)
        columns = [match.value.path[0] for match in self.found.values() if match.value.is_column]
        others = [name for name in self.found if name not in needed]
        return [
            *file_lines(self.values),
            *self.numeral_lines(),
            "fields:",
            f"  spend_id: {{hash_of: {quoted_list(columns)}, optional: ['*']}}",
            *(self._listed_field(name) for name in (*needed, *others)),
            *self._unsaid(),
            *self._proof_lines(),
            "other_columns: ignore",
        ]

    def _listed_field(self, name: str) -> str:
        if name == "spend_amount" and name in self.found and self._asks_millionths():
            value = self.found[name].value
            if self.is_open(UNITS):
                return self.marked(f'  {name}: "{OPEN}"', UNITS)
            if self.answers[UNITS] == MILLIONTHS:
                number = f"TRY_CAST({value.sql} AS DECIMAL(24, 0)) * 0.000001::DECIMAL(7, 6)"
                return f"  {name}: {{expression: {quoted(number)}}}  # in millionths"
        # A day is the account's, whatever its zone.
        return (
            super()
            ._listed_field(name)
            .replace(", timezone: shop", "")
            .replace(", optional: true", "" if name == "spend_date" else ", optional: true")
        )

    def _asks_millionths(self) -> bool:
        """Ask what the spend counts where all of it is whole, and far more than what ads cost;
        return whether it is asked.
        """
        value = self.found["spend_amount"].value
        if self.values.matching(value, r"\d+") != self.values.filled(value):
            return False
        spent = self.values.scalar(f"sum({self.values.number_sql(value)})")
        for name, most in (
            ("impression_count", MOST_OF_IMPRESSION),
            ("click_count", MOST_OF_CLICK),
        ):
            if name not in self.found:
                continue
            count = self.values.scalar(f"sum({self.values.number_sql(self.found[name].value)})")
            if spent and count and spent / count > most:
                example = shown(self.values.counts(value, 1)[0][0])
                sentence = (
                    f"whether what was spent, such as {example} of {value.name}, counts "
                    f"{WHOLE_UNITS} or {MILLIONTHS} of the currency"
                )
                self.ask(UNITS, sentence, (WHOLE_UNITS, MILLIONTHS), MILLIONTHS)
                return True
        return False

    def _unsaid(self) -> list[str]:
        """Return the lines of what all rows have in common, as no column says it."""
        result = []
        if PLATFORM not in self.found:
            guess = _likely_platform(self.found)
            answer = self.ask(PLATFORM, "where the ads were bought", PLATFORMS, guess)
            result.append(self.marked(f"  platform: {{constant: {answer}}}", PLATFORM))
        if ACCOUNT not in self.found:
            question = account_question()
            self.ask(ACCOUNT, question.sentence, question.choices)
            origin = account_origin(self.answers.get(ACCOUNT))
            result.append(self.marked(f"  account_id: {origin}", ACCOUNT))
        spend = self.found.get("spend_amount")
        if CURRENCY not in self.found and spend is not None and spend.value.currency:
            result.append(f"  currency: {{constant: {quoted(spend.value.currency)}}}")
        elif CURRENCY not in self.found:
            question = currency_question()
            answer = self.ask(CURRENCY, question.sentence, question.choices, question.guess)
            result.append(self.marked(f"  currency: {{constant: {answer}}}", CURRENCY))
        return result


def _likely_platform(found: Found) -> str:
    """Return where ads were probably bought; Meta alone says `amount spent`, in each language."""
    spend = found.get("spend_amount")
    is_spent = spend is not None and plain_name(spend.value.last_name) in set(map(bare, _SPENT))
    return "meta" if is_spent else ""


_SPENT: Final = (
    *("amount_spent", "ausgegebener_betrag", "montant_dépensé", "importe_gastado"),
    *("importo_speso", "besteed_bedrag", "valor_usado", "wydana_kwota"),
)
