"""What a file does not say by itself: the questions about it, and the answers that are possible.

Of a text file that is not UTF-8, the encoding is what its words say, or a question where several
readings are words.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import Final

from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import UsageError
from ecom_assets.ingestion.sources.files.formats import InputFile, head_of
from ecom_assets.ingestion.sources.files.mapping_content import HEADER_CURRENCIES, OPEN
from ecom_assets.ingestion.sources.files.text_blocks import is_utf_8, lines_of, marked_encoding

ROWS, ENCODING, LIST, ZONE, FORMAT, DECIMAL = (
    "rows",
    "encoding",
    "list",
    "timezone",
    "date_format",
    "decimal",
)
BELOW_ZERO, AMOUNT_OF, UNITS = "below_zero", "amount_of", "units"
PIECES: Final = "cancelled_pieces"
"""Whether the amount of a line is of the pieces that were cancelled, too."""
NO_CUSTOMER: Final = "no_customer"
HOLDS: Final = "holds"
"""What rows of a file are that break what files before it were read by."""
THEY_WAIT, READ_ANEW = "they wait", "read it anew"
NO_GOODS: Final = "no_goods"
"""Whether lines that are no goods by their name, such as gift cards and tips, are sales."""
GOODS: Final = "sale"
PARTS: Final = "amount_parts"
"""Which parts that stand beside an amount are in it, where no sum shows it."""
BACK: Final = "refund_parts"
"""What of the money that was paid back was for goods, where no column of the refund shows it."""
ACCOUNT, CURRENCY, PLATFORM = "account_id", "currency", "platform"
ONE_ACCOUNT, OF_FILE = "one account", "the name of its file"
"""Which account rows of ad spend are of that do not say it."""
PLATFORMS: Final = (
    "google_ads",
    "meta",
    "tiktok",
    "microsoft_ads",
    "pinterest",
    "linkedin",
    "amazon_ads",
    "criteo",
    "snapchat",
    "reddit",
    "other",
)
"""Where ads are bought, for rows that do not say it."""
LEFT_OUT, BY_ORDER, NOBODY = "left out", "of the order", "nobody"
"""What becomes of rows that name no customer: they are refused, each order is of one of its own, or
they are of nobody: they count in revenue, and in no number of customers.
"""
COLUMNS: Final = (
    "date_time",
    "event_timestamp",
    "event_type",
    "user_id",
    "anonymous_id",
    "customer_id",
    "order_id",
    "item_id",
    "payment_amount",
    "unit_cost_amount",
    "cart_value",
    "id",
    "status",
    "refunded_amount",
    "quantity",
    "spend_date",
    "spend_amount",
    "campaign_name",
    "product_id",
    "stock",
)
"""Fields of which a person can say the column."""
MOST_STATES, MOST_EVENT_TYPES_ASKED, MOST_SOURCES_ASKED = 50, 20, 20
"""Values of a column of states that are read, and event types and sources of visits that are asked.
"""
STATES: Final = tuple(f"state_{number}" for number in range(1, MOST_STATES + 1))
STATES_BESIDE, STATES_ALONE = "state_beside", "state_alone"
"""Several kinds of rows in one question: of money that stands beside more of the other sign, as
fees do, and of rows without an order.
"""
FLAGS: Final = tuple(f"state_flag_{number}" for number in range(1, 11))
"""Columns of yes and no that seem to say that a row is no sale."""
BY_ITSELF: Final = "each by itself"
"""The answer that such kinds are asked about one by one."""
EVENT_TYPES: Final = tuple(
    f"event_type_{number}" for number in range(1, MOST_EVENT_TYPES_ASKED + 1)
)
EVENT_CODES: Final = "event_codes"
"""What several numbers in place of event types mean: one question, whose answer says it of each."""
CHANNELS_OF: Final = tuple(f"channel_{number}" for number in range(1, MOST_SOURCES_ASKED + 1))
"""The keys of questions about values of the file."""
KEYS: Final = (
    ROWS,
    ENCODING,
    LIST,
    FORMAT,
    ZONE,
    DECIMAL,
    BELOW_ZERO,
    AMOUNT_OF,
    UNITS,
    PIECES,
    PARTS,
    BACK,
    NO_CUSTOMER,
    HOLDS,
    NO_GOODS,
    ACCOUNT,
    CURRENCY,
    PLATFORM,
    *COLUMNS,
    STATES_BESIDE,
    STATES_ALONE,
    *STATES,
    *FLAGS,
    EVENT_CODES,
    *EVENT_TYPES,
    *CHANNELS_OF,
)
LABELS: Final = {
    ROWS: "What a row is",
    ENCODING: "Encoding",
    LIST: "List of items",
    FORMAT: "How times are written",
    ZONE: "Time zone",
    DECIMAL: "Decimal separator",
    **dict.fromkeys(("date_time", "event_timestamp"), "Column of the time"),
    "event_type": "Column of what happened",
    "user_id": "Column of the visitor",
    "anonymous_id": "Column of the device",
    "customer_id": "Column of the customer",
    "order_id": "Column of the order's number",
    "item_id": "Column of the item",
    "quantity": "Column of the quantity",
    **dict.fromkeys(("payment_amount", "cart_value"), "Column of the amount"),
    "unit_cost_amount": "Column of the cost of one piece",
    "id": "Column of the customer's id",
    BELOW_ZERO: "Lines below zero",
    AMOUNT_OF: "Amount on each row",
    UNITS: "Units of amounts",
    PIECES: "Amount of cancelled pieces",
    PARTS: "Amount of the goods",
    BACK: "Money paid back for goods",
    NO_GOODS: "Gift cards, tips and the like",
    NO_CUSTOMER: "Rows without a customer",
    HOLDS: "Rows that are not as before",
    ACCOUNT: "Account of the ads",
    CURRENCY: "Currency of the ads",
    PLATFORM: "Platform of the ads",
    "spend_date": "Column of the day",
    "spend_amount": "Column of the spend",
    "campaign_name": "Column of the campaign",
    "product_id": "Column of the product",
    "stock": "Column of the stock",
    "status": "Column of the state",
    "refunded_amount": "Column of what was paid back",
    **dict.fromkeys((STATES_BESIDE, STATES_ALONE, *STATES, *FLAGS), "State"),
    EVENT_CODES: "What codes of events mean",
    **dict.fromkeys(EVENT_TYPES, "Event type"),
    **dict.fromkeys(CHANNELS_OF, "Channel of visits from"),
}
ZONES: Final = "a name such as Europe/Berlin or UTC"
MOST_SHOWN: Final = 120
"""The most characters of a value of the file within a sentence."""
LONGEST_SENTENCE: Final = 1_000
"""The most characters of such a sentence."""


@dataclass(frozen=True)
class OpenQuestion:
    """What the files do not say: its key, a sentence, the answers that are possible,
    and a guess for a preview.

    Without `choices` the answer is a time zone. A question without a guess is left open in a
    preview, which then shows what becomes of it. `is_optional` if the file is read as a person
    would expect where nobody answers. `subject` is the value of the file that the question is
    about, if it is about one, and `note` how many rows, and how much money, have it.
    """

    key: str
    sentence: str
    choices: tuple[str, ...] = ()
    guess: str = "UTC"
    is_optional: bool = False
    subject: str = ""
    note: str = ""
    subjects: tuple[str, ...] = ()
    """The values of the file, where the question is about several."""
    each: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The values of which each has an answer of its own, with a note about it; empty if the answer
    is one.
    """

    @property
    def label(self) -> str:
        """Return what is asked, in a few words."""
        return f"{LABELS[self.key]} {shown(self.subject)}" if self.subject else LABELS[self.key]

    def checked(self, answer: str) -> str:
        """Return an answer that is possible.

        Raises:
            UsageError: It is not.
        """
        if self.each:
            return answer_of_each(self.said_of_each(answer))
        if self.choices and answer not in self.choices:
            raise UsageError(f"{shown(answer)!r} is none of {', '.join(map(shown, self.choices))}.")
        if not self.choices and not is_zone(answer):
            raise UsageError(f"{shown(answer)!r} is not a time zone; give {ZONES}.")
        return answer

    def choice_of(self, said: str) -> str:
        """Return the choice that a number in a terminal stands for, unless a choice is called so;
        else what was said.
        """
        if self.each:
            one = replace(self, each={})
            each = parts_of_answer(said)
            return answer_of_each({value: one.choice_of(each[value]) for value in each})
        is_number = said.isdecimal() and said not in self.choices
        position = int(said) if is_number else 0
        return self.choices[position - 1] if 0 < position <= len(self.choices) else said

    def is_possible(self, answer: str) -> bool:
        """Return whether an answer is possible."""
        try:
            self.checked(answer)
        except UsageError:
            return False
        return True

    def said_of_each(self, answer: str) -> dict[str, str]:
        """Return the answers about each value within one, such as `1=page_view, 2=purchase`.

        Raises:
            UsageError: One is not possible, or lacks.
        """
        said = parts_of_answer(answer)
        if others := said.keys() - self.each.keys():
            raise UsageError(f"{shown(min(others))!r} is none of {', '.join(self.each)}.")
        if missing := [value for value in self.each if not said.get(value)]:
            example = answer_of_each(dict.fromkeys(self.each, self.choices[0]))
            raise UsageError(
                f"It does not say what {', '.join(missing)} is; say it of each, such as "
                f"{shown(example)}."
            )
        one = replace(self, each={})
        return {value: one.checked(said[value]) for value in self.each}


def parts_of_answer(answer: str) -> dict[str, str]:
    """Return the answers about each of several values by these, as far as an answer says them."""
    parted = (part.partition("=") for part in answer.split(","))
    return {value.strip(): said.strip() for value, _, said in parted if value.strip()}


def answer_of_each(said: Mapping[str, str]) -> str:
    """Return the answers about each of several values as one."""
    return ", ".join(f"{value}={answer}" for value, answer in said.items() if answer)


def account_question(rows: str = "the rows") -> OpenQuestion:
    """Return the question which account rows of ad spend are of."""
    sentence = (
        f"which account {rows} are of, as no column says it: all files like this one are of "
        f"{ONE_ACCOUNT}, or each is of the account that is {OF_FILE}"
    )
    return OpenQuestion(ACCOUNT, sentence, (ONE_ACCOUNT, OF_FILE), ONE_ACCOUNT)


def currency_question() -> OpenQuestion:
    """Return the question in which currency ads are paid."""
    sentence = "in which currency the account pays, as no column says it"
    return OpenQuestion(CURRENCY, sentence, HEADER_CURRENCIES, "EUR")


def account_origin(answer: str | None) -> str:
    """Return the origin of the account by an answer, as YAML."""
    if answer is None:
        return f'{{constant: "{OPEN}"}}'
    return "{file_name: true}" if answer == OF_FILE else "{constant: main}"


def quoted(text: str) -> str:
    """Return a text as a scalar of YAML that holds whatever characters it has."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in written)


def shown(text: object, most: int = MOST_SHOWN) -> str:
    """Return a value of the file for a sentence or a comment: on one line,
    printable, not too long.
    """
    line = re.sub(r"\s+", " ", str(text))
    line = "".join(sign if unicodedata.category(sign)[0] != "C" else "\ufffd" for sign in line)
    return line if len(line) <= most else f"{line[:most]}…"


def on_one_line(sentence: str) -> str:
    """Return a sentence with values of the file: on one line, printable,
    and whole up to `LONGEST_SENTENCE`.
    """
    return shown(sentence, LONGEST_SENTENCE)


def quoted_list(names: Sequence[str]) -> str:
    """Return texts as a list of YAML on one line."""
    return f"[{', '.join(map(quoted, names))}]"


CANDIDATES: Final = {
    "cp1252": "Western Europe, as Excel saves it",
    "cp1250": "Central Europe",
    "cp1251": "Cyrillic",
    "cp1253": "Greek",
    "cp1254": "Turkish",
    "mac_roman": "older Macs",
    "cp850": "DOS",
}
"""Encodings of one byte that files of shops have, the most frequent first."""
WIDE: Final = {
    "cp932": "Japanese",
    "cp949": "Korean",
    "gb18030": "Chinese, simplified",
    "big5": "Chinese, traditional",
}
"""Encodings of two bytes, as shops of Eastern Asia have them."""
_COMMON: Final = {"gb18030": range(0xB0, 0xD8), "big5": range(0xA4, 0xC7)}
"""The first bytes of the signs that are most frequent in Chinese texts."""
_FEWEST_WIDE, _MOST_LINES, _SHARE_WIDE = 4, 2_000, 0.9
_MOST_WORDS = 5_000
_MOST_ODD_SHARE = 0.05
_NOT_WRITTEN = frozenset({"Cc", "Cn", "Sk"})
"""The categories of signs that no word has: controls, signs that are not assigned,
accents without a letter.
"""
_UNLIKELY = re.compile("[\xc0-\u024f]{3}")
"""Three accented letters in a row, as Cyrillic letters are in a Western encoding."""
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff]+[A-Za-z\x80-\xff]*")


def possible_encodings(file: InputFile) -> dict[str, str]:
    """Return the encodings in which a file's words look like words,
    each with a word that distinguishes it.

    One entry means that the file says it; none that it is UTF-8 or has a mark.
    """
    if file.format != "csv" or marked_encoding(head_of(file)):
        return {}
    lines = [*islice(_odd_lines(file), _MOST_LINES)]
    wide = _wide_readings(lines)
    if wide and not {*wide} & {*_COMMON}:  # kana and Hangul are no Western words
        return wide
    words = (word for line in _odd_lines(file) for word in _WORD.findall(line))
    odd_words = list(dict.fromkeys(islice(words, _MOST_WORDS))) if lines else []
    readings = {name: read for name in CANDIDATES if (read := _words_in(odd_words, name))}
    first_with: dict[tuple[str, ...], str] = {}
    for name, read in readings.items():
        first_with.setdefault(read, name)  # encodings that read the same are one
    different = [
        index for index in range(len(odd_words)) if len({read[index] for read in first_with}) > 1
    ]
    return wide | {
        name: shown(read[different[0] if different else 0]) for read, name in first_with.items()
    }


def _wide_readings(lines: Sequence[bytes]) -> dict[str, str]:
    """Return the encodings of two bytes in which lines are a text of their language, each with some
    of it.
    """
    return {name: read for name in WIDE if (read := _read_wide(lines, name))}


def _read_wide(lines: Sequence[bytes], encoding: str) -> str:
    """Return some of the text of lines in an encoding; empty if it is not text of its language."""
    try:
        text = "".join(line.decode(encoding) for line in lines)
    except UnicodeDecodeError:
        return ""
    letters = [sign for sign in text if not sign.isascii() and sign.isalpha()]
    own = [sign for sign in letters if _is_own(sign, encoding)]
    # Japanese has kana among its other signs; of these, Chinese and Western texts have none.
    fewest = _FEWEST_WIDE if encoding == "cp932" else max(_FEWEST_WIDE, _SHARE_WIDE * len(letters))
    if len(own) < fewest:
        return ""
    at = text.index(own[0])
    return shown(text[at : at + _FEWEST_WIDE * 2].splitlines()[0])


def _is_own(sign: str, encoding: str) -> bool:
    """Return whether a sign is of the language of an encoding, and of no other one's."""
    name = unicodedata.name(sign, "")
    if encoding == "cp932":
        return name.startswith(("HIRAGANA", "KATAKANA"))  # narrow ones are Western letters, too
    if encoding == "cp949":
        return name.startswith("HANGUL SYLLABLE")
    written = sign.encode(encoding)
    is_second = encoding == "big5" or written[-1] > 0xA0  # noqa: PLR2004 (beyond ASCII)
    return len(written) > 1 and written[0] in _COMMON[encoding] and is_second


def encoding_question(possible: dict[str, str]) -> OpenQuestion | None:
    """Return the question which of several encodings is meant; None if there is no choice."""
    if len(possible) < 2:  # noqa: PLR2004 (a choice is between two)
        return None
    readings = ", ".join(
        f"{name} ({(CANDIDATES | WIDE)[name]}) reads “{word}”" for name, word in possible.items()
    )
    sentence = f"the encoding, as the file is not UTF-8: {readings}"
    return OpenQuestion(ENCODING, sentence, tuple(possible), next(iter(possible)))


def _odd_lines(file: InputFile) -> Iterator[bytes]:
    """Yield the lines that are no UTF-8."""
    return (line for line in lines_of(file) if not line.isascii() and not is_utf_8(line))


def _words_in(encoded_words: Sequence[bytes], encoding: str) -> tuple[str, ...]:
    """Return encoded words as an encoding reads them; none if too many are not words then."""
    try:
        read = tuple(word.decode(encoding) for word in encoded_words)
    except UnicodeDecodeError:
        return ()
    odd = sum(map(_is_odd, read))
    return read if odd <= _MOST_ODD_SHARE * len(read) else ()


def _is_odd(word: str) -> bool:
    """Return whether a word mixes scripts, has a sign between letters,
    or a capital after a small letter.
    """
    if any(unicodedata.category(sign) in _NOT_WRITTEN for sign in word):
        return True
    scripts = {unicodedata.name(sign, "?").split()[0] for sign in word if sign.isalpha()}
    has_inner_sign = not all(
        map(str.isalpha, word.strip("".join(sign for sign in word if not sign.isalpha())))
    )
    has_inner_capital = any(
        before.islower() and after.isupper() for before, after in pairwise(word)
    )
    return (
        len(scripts) > 1
        or has_inner_sign
        or _UNLIKELY.search(word) is not None
        or has_inner_capital
    )
