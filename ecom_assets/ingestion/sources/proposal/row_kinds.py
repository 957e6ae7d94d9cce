"""The columns that say what a row of a file of orders is, such as a payment, a withdrawal or a fee:
found by what goes with their values, whatever they are called.
"""

from collections.abc import Sequence
from typing import Final

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.fields import UNIT_PRICE, Found, free_texts
from ecom_assets.ingestion.sources.proposal.state_words import (
    Meaning,
    begins,
    state_meaning,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

_NAMED: Final = (
    *("type", "typ", "tipo", "art", "kind", "vorgang", "umsatzart", "buchungsart", "nature"),
    *("rodzaj", "тип", "вид", "operation", "operacion", "opération", "categorie", "soort"),
)
"""How words in the names of such columns begin; they are tried first."""
_ENDINGS: Final = ("typ", "type", "art")
"""How words do that are made of two, such as Positionstyp."""
_OF_WAYS: Final = (
    *("zahl", "bezahl", "payment", "pago", "paiement", "pagament", "platnos"),
    *("versand", "lieferart"),
)
"""How words begin of names that say how something was paid or sent, such as Zahlart."""
_MOST_KINDS, _MOST_COLUMNS, _FEW, _SHORT = 40, 3, 4, 20
_FILLED, _PURE, _TELLING = 0.9, 0.95, 0.05
_OF_NAMED, _OF_OTHERS = 0.75, 0.5
"""The share of different values among all rows up to which a column says what they are."""
NO_GOODS_WORDS: Final = (
    r"(?i)\bgift[ _-]?(cards?|vouchers?|certificates?)\b|geschenk-?(gutschein|karte)|wertgutschein"
    r"|(carte|chèque)s?[ -]cadeau|tarjetas? (de )?regalo|(carta|buono) regalo"
    r"|(cadeau|kado)(bon|kaart)"
    r"|karta podarunkowa|bon podarunkowy|подарочн(ая|ый) (карта|сертификат)|подарункова карта"
    r"|ギフトカード|^tips?$|^gratuity$|trinkgeld|^pourboire|^propina|^mancia$|^fooi$|^napiwek"
    r"|^deposit$|^anzahlung|^pfand$|^consigne$|^donation|^spende$|shipping protection"
    r"|(extended|garantie).{0,3}(warranty|verlängerung)|^(\d+[ -]years? )?warranty|protection plan"
    r"|extension de garantie|ampliación de garantía|estensione (della )?garanzia|^gwarancja"
    r"|^(shipping|delivery|postage|freight)( (&|and) handling| fee| cost| charge|s?$)"
    r"|^versand(kosten|pauschale|gebühr|$)|^porto(kosten)?$|^liefer(kosten|gebühr)|^frachtkosten"
    r"|^(frais de )?(port|livraison)$|^gastos de env[ií]o|^env[ií]o$|^spedizione$"
    r"|^spese di spedizione|^verzendkosten|^bezorgkosten|^koszt(y)? (wysyłki|dostawy)|^przesyłka$"
    r"|^(szállítási|posta)(költség| költség)|^doprava\b|^poštovné|^frakt\b|^fragt\b|^levering$"
    r"|^toimituskulut|^transport$|^kargo( ücreti)?$|^phí vận chuyển|^ongkos kirim|^μεταφορικά"
    r"|^الشحن$|^رسوم (الشحن|التوصيل)|^משלוח$|^配送费|^运费|^배송비"
    r"|^frete$|^доставка$|^送料$|(nachnahme|zahlungs|payment|cod|handling)[ -]?(gebühr|fee)"
)
"""What lines are called that are no goods, in several languages."""
_OF_LINES: Final = ("order_id", "item_id", "quantity", UNIT_PRICE)


def row_kinds(values: FileValues, matches: Found, amount: str) -> tuple[Value, ...]:
    """Return the columns that together say what a row is, as they stand in the file; none where
    no column does.

    With the values of one go the sign of the amount, or whether a row has an order or an item at
    all. Further ones tell apart rows of one order and item that it does not.

    Args:
        values: The values of the files.
        matches: The fields that are known.
        amount: The SQL of the amount of a row; empty if no column says it.
    """
    columns = [value for value in free_texts(values, matches) if _can_be_kinds(values, value)]
    status = matches.get("status")
    if status is not None and status.value.is_column and _can_be_kinds(values, status.value):
        columns.append(status.value)
    columns.sort(key=lambda value: (not says_kind(value), values.different(value)))
    first = next((value for value in columns if _goes_with_sign(values, value, amount)), None)
    if first is None:
        few = (value for value in columns if says_kind(value) or values.different(value) <= _FEW)
        first = next((value for value in few if goes_with_lines(values, value, matches)), None)
    if first is None or (status is not None and first == status.value):
        return ()
    return _told_apart(values, matches, first, columns, amount)


def says_kind(value: Value) -> bool:
    """Return whether a column says by its name what a row is, such as its type."""
    words = words_of(value.last_name)
    if any(begins(word, _OF_WAYS) for word in words):
        return False
    return any(begins(word, _NAMED) or word.endswith(_ENDINGS) for word in words)


def _can_be_kinds(values: FileValues, value: Value) -> bool:
    different, filled = values.different(value), values.filled(value)
    # In a short file most kinds are on few rows: a name that says what they are is enough.
    most = values.row_count * (_OF_NAMED if says_kind(value) else _OF_OTHERS)
    if says_kind(value) and values.row_count <= _SHORT:
        most = values.row_count - 1
    return 1 < different <= min(_MOST_KINDS, most) and filled >= values.row_count * _FILLED


def _goes_with_sign(values: FileValues, value: Value, amount: str) -> bool:
    """Return whether amounts are above zero beside some values, and below it beside others."""
    if not amount or not _has_both_signs(values, amount):
        return False
    counted = f"count(*) FILTER ({amount} > 0) AS above, count(*) FILTER ({amount} < 0) AS below"
    by_value = select(f"{value.column} AS kind, {counted}", TABLE, "true", value.column)
    sums = ["sum(greatest(above, below))", "sum(above + below)"]
    sums += ["count(*) FILTER (above > below)", "count(*) FILTER (below > above)"]
    sums.append("greatest(sum(above), sum(below))")
    fitting, rows, kinds_above, kinds_below, usual = values.rows(select(sums, f"({by_value})"))[0]
    is_pure = bool(rows) and fitting >= rows * _PURE and fitting > usual
    return is_pure and bool(kinds_above and kinds_below)


def _has_both_signs(values: FileValues, amount: str) -> bool:
    signs = [f"coalesce(bool_or({amount} {sign} 0), false)" for sign in ("<", ">")]
    return all(values.rows(select(signs, TABLE))[0])


def goes_with_lines(values: FileValues, value: Value, matches: Found) -> bool:
    """Return whether rows with some values never have an order or an item, and all others do; not
    where these are states of what was never sold, whose rows have no price.
    """
    known = [matches[name].value for name in _OF_LINES if name in matches]
    for other in (column for column in known if values.filled(column) < values.row_count):
        counted = f"{value.column} AS kind, count({other.column}) AS filled, count(*) AS row_count"
        by_value = select(counted, TABLE, f"{value.column} IS NOT NULL", value.column)
        sums = ["count(*) FILTER (filled = 0)", "count(*) FILTER (filled = row_count)", "count(*)"]
        sums.append("list(kind) FILTER (filled = 0)")
        empty, full, kinds, named = values.rows(select(sums, f"({by_value})"))[0]
        if empty and full and empty + full == kinds:
            return {state_meaning(name) for name in named} != {Meaning.NO_SALE}
    return False


def _told_apart(
    values: FileValues, matches: Found, first: Value, columns: Sequence[Value], amount: str
) -> tuple[Value, ...]:
    """Return a column of kinds with those that tell apart rows of one order and item, too, or
    amounts above zero and below it.
    """
    line = [matches[name].value for name in ("order_id", "item_id") if name in matches]
    line = line if "item_id" in matches else []  # without it, what was bought tells rows apart
    chosen = [first]
    while (line or amount) and len(chosen) < _MOST_COLUMNS:
        rows, mixed = _different(values, [*line, *chosen]), _mixed(values, chosen, amount)
        gains = {
            value: max(
                _different(values, [*line, *chosen, value]) - rows if line else 0,
                mixed - _mixed(values, [*chosen, value], amount),
            )
            for value in columns
            if value not in chosen
        }
        least = {value: 1 if says_kind(value) else values.row_count * _TELLING for value in gains}
        telling = [value for value in gains if gains[value] >= max(least[value], 1)]
        if not telling:
            break
        chosen.append(max(telling, key=lambda value: (says_kind(value), gains[value])))
    return tuple(sorted(chosen, key=lambda value: value.position))


def _mixed(values: FileValues, columns: Sequence[Value], amount: str) -> int:
    """Return how many rows have another sign than most with the same values."""
    if not amount:
        return 0
    counted = f"count(*) FILTER ({amount} > 0) AS above, count(*) FILTER ({amount} < 0) AS below"
    kinds = ", ".join(value.column for value in columns)
    by_kind = select(counted, TABLE, "true", kinds)
    return int(values.rows(select("coalesce(sum(least(above, below)), 0)", f"({by_kind})"))[0][0])


def _different(values: FileValues, columns: Sequence[Value]) -> int:
    cells = ", ".join(f"coalesce({value.column}, '')" for value in columns)
    return int(values.scalar(f"count(DISTINCT ({cells}))"))
