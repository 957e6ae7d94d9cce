"""What pages call the kinds of rows, the questions about a file, and its money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.currencies import SMALL_CURRENCIES
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.received import BROKEN_PROOF
from ecom_assets.core.tables.values import WEEKDAYS
from ecom_assets.ingestion.sources.files.records import DUPLICATE
from ecom_assets.ingestion.sources.proposal import questions as asked
from ecom_assets.ingestion.sources.proposal.drafts.draft import NO_AMOUNT
from ecom_assets.ingestion.sources.proposal.drafts.written_events import STAYS
from ecom_assets.ingestion.sources.proposal.event_type_words import STANDARD_TYPES
from ecom_assets.ingestion.sources.proposal.questions import OpenQuestion, parts_of_answer, shown
from ecom_assets.ingestion.sources.proposal.state_words import Meaning
from ecom_assets.ingestion.sources.proposal.visit_sources import DIRECT
from ecom_assets.ingestion.sources.reading import COUNTED, REFUSED, MoneyRead, NotClean
from ecom_assets.ingestion.uploads.look import ZONES, ShopQuestion, UploadLook
from ecom_assets.interfaces.dashboard.formats import in_words, money

USUAL_CURRENCIES: Final = (
    *("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "CAD", "AUD"),
    *("NZD", "JPY", "INR", "BRL", "MXN", "SGD", "HKD", "AED", "ILS", "TRY", "ZAR"),
)
CURRENCIES: Final = (
    *USUAL_CURRENCIES,
    *sorted(set(SMALL_CURRENCIES) - set(USUAL_CURRENCIES)),
)
"""The currencies to choose from, those of most shops first."""
MOST_BUTTONS: Final = 5
"""With more choices, a question is a list to choose from."""
ANSWERS: Final[Mapping[str, str]] = {
    "as it is": "Something else: keep its name",
    "page_view": "Somebody looked at a page",
    "product_view": "Somebody looked at a product",
    "category_view": "Somebody looked at a category",
    "search": "Somebody searched",
    "add_to_cart": "Something was put into the cart",
    "remove_from_cart": "Something was taken out of the cart",
    "checkout_start": "Somebody went to the checkout",
    "purchase": "Somebody bought",
    "refund": "Money was paid back",
    "first": "The first product of the list",
    "none": "None",
    **{name: kind.label for name, kind in KINDS.items()},
}
"""The choices of questions as people read them."""
SENTENCES: Final[Mapping[str, str]] = {
    asked.ROWS: "What is in this file?",
    asked.ZONE: "In which time zone are the times of this file?",
    asked.FORMAT: "How are days and months written in this file?",
    asked.DECIMAL: "Which sign stands before the cents in this file?",
    asked.ENCODING: "Which of these readings has the right letters?",
    asked.LIST: "Which list of this file has the products of an order?",
    asked.BELOW_ZERO: "What are amounts below zero in this file?",
    asked.AMOUNT_OF: "What is the amount on each row?",
    asked.PARTS: "Which amount was paid for the goods?",
    asked.BACK: "How much of what was paid back was for goods?",
    asked.PIECES: "Of which pieces is the amount of a line?",
    asked.UNITS: "In which unit are the amounts of this file?",
    asked.NO_CUSTOMER: "Some rows name no customer. What are they?",
    asked.EVENT_CODES: "What happened where the file says these numbers?",
    asked.HOLDS: "Some rows are not as those of files before. What are they?",
    "date_time": "Which column says when it was ordered?",
    "event_timestamp": "Which column says when it happened?",
    "event_type": "Which column says what happened?",
    "user_id": "Which column says who the visitor is?",
    "anonymous_id": "Which column says whose device it is, of those who are not signed in?",
    "customer_id": "Which column says who the customer is?",
    "order_id": "Which column is the number of the order?",
    "item_id": "Which column says which product it is?",
    "quantity": "Which column says how many pieces?",
    "payment_amount": "Which column is what the customer paid?",
    "cart_value": "Which column is the amount?",
    "stock": "Which column says how many pieces there are?",
    "unit_cost_amount": "Which column is what one piece costs you?",
    asked.ACCOUNT: "Which account are these ads of?",
    asked.CURRENCY: "In which currency are these ads paid?",
    asked.PLATFORM: "Where were these ads bought?",
    "spend_date": "Which column is the day?",
    "spend_amount": "Which column is what was spent?",
    "campaign_name": "Which column is the campaign?",
    "id": "Which column identifies the customer?",
    "status": "Which column says what became of an order?",
    "refunded_amount": "Which column is what was paid back?",
}
"""The questions about a file, by their keys; values of states and events have sentences of their
own.
"""


STATES: Final[Mapping[str, str]] = {
    Meaning.SALE: "A sale",
    Meaning.NO_SALE: "Not a sale: leave it out",
    Meaning.REFUND: "Paid back in full",
    Meaning.PART_REFUND: "A sale of which a part was paid back",
}
"""The choices of what orders in a state are."""
CHANNELS: Final[Mapping[str, str]] = {
    "Paid Search": "Paid search, such as Google Ads",
    "Organic Search": "A search engine, unpaid",
    "Paid Social": "Paid social, such as Facebook Ads",
    "Organic Social": "A social network, unpaid",
    "Email": "E-mail or newsletter",
    "Display": "Display advertising",
    "Organic Video": "A video",
    "Affiliates": "An affiliate",
    "Referral": "A link on another site",
    "SMS": "A text message",
    DIRECT: "Directly, or it is not known",
}
"""The channels of visits as people read them."""
OWN_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    asked.NO_CUSTOMER: {
        asked.LEFT_OUT: "Leave them out",
        asked.BY_ORDER: "Sales, each of a customer of its own",
    },
    asked.HOLDS: {
        asked.THEY_WAIT: "They wait: read the file as those before, without these rows",
        asked.READ_ANEW: "Right: read the file anew, by its own columns",
    },
    asked.ACCOUNT: {
        asked.ONE_ACCOUNT: "All files like this one are of one account",
        asked.OF_FILE: "Each file is of the account that its name says",
    },
    asked.DECIMAL: {".": "A point: 1,234.50", ",": "A comma: 1.234,50"},
    "event_type": {choice: ANSWERS[choice] for choice in STANDARD_TYPES},
}
"""The choices of single questions as people read them."""
EXAMPLE: Final = datetime(2026, 3, 4, 17, 5, 6)  # noqa: DTZ001 (shown, and of no zone)
"""The time by which ways of writing times are shown."""


REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "unknown_status": (
        "State not known",
        "Nobody has said yet whether orders in this state are sales.",
    ),
    BROKEN_PROOF: (
        "Not as files before",
        "What was true of all rows when its mapping was made does not hold of these.",
    ),
    "left_out": (
        "No sale",
        "Orders that are no sales, such as cancelled ones, tests, or those that wait for payment.",
    ),
    "malformed_row": ("Damaged row", "The row has too many or too few values, or is too long."),
    "implausible_date": ("Date cannot be right", "It is before 2009, or after 2099."),
    "missing_event_id": ("No number of its own", "Each event needs an id that no other one has."),
    "unparseable_timestamp": ("Time cannot be read", "It is missing, or written in another way."),
    "unparseable_date_time": ("Time cannot be read", "It is missing, or written in another way."),
    "future_timestamp": ("Time in the future", "It lies after the file was sent."),
    "future_date_time": ("Time in the future", "It lies after the file was sent."),
    "without_consent": (
        "Without consent",
        "The visitor did not agree to be recognized, so nothing can be counted by.",
    ),
    "missing_identity": ("Nobody known", "The row names neither a visitor, a visit nor a device."),
    "malformed_event_type": ("Nothing happened", "The row does not say what happened."),
    "amount_too_large": ("Amount too large", "One row would outweigh all others."),
    "missing_uniq_id": ("No number of its own", "Each row needs an id that no other one has."),
    "missing_customer": ("No customer", "The row does not say who has bought."),
    "missing_amount": ("No amount", "The amount is missing, or no number."),
    "negative_amount": ("Amount below zero", "Nothing says that it was paid back."),
    "id: it is missing": ("No number of its own", "The row does not say which customer it is."),
    "earlier_line": ("Earlier line", "A later line says how many there are of the product."),
    "missing_product_id": ("No product", "The row does not say which product it is."),
    "missing_item": ("No product", "The row does not say which product it is."),
    "total_line": ("Total", "The row is the total of others, which would count twice."),
    "missing_account": ("No account", "The row does not say which account it is of."),
    "several_days": ("Several days", "The row is of a week or more; export a row a day."),
    "missing_campaign": ("No campaign", "The row does not say which campaign it is of."),
    "missing_spend": ("No amount", "The amount is missing."),
    "unparseable_spend": ("No amount", "The amount is not a number."),
    "unparseable_spend_date": ("Day cannot be read", "It is missing, or written in another way."),
    "missing_currency": ("No currency", "The row does not say in which currency it is."),
    "duplicate": ("Copy", "The same row is there once more; it is counted once."),
}
"""Why rows are not counted, in a few words and in a sentence; others as the platform says it."""


def reason_words(reason: str) -> str:
    """Return why a row is not counted, in a few words."""
    return REASONS[reason][0] if reason in REASONS else in_words(reason)


def reason_sentence(why: NotClean) -> str:
    """Return why rows are not counted, in a sentence, with what they break."""
    if why.reason not in REASONS:
        return why.meaning.replace("`", "")
    sentence = REASONS[why.reason][1]
    return f"{sentence[:-1]}: {'; '.join(why.broken)}." if why.broken else sentence


@dataclass(frozen=True)
class AskedField:
    """A question as a field of a form.

    Attributes:
        name: The name of the field.
        sentence: The question.
        note: What helps to answer it, such as how many rows it is about.
        options: The values to choose from, each with its label; empty for a text.
        value: What is chosen; empty if nothing is.
        problem: What is wrong with it.
        is_list: Whether the options are a list, and not buttons.
        is_open: Whether it must be answered.
        unanswered: What stands in a list until something is chosen.
        parts: The fields of each value, where the question is about several; empty if it is one.
    """

    name: str
    sentence: str
    note: str = ""
    options: tuple[tuple[str, str], ...] = ()
    value: str = ""
    problem: str = ""
    is_list: bool = True
    is_open: bool = False
    unanswered: str = "Please choose"
    parts: tuple["AskedField", ...] = ()


def field_of(
    look: UploadLook, question: OpenQuestion, *, asks_shop_zone: bool = False
) -> AskedField:
    """Return a question about a file as a field; its times are of the shop's zone, where that is
    asked at the same time and nobody says otherwise.
    """
    is_open = question in look.open_questions
    of_shop = asks_shop_zone and question.key == asked.ZONE
    choices = question.choices or ZONES
    options = tuple((str(choice), answer_words(question, str(choice))) for choice in choices)
    value = look.answers.get(question.key, "")
    is_list = len(options) > MOST_BUTTONS
    if question.is_optional and not value:
        value = question.guess
    likely = {
        code: type_ for code, type_ in parts_of_answer(question.guess).items() if type_ != STAYS
    }
    said = likely | parts_of_answer(value or look.upload.file_answers.get(question.key, ""))
    parts = tuple(
        AskedField(
            f"{name_of(look, question.key)}.{code}",
            f"“{code}”",
            note,
            options,
            said.get(code, ""),
            is_open=is_open,
        )
        for code, note in question.each.items()
    )
    return AskedField(
        name_of(look, question.key),
        sentence_of_question(question),
        note_of(question),
        options,
        value,
        look.problems.get(question.key, ""),
        is_list,
        is_open=is_open and not of_shop,
        unanswered="That of the shop, chosen below" if of_shop else "Please choose",
        parts=parts,
    )


def name_of(look: UploadLook, key: str) -> str:
    """Return the name of a field about one of several files."""
    return f"{look.upload.number}.{key}"


def answer_words(question: OpenQuestion, choice: str) -> str:
    """Return a choice as people read it: names of columns and formats as they are."""
    if question.key.startswith("state_"):
        return STATES.get(choice, shown(choice))
    if question.key in asked.CHANNELS_OF:
        return CHANNELS.get(choice, choice)
    of_events = question.key.startswith("event_type_") or question.key == asked.EVENT_CODES
    if of_events or question.key in {asked.ROWS, asked.LIST}:
        return ANSWERS.get(choice, shown(choice))
    if (words := OWN_WORDS.get(question.key, {}).get(choice)) is not None:
        return words
    if question.key == asked.FORMAT and "%" in choice:
        return f"{EXAMPLE:{choice}} for {EXAMPLE:%B} {EXAMPLE.day}"
    return "None of them" if choice == NO_AMOUNT else shown(choice)


def sentence_of_question(question: OpenQuestion) -> str:
    """Return a question as people read it."""
    if question.key in asked.FLAGS:
        return f"What are rows with “{shown(question.subject)}”?"
    if question.key.startswith("state_"):
        return f"What are orders that are “{shown(question.subject)}”?"
    if question.key.startswith("event_type_"):
        return f"What happened where the file says “{shown(question.subject)}”?"
    if question.key in asked.CHANNELS_OF:
        return f"How did visitors come where the file says “{shown(question.subject)}”?"
    if question.key == "event_type" and set(question.choices) <= set(STANDARD_TYPES):
        return "What happened on each row? No column of this file says it."
    sentence = SENTENCES.get(question.key)
    return sentence or f"{question.sentence[:1].upper()}{question.sentence[1:]}?"


def note_of(question: OpenQuestion) -> str:
    """Return what helps to answer a question: rows and money, or what the file has."""
    if question.each:
        notes = "; ".join(f"{value}: {note}" for value, note in question.each.items())
        return f"{notes}. Say it of each, such as {question.guess}."
    if question.note:
        return question.note
    is_said = question.key not in SENTENCES  # the question is its sentence
    if question.subject or question.key == asked.ROWS or is_said:
        return ""
    return f"{question.sentence[:1].upper()}{question.sentence[1:]}."


def shop_field(question: ShopQuestion) -> AskedField:
    """Return a question about the shop as a field."""
    labels = {day: day.capitalize() for day in WEEKDAYS}
    choices = CURRENCIES if question.key == "currency" else question.choices
    if choices and question.value and question.value not in choices:
        choices = (question.value, *choices)
    options = tuple((choice, labels.get(choice, choice)) for choice in choices)
    return AskedField(
        f"shop.{question.key}",
        question.label,
        question.sentence,
        options,
        question.value,
        is_open=question.is_open,
    )


def kind_words(kind: str) -> str:
    """Return what pages call a kind of rows."""
    return KINDS[kind].label if kind in KINDS else in_words(kind)


def rows_words(kind: str, count: int) -> str:
    """Return a number of rows of a kind: 1 order line, 20 events."""
    return counted(count, *(KINDS[kind].row_words if kind in KINDS else ("row", "rows")))


def fate_lines(look: UploadLook) -> list[tuple[str, str, str]]:
    """Return what becomes of the rows of a file: a tone, how many rows, and their money."""
    if not look.rows:
        return []
    counted_rows, read_rows = int(look.rows["counted"]), int(look.rows["read"])
    part = " of the part that was looked at" if look.is_part else ""
    lines = [
        (
            "good" if counted_rows else "bad",
            f"{counted_rows:,} of {counted(read_rows, 'row')}{part} would be counted",
            spent_words(look) or money_words(look.money.get(COUNTED), is_net=True),
        )
    ]
    left_out, refused = look.money.get("left_out"), look.money.get(REFUSED)
    if left_out is not None:
        lines.append(
            (
                "info",
                f"{counted(left_out.row_count, 'row')} would be left out",
                money_words(left_out),
            )
        )
    if refused is not None:
        lines.append(
            ("bad", f"{counted(refused.row_count, 'row')} would be refused", money_words(refused))
        )
    copies = int(look.rows["rejected"].get(DUPLICATE, 0))
    if copies:
        what = counted(copies, "row is a copy", "rows are copies")
        lines.append(("info", f"{what} of others, each of which is counted once", ""))
    others = read_rows - counted_rows - copies
    if not look.money and others:
        lines.append(("info", f"{counted(others, 'row')} would not be counted", ""))
    return lines


def spent_words(look: UploadLook) -> str:
    """Return what ads cost by the rows that count, by currency; empty of other rows."""
    amounts = [money(read.amount, read.currency) for read in look.spent if read.amount is not None]
    return f"{' and '.join(amounts)} spent" if amounts else ""


def money_words(read: MoneyRead | None, *, is_net: bool = False) -> str:
    """Return the money of some rows, and their orders; empty where it is not known."""
    if read is None:
        return ""
    orders = counted(read.order_count, "order") if read.order_count else ""
    if read.amount is None:
        return orders
    amount = money(read.amount, read.currency)
    net = ", sold less paid back" if is_net else ""
    return f"{amount}{f' in {orders}' if orders else ''}{net}"
