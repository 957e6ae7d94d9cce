"""What the states of orders mean by their words, in seven languages;
a word that is not known is a question.
"""

import re
import unicodedata
from enum import StrEnum
from functools import cache
from typing import Final


class Meaning(StrEnum):
    """What an order in a state is."""

    SALE = "sale"
    NO_SALE = "no sale"
    REFUND = "refund"
    PART_REFUND = "part of a refund"


MEANINGS: Final = tuple(Meaning)
_SALE: Final = (
    "ship",
    "inv",
    "rechnung",
    "verkoop",
    "faktur",
    "deliver",
    "complet",
    "paid",
    "fulfil",
    "dispatch",
    "sale",
    "sold",
    "success",
    "captur",
    "settle",
    "invoic",
    "picked",
    "closed",
    "processed",
    "processing",
    "confirm",
    "finish",
    "done",
    "approv",
    "accept",
    "sent",
    "bezahlt",
    "versandt",
    "versendet",
    "verschickt",
    "geliefert",
    "ausgeliefert",
    "zugestellt",
    "abgeschlossen",
    "erledigt",
    "verkauf",
    "bestatigt",
    "fakturiert",
    "abgeholt",
    "erfolgreich",
    "paye",
    "payee",
    "expedie",
    "livre",
    "termine",
    "vente",
    "confirme",
    "reussi",
    "factur",
    "envoye",
    "honore",
    "pagad",
    "pagat",
    "enviad",
    "entregad",
    "complet",
    "venta",
    "vendid",
    "confirmad",
    "finalizad",
    "spedit",
    "consegnat",
    "evas",
    "vendit",
    "confermat",
    "conclus",
    "fatturat",
    "betaald",
    "verzonden",
    "geleverd",
    "afgerond",
    "bezorgd",
    "voltooid",
    "verkocht",
    "bevestigd",
    "оплачен",
    "сплачен",
    "відправлен",
    "доставлен",
    "виконан",
    "завершен",
    "продан",
    "підтверджен",
    *(
        "zrealizowan",
        "wysłan",
        "dostarczon",
        "opłacon",
        "zapłacon",
        "zakonczon",
        "sprzeda",
        "potwierdzon",
    ),
    *("оплачен", "отправлен", "выполнен", "concluid", "entregue", "enviad", "pago", "camino"),
    *("aprovad", "aprobad", "faturad", "transit"),
    *("teslim", "kargo", "tamamland", "onayland", "levere", "skickad", "afsendt", "sendt", "betal"),
    *("slutford", "gennemfort", "vyrizen", "odeslan", "dorucen", "zaplacen", "livrat", "expediat"),
    *("finalizat", "platit", "toimitettu", "maksettu", "teljesit", "kiszallit", "kifizet"),
    *(
        "発送済",
        "発送完了",
        "発送待ち",
        "出荷済",
        "配送中",
        "配送完了",
        "入金済",
        "支払済",
        "決済完了",
        "完了",
    ),
    *("已完成", "已发货", "待发货", "已付款", "已签收", "交易成功", "已發貨", "待出貨", "已出貨"),
    *("배송완료", "배송중", "배송준비", "결제완료", "구매확정"),
    *("thanh", "giao", "selesai", "dikirim", "terkirim", "dibayar", "diterima", "lunas"),
    *("ολοκληρ", "παραδο", "απεσταλ", "πληρωμ", "изпълнен", "доставен", "изпратен", "платен"),
    *("التنفيذ", "التوصيل", "مكتمل", "مدفوع", "הושלם", "נשלח", "שולם", "vybaven", "levert"),
)
_NO_SALE: Final = (
    "cancel",
    "fail",
    "void",
    "declin",
    "trash",
    "abandon",
    "fraud",
    "expired",
    "delet",
    "test",
    "rejected",
    "storn",
    "abgebrochen",
    "fehlgeschlagen",
    "abgelehnt",
    "geloscht",
    "widerrufen",
    "annul",
    "echou",
    "refus",
    "abandonn",
    "expire",
    "expirad",
    "supprim",
    "cancelad",
    "anulad",
    "fallid",
    "rechazad",
    "caducad",
    "annullat",
    "fallit",
    "rifiutat",
    "scadut",
    "geannuleerd",
    "mislukt",
    "geweigerd",
    "verlopen",
    "скасован",
    "відмін",
    "відхилен",
    "невдал",
    *("iptal", "avbrut", "avbest", "makuler", "annuler", "kanseller", "zrusen", "anulat", "anulad"),
    *("peruut", "peruttu", "torolve", "lemondva", "visszavon"),
    *("anulowan", "odrzucon", "nieudan", "porzucon", "отмен", "отклонен", "просроч"),
    *(
        "キャンセル",
        "取消",
        "未入金",
        "入金待ち",
        "支払待ち",
        "已取消",
        "待付款",
        "交易关闭",
        "已关闭",
        "已關閉",
    ),
    *("취소", "주문취소", "취소완료", "결제대기", "입금대기", "미입금"),
    *("huy", "dibatalkan", "batal", "gagal", "ακυρ", "απορριφ", "αποτυχ", "отказан", "анулиран"),
    *("ملغي", "ملغى", "ملغية", "الغاء", "בוטל", "נכשל"),
)
_DOCUMENTS: Final = (
    "credit",
    "crn",
    "gutschrift",
    "avoir",
    "abono",
    "kreditnota",
    "creditnota",
)
"""Words of documents about money that went back: each is a row of its own, beside that of the sale.
"""
_REFUND: Final = (
    "refund",
    "return",
    "chargeback",
    "chargedback",
    "reversed",
    "retour",
    "erstattet",
    "ruckerstatt",
    "ruckzahl",
    "rucklast",
    "zuruckerstattet",
    "zuruckgegeben",
    "zuruckgesendet",
    *_DOCUMENTS,
    "gutgeschrieben",
    "ruckgabe",
    "rembours",
    "retourn",
    "devuel",
    "devolu",
    "reembols",
    "reintegr",
    "rimbors",
    "reso",
    "restituit",
    "terugbetaal",
    "geretourneerd",
    "повернен",
    "відшкодован",
    *("zwrocon", "zwrot", "возврат", "возвращ"),
    *("iade", "aterbetal", "returner", "refunder", "vracen", "dobropis", "returnat", "rambursat"),
    *("palautettu", "visszateritve", "visszakuld"),
    *("返品", "返金", "退款", "退货", "退貨", "已退", "환불", "반품"),
    *("dikembalikan", "pengembalian", "επιστρ", "върнат", "مسترجع", "مسترد", "استرجاع", "הוחזר"),
)
_PART: Final = (
    "partial",
    "partly",
    "part",
    "teil",
    "partiel",
    "parcial",
    "parzial",
    "deel",
    "gedeeltelijk",
    "частков",
    *("czesciow", "частичн"),
)
_GOODS: Final = (
    "ship",
    "deliver",
    "fulfil",
    "dispatch",
    "versandt",
    "versendet",
    "verschickt",
    "geliefert",
    "ausgeliefert",
    "zugestellt",
    "expedie",
    "livre",
    "enviad",
    "entregad",
    "spedit",
    "consegnat",
    "verzonden",
    "geleverd",
    "відправлен",
    "доставлен",
)
"""Words of a sale about its goods: an order of which a part is shipped is paid as a whole,
as shops see it.
"""
_ASKED: Final = (
    "pending",
    "await",
    "incomplet",
    "unpaid",
    "unfulfil",
    "hold",
    "draft",
    "open",
    "new",
    "authori",
    "request",
    "progress",
    "waiting",
    "review",
    "dispute",
    "disput",
    "backorder",
    "unshipped",
    "undelivered",
    "created",
    "received",
    "placed",
    "offen",
    "neu",
    "wart",
    "ausstehend",
    "unvollstandig",
    "unbezahlt",
    "entwurf",
    "bearbeitung",
    "beantragt",
    "angefragt",
    "zuruckgestellt",
    "storno",
    "attente",
    "cours",
    "impay",
    "brouillon",
    "pendient",
    "espera",
    "abiert",
    "impagad",
    "borrador",
    "solicitad",
    "nuev",
    "attesa",
    "apert",
    "bozza",
    "nuov",
    "wacht",
    "openstaand",
    "onbetaald",
    "behandeling",
    "concept",
    "nieuw",
    "очіку",
    "нов",
    "чернетк",
    "обробц",
    *("oczekuj", "nowe", "przetwarz", "nieopłacon", "ожида", "новый", "обработк"),
)
"""Words of states that are a sale in one shop and none in another."""
_FILLERS: Final = frozenset(
    [
        *("pesanan", "hoan", "đa", "تم", "الطلب", "η", "το", "objednavka", "rendeles"),
        "order",
        "orders",
        "payment",
        "the",
        "and",
        "by",
        "to",
        "of",
        "has",
        "been",
        "was",
        "is",
        "item",
        "items",
        "line",
        "lines",
        "customer",
        "fully",
        "manually",
        "automatically",
        "bestellung",
        "zahlung",
        "und",
        "ist",
        "wurde",
        "vom",
        "kunde",
        "kunden",
        "artikel",
        "voll",
        "note",
        "memo",
        "nota",
        "vollstandig",
        "komplett",
        "commande",
        "paiement",
        "et",
        "est",
        "la",
        "le",
        "de",
        "du",
        "par",
        "client",
        "pedido",
        "pago",
        "y",
        "por",
        "el",
        "cliente",
        "ordine",
        "pagamento",
        "e",
        "da",
        "il",
        "bestelling",
        "betaling",
        "en",
        "volledig",
        "wc",
        "wcs",
        "amazon",
        "merchant",
        "total",
        "totally",
        "pickup",
        "buyer",
        "seller",
        "full",
        "entirely",
        "замовлення",
        *("edildi", "edilmis", "verildi", "siparis", "objednavka", "comanda", "comenzi"),
    ]
)
_OF_STATES: Final = (*_SALE, *_NO_SALE, *_REFUND, *_ASKED)
_KINDS: Final = {Meaning.SALE: _SALE, Meaning.NO_SALE: _NO_SALE, Meaning.REFUND: _REFUND}
_LEAST: Final = 4
"""Letters of a part of a word that may be found within a longer word: `ausgeliefert`,
`unshipped` is another.
"""
LOOKS_LIKE: Final = 0.5
"""Share of different values with a word of states in them by which a column is one of states."""


def words_of(name: str) -> list[str]:
    """Return the words of a name in small letters without accents; `PartiallyRefunded` has two,
    `charged_back` is one.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    parted = re.sub(r"(?i)\b(charged?)[ _-](?=back)", r"\1", parted)
    return re.findall(r"[^\W\d_]+", _plain(parted))


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in letters if not unicodedata.combining(sign))


def begins(word: str, stems: tuple[str, ...]) -> bool:
    """Return whether a word begins with one of some stems; a short stem is the whole word."""
    long, short = _by_length(stems)
    return word in short or word.startswith(long)


@cache
def _by_length(stems: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    plain = [*map(_plain, stems)]
    short = frozenset(stem for stem in plain if len(stem) < _LEAST and stem[0] < _WIDE)
    return tuple(stem for stem in plain if stem not in short), short


_WIDE: Final = "\u1100"
"""The first of the signs of Eastern Asia, of which a word has few."""


def state_meaning(state: str) -> Meaning | None:
    """Return what a state means, if each of its words is known and they say the same;
    None if it must be asked.

    A refund of a part is always asked, as the state does not say how much went back.
    """
    kinds: set[Meaning] = set()
    is_part, is_of_goods = False, False
    for word in words_of(state):
        if word in _FILLERS:
            continue
        if begins(word, _PART):
            is_part = True
        elif kind := _kind_of_word(word):
            kinds.add(kind)
            is_of_goods = begins(word, _GOODS)
        else:
            return None
    if len(kinds) != 1 or (is_part and not (kinds == {Meaning.SALE} and is_of_goods)):
        return None
    return kinds.pop()


def _kind_of_word(word: str) -> Meaning | None:
    if begins(word, _ASKED) and not begins(word, _NO_SALE):
        return None
    found = {kind for kind, stems in _KINDS.items() if begins(word, stems)}
    return found.pop() if len(found) == 1 else None


def guessed_meaning(state: str) -> Meaning | None:
    """Return what a state that must be asked may well mean;
    None where nothing speaks for a meaning.
    """
    words = words_of(state)
    if any(begins(word, _PART) for word in words) and any(begins(word, _REFUND) for word in words):
        return Meaning.PART_REFUND
    return None


def is_state_word(state: str) -> bool:
    """Return whether a text has a word of the states of orders, whatever it means."""
    return any(begins(word, _OF_STATES) for word in words_of(_CARDS.sub("", state)))


def says_no_sale(name: str) -> bool:
    """Return whether a name has a word of what never became a sale: `qty_canceled`."""
    return any(begins(word, _NO_SALE) for word in words_of(name))


def says_no_sale_or_refund(state: str) -> bool:
    """Return whether a text has a word of what never became a sale, or of what went back."""
    return any(begins(word, (*_NO_SALE, *_REFUND)) for word in words_of(state))


def says_unpaid(state: str) -> bool:
    """Return whether a text says that something was not paid: `past_due`, `Nicht bezahlt`."""
    letters = "".join(words_of(state))
    return any(stem in letters for stem in _UNPAID)


def says_to_come(state: str) -> bool:
    """Return whether a text says that a payment is to come yet, `Pending` or `authorized`, or that
    a document is a draft.
    """
    return any(begins(word, _TO_COME) for word in words_of(state))


_TO_COME: Final = (
    *("pending", "await", "authori", "waiting", "ausstehend", "wart", "attente", "pendient"),
    *("attesa", "wacht", "oczekuj", "ожида", "очіку"),
    *("draft", "entwurf", "brouillon", "borrador", "bozza", "rascunho", "concept", "szkic"),
    *("utkast", "kladde", "taslak", "чернов"),
)
_UNPAID: Final = (
    *("unpaid", "notpaid", "pastdue", "overdue", "uncollectible", "unbezahlt", "nichtbezahlt"),
    *("uberfallig", "impaye", "nonpaye", "impagad", "nonpagat", "onbetaald", "nieoplacon"),
)


def is_way_to_pay(state: str) -> bool:
    """Return whether a text says with what something was paid, not what became of it: `CREDIT` of a
    card is no credit note.
    """
    words = words_of(state)
    return bool(words) and all(word in _WAYS_TO_PAY for word in words)


_WAYS_TO_PAY: Final = frozenset(
    {
        *("credit", "debit", "prepaid", "card", "cash", "visa", "mastercard", "amex", "maestro"),
        *("kredit", "debito", "credito", "karte", "carte", "tarjeta", "bar"),
    }
)


def is_document(state: str) -> bool:
    """Return whether a state is a document about money that went back, such as a credit note."""
    return any(begins(word, _DOCUMENTS) for word in words_of(_CARDS.sub("", state)))


_CARDS: Final = re.compile(r"(credit|debit|gift)[ _-]?cards?", re.IGNORECASE)
"""How something is paid with, which is no state: a credit card is no credit."""


def flag_meaning(name: str) -> Meaning | None:
    """Return what a column of yes and no says where it is yes, by its name: `is_refunded`,
    `cancelled`, `storniert`; that something can be cancelled or refunded says nothing.
    """
    words = [
        word
        for word in words_of(name)
        if word not in {"is", "was", "ist", "est", "flag", "has"} | _FILLERS
    ]
    if any(word.endswith(_CAN_BE) or word in _NO_FLAGS for word in words):
        return None
    if is_of_something_else(name):
        return None
    kinds = {_kind_of_word(word) for word in words}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind in {Meaning.REFUND, Meaning.NO_SALE} else None


def seems_no_sale(name: str) -> bool:
    """Return whether a name has a word of what is no sale or went back, among other words or
    letters: `OXSTORNO`, `line_voided_yn`, `isdeleted`, `invalid`.
    """
    words = [word for word in words_of(name) if not word.endswith(_CAN_BE)]
    words = [word for word in words if word not in _NO_FLAGS]
    inside = any(stem in word for word in words for stem in _INSIDE)
    return inside or any(begins(word, (*_NO_SALE, *_DISCARDED)) for word in words)


def says_it_counts(name: str) -> bool:
    """Return whether a name says of rows that they count where it is yes: `valid`, `active`,
    `is_paid`.
    """
    words = words_of(name)
    return any(begins(word, _COUNTS) for word in words) and not is_of_something_else(name)


def is_of_something_else(name: str) -> bool:
    """Return whether a flag is of a customer, a product or an address, by its name."""
    return any(begins(word, _OF_OTHERS) for word in words_of(name))


_CAN_BE: Final = ("able", "ible", "bar", "bare")
_NO_FLAGS: Final = frozenset({"returning", "latest", "tested", "retour"})
"""Words that begin as one of a state does, and are of something else in a flag."""
_INSIDE: Final = tuple(
    _plain(stem)
    for stem in (
        *("storn", "cancel", "annul", "anulad", "anulat", "annullat", "delet", "geloscht"),
        *("isvoid", "istest", "refund", "chargeback", "скасован", "отмен", "キャンセル", "取消"),
        *("invalid", "ungultig", "inactiv", "inaktiv"),
    )
)
"""Parts of words of what is no sale that stand in no other words."""
_DISCARDED: Final = (
    *("archiv", "discard", "disabled", "spam", "dummy", "sandbox", "usuniet", "silin", "smazan"),
    *("verwijder", "eliminad", "eliminat", "borrad", "exclu", "cestin", "удален", "видален"),
    *("raderad", "slettet", "torolt", "削除", "删除", "삭제", "papierkorb", "corbeille"),
)
"""How words begin of what somebody threw away."""
_COUNTS: Final = (
    *("valid", "gultig", "geldig", "active", "actif", "activ", "aktiv", "attiv", "aktyw", "ativ"),
    *("enabled", "livemode", "paid", "bezahlt", "paye", "payee", "pagad", "pagat", "betaald"),
    *("confirm", "bestatig", "complet", "success", "captur", "approv", "accept", "активн"),
    *("opłacon", "zapłacon", "оплачен", "сплачен", "действит", "有効", "有效", "유효"),
)
"""How words begin of what counts."""
_OF_OTHERS: Final = (
    *("customer", "kunde", "kunden", "client", "user", "account", "member", "mail", "email"),
    *("newsletter", "marketing", "consent", "address", "adress", "phone", "product", "produkt"),
    *("produit", "article", "artikel", "stock", "coupon", "voucher", "gutschein", "promo", "vat"),
    *("ust", "tax", "guest", "loyal", "subscri", "abo", "store", "shop", "seller", "vendor"),
    *("virtual", "digital", "download", "gift", "geschenk", "pickup", "abholung", "service"),
)
"""How words begin of other things than an order and its lines, or of what says nothing of money."""
