"""Heads of columns by what they are: names that the platform lists, and names that it does not."""

from typing import Final

LISTED: Final = {
    "number": ("order_id", "Order Number", "Bestellnummer", "N° commande", "Nr zamówienia"),
    "time": ("created_at", "Order Date", "Bestelldatum", "Date de commande", "Fecha"),
    "customer": ("customer_id", "Kundennummer", "Client", "Customer", "Cliente"),
    "email": ("Email", "customer_email", "E-Mail"),
    "sku": ("sku", "Artikelnummer", "Référence produit", "item_id"),
    "item": ("Product Name", "Artikelbezeichnung", "Désignation", "description"),
    "quantity": ("quantity", "Menge", "Quantité", "Qty", "Ilość"),
    "price": ("unit_price", "Einzelpreis", "Prix unitaire", "Price", "Cena"),
    "line_total": ("line_total", "Zeilensumme", "Total ligne", "Item Total"),
    "subtotal": ("Subtotal", "Zwischensumme", "Sous-total", "net_sales"),
    "total": ("Total", "grand_total", "Gesamtbetrag", "Total TTC", "order_total"),
    "shipping": ("Shipping", "Versandkosten", "Frais de port", "shipping_amount"),
    "tax": ("Tax", "MwSt", "TVA", "tax_amount"),
    "discount": ("Discount", "Rabatt", "Remise", "discount_amount"),
    "fee": ("Fee", "Provision", "Commission", "Transaction fee"),
    "payout": ("Net Payout", "Auszahlung", "Net proceeds"),
    "status": ("Status", "order_status", "Bestellstatus", "Statut"),
    "type": ("Type", "Vorgang", "Kind"),
    "refunded": ("refund_amount", "Erstattungsbetrag", "Montant remboursé"),
}
OWN: Final = {
    "number": ("Vorgangs-ID", "Txn Ref", "Réf. vente", "Sale key", "Bon-Kennung", "Doc #"),
    "time": ("When", "Zeitpunkt des Kaufs", "Moment de vente", "Kiedy", "Booked"),
    "customer": ("Shopper", "Konto des Käufers", "Acheteur", "Nabywca", "Buyer ref"),
    "email": ("Contact", "Kontaktadresse", "Courriel acheteur"),
    "sku": ("Ware", "Code barre", "Towar", "Merch code", "PLU"),
    "item": ("Warentext", "Nom court", "Opis towaru", "What"),
    "quantity": ("Stk", "Nb pièces", "Sztuk", "How many", "Qt."),
    "price": ("à", "Prix pièce", "Cena za szt.", "Each", "Tarif"),
    "line_total": ("Pos.-Wert", "Line value", "Valeur", "Suma pozycji", "Extended"),
    "subtotal": ("Warenwert", "Merchandise", "Valeur marchandise", "Wartość towaru"),
    "total": ("Rechnungsendbetrag", "To pay", "À payer", "Do zapłaty", "Charged to card"),
    "shipping": ("Porto+Verp.", "Carriage", "P&P", "Fracht", "Koszt dostawy"),
    "tax": ("USt 19%", "Sales levy", "TVA (20 %)", "Podatek"),
    "discount": ("Abzug", "Markdown", "Remise client", "Obniżka"),
    "fee": ("Marktplatzanteil", "Channel cut", "Frais MP"),
    "payout": ("You get", "Zufluss", "Reversé"),
    "status": ("Stand", "Where is it", "Suivi", "Etap"),
    "type": ("Buchung", "Entry", "Opération"),
    "refunded": ("Zurückgezahlt", "Money back", "Rendu au client", "Oddano"),
}
SOLD, BACK, NO_SALE = "sale", "refund", "no sale"
STATES: Final = (
    {"completed": SOLD, "refunded": BACK, "cancelled": NO_SALE},
    {"Versendet": SOLD, "Erstattet": BACK, "Storniert": NO_SALE},
    {"Expédiée": SOLD, "Remboursée": BACK, "Annulée": NO_SALE},
    {"Zrealizowane": SOLD, "Zwrócone": BACK, "Anulowane": NO_SALE},
    {"processing": SOLD, "Money returned": BACK, "dead": NO_SALE},
    {"30": SOLD, "40": BACK, "50": NO_SALE},
)
TYPES: Final = (
    ("Sale", "Refund"),
    ("Verkauf", "Erstattung"),
    ("Vente", "Remboursement"),
    ("S", "R"),
    ("Charge", "Credit"),
)
EVENT_HEADS: Final = {
    "event_timestamp": (
        ("timestamp", "event_time", "Zeitpunkt"),
        ("Seen", "Wann", "Czas zdarzenia"),
    ),
    "event_type": (
        ("event_name", "event", "Aktion"),
        ("Step", "Schritt", "Étape", "what_happened"),
    ),
    "user_id": (
        ("user_id", "visitor_id", "Kundennummer"),
        ("Who", "Person", "Gość", "browser_key"),
    ),
    "session_id": (("session_id", "Sitzung"), ("Besuch", "Tour nr")),
    "product_id": (("product_id", "sku", "Artikel"), ("Thing", "Ware")),
    "cart_value": (("value", "revenue", "Umsatz"), ("Basket worth", "Korbwert")),
}
EVENT_WORDS: Final = (
    ("page_view", "product_view", "add_to_cart", "purchase"),
    ("Page Viewed", "Product Viewed", "Product Added", "Order Completed"),
    ("Seitenaufruf", "Produktansicht", "In den Warenkorb", "Kauf"),
    ("pageview", "view_item", "addToCart", "transaction"),
    ("hit", "look", "basket+", "deal"),
    ("odsłona", "oglądanie towaru", "do koszyka", "zakup"),
    ("10", "20", "30", "40"),
)
