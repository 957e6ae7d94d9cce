"""The types of events by their names, in several languages."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from ecom_assets.ingestion.sources.mapping_file import usual_event_types
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.state_words import words_of

OTHER_WORDS = {
    "view": "product_view",
    "ansicht": "product_view",
    "vue": "product_view",
    "vista": "product_view",
    "cart": "add_to_cart",
    "warenkorb": "add_to_cart",
    "panier": "add_to_cart",
    "carrito": "add_to_cart",
    "kasse": "checkout_start",
    "checkout": "checkout_start",
    "kauf": "purchase",
    "bestellung": "purchase",
    "buy": "purchase",
    "transaction": "purchase",
    "achat": "purchase",
    "compra": "purchase",
    "visita": "page_view",
    "anadircarrito": "add_to_cart",
    "agregarcarrito": "add_to_cart",
    "ajoutpanier": "add_to_cart",
    "suche": "search",
    "recherche": "search",
    "seite": "page_view",
    "page": "page_view",
    "produktansicht": "product_view",
    "artikelansicht": "product_view",
    "produktangesehen": "product_view",
    "produktdetailseite": "product_view",
    "seitenaufruf": "page_view",
    "seitenansicht": "page_view",
    "indenwarenkorb": "add_to_cart",
    "indenwarenkorbgelegt": "add_to_cart",
    "zumwarenkorbhinzugefugt": "add_to_cart",
    "warenkorbhinzugefugt": "add_to_cart",
    "ausdemwarenkorbentfernt": "remove_from_cart",
    "zurkasse": "checkout_start",
    "kassegestartet": "checkout_start",
    "bezahlvorgangbegonnen": "checkout_start",
    "bestellungabgeschlossen": "purchase",
    "gekauft": "purchase",
    "bestellt": "purchase",
    "vueproduit": "product_view",
    "produitvu": "product_view",
    "ajoutaupanier": "add_to_cart",
    "ajouteaupanier": "add_to_cart",
    "commandevalidee": "purchase",
    "pagevue": "page_view",
    "vistadeproducto": "product_view",
    "productovisto": "product_view",
    "anadiralcarrito": "add_to_cart",
    "anadidoalcarrito": "add_to_cart",
    "compracompletada": "purchase",
    "vistadepagina": "page_view",
    "aggiuntoalcarrello": "add_to_cart",
    "acquisto": "purchase",
    "prodottovisto": "product_view",
    "inwinkelwagen": "add_to_cart",
    "aankoop": "purchase",
    "productbekeken": "product_view",
    "clicks": "product_view",
    "carts": "add_to_cart",
    "orders": "purchase",
    "addtocart": "add_to_cart",
    "pageviews": "page_view",
    "productviews": "product_view",
    "cartadditions": "add_to_cart",
    "cartadds": "add_to_cart",
    "addtocarts": "add_to_cart",
    "cartremovals": "remove_from_cart",
    "checkouts": "checkout_start",
    "purchases": "purchase",
    "transactions": "purchase",
    "searches": "search",
    "ruckgabe": "refund",
    "retoure": "refund",
    "erstattung": "refund",
    "ruckerstattung": "refund",
    "remboursement": "refund",
    "reembolso": "refund",
    "devolucion": "refund",
    "rimborso": "refund",
    "reso": "refund",
    "terugbetaling": "refund",
    "zwrot": "refund",
    **dict.fromkeys(
        (
            *("閲覧", "商品閲覧", "商品詳細", "浏览商品", "商品浏览", "查看商品", "상품조회"),
            *("상품상세", "просмотр товара", "перегляд товару", "ürün görüntüleme"),
            *("wyświetlenie produktu", "θέαση προϊόντος", "مشاهدة المنتج"),
        ),
        "product_view",
    ),
    **dict.fromkeys(
        (
            *("ページ閲覧", "ページビュー", "浏览页面", "页面浏览", "페이지뷰", "페이지 조회"),
            *("просмотр страницы", "перегляд сторінки", "sayfa görüntüleme"),
            "wyświetlenie strony",
        ),
        "page_view",
    ),
    **dict.fromkeys(
        (
            *("カート追加", "カートに追加", "カート投入", "加入购物车", "加购", "加入購物車"),
            *("장바구니", "장바구니 담기", "장바구니 추가", "добавление в корзину", "в корзину"),
            *("додавання в кошик", "sepete ekle", "sepete ekleme", "dodanie do koszyka"),
            "أضف إلى السلة",
        ),
        "add_to_cart",
    ),
    **dict.fromkeys(
        (
            *("購入", "購入完了", "注文完了", "支付订单", "支付成功", "购买", "付款成功", "구매"),
            *("구매완료", "결제완료", "покупка", "купівля", "sat\u0131n alma", "zakup", "شراء"),
        ),
        "purchase",
    ),
    **dict.fromkeys(("返品", "返金", "退款", "退货", "환불", "возврат", "iade"), "refund"),
}
"""Short names of event types that logs use, in several languages."""
OF_ORDERS: Final = frozenset({"purchase", "refund"})
"""The event types that a list of payments has, too."""


def known_event_type(name: str) -> str | None:
    """Return the platform's event type that a name usually stands for, also of money behind the
    names of what it belongs to (`users.behaviors.Purchase`); None if it is not known.
    """
    words = _event_type_words()
    own = name.rpartition(".")[2]
    last = words.get(bare(own)) or words.get("".join(_without_end(words_of(own))))
    return words.get(bare(name)) or (last if last in _OF_MONEY else None)


def _without_end(words: Sequence[str]) -> Sequence[str]:
    """Return the words of a name without the one that says that it took place, as `Purchase Made`
    has it.
    """
    return words[:-1] if words[-1:] and words[-1] in _TOOK_PLACE else words


_TOOK_PLACE: Final = frozenset(
    {"made", "done", "completed", "complete", "success", "successful", "succeeded", "confirmed"}
)


_OF_MONEY: Final = frozenset({"purchase", "refund"})
STANDARD_TYPES: Final = (
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
)
"""The event types that funnels, carts and revenue are about."""
_LIKELY: Final = (
    (
        "remove_from_cart",
        (
            "remove",
            "entfern",
            "retir",
            "supprim",
            "elimin",
            "quitar",
            "rimoss",
            "verwijder",
            "leer",
            "clear",
            "empty",
            "vider",
            "vaci",
            "svuot",
            "loeschen",
            "losch",
        ),
        True,
    ),
    (
        "add_to_cart",
        (
            "warenkorb",
            "einkaufswagen",
            "basket",
            "cart",
            "bag",
            "panier",
            "carrito",
            "carrello",
            "winkelwagen",
            "кошик",
            "trolley",
        ),
        False,
    ),
    ("refund", ("refund", "erstatt", "rembours", "reembols", "rimbors", "retour", "return"), False),
    (
        "checkout_start",
        ("checkout", "kasse", "caisse", "paiement", "pago", "begincheckout", "zahlung"),
        False,
    ),
    (
        "purchase",
        (
            "purchas",
            "order",
            "bestell",
            "kauf",
            "commande",
            "achat",
            "compra",
            "pedido",
            "acquist",
            "ordine",
            "transaction",
            "bought",
            "conversion",
            "замовл",
            "покуп",
        ),
        False,
    ),
    (
        "search",
        ("search", "such", "recherch", "busqueda", "buscar", "ricerca", "zoek", "пошук"),
        False,
    ),
    (
        "category_view",
        ("category", "kategorie", "listing", "collection", "categorie", "categoria"),
        False,
    ),
    (
        "product_view",
        (
            "product",
            "produkt",
            "artikel",
            "item",
            "produit",
            "producto",
            "prodotto",
            "товар",
            "pdp",
        ),
        False,
    ),
    ("page_view", ("page", "seite", "screen", "visit", "besuch", "pagina"), False),
)
"""Parts of names by which an event type may be a standard one, the most certain first;
whether it is of a cart.
"""


def likely_event_type(name: str) -> str:
    """Return the platform's event type that a name may stand for, by its words;
    empty if it is like none.
    """
    letters = bare(name)
    cart = _LIKELY[1][1]
    for event_type, parts, is_of_cart in _LIKELY:
        has_cart = any(bare(part) in letters for part in cart)
        if any(bare(part) in letters for part in parts) and (has_cart or not is_of_cart):
            return event_type
    return ""


@cache
def _event_type_words() -> dict[str, str]:
    usual = usual_event_types()
    event_types = {bare(source_name): event_type for source_name, event_type in usual.items()}
    event_types |= {bare(event_type): event_type for event_type in usual.values()}
    others = {bare(word): event_type for word, event_type in OTHER_WORDS.items()}
    return {**others, **event_types}
