"""Small exports of vendors as their help pages describe them, one row of the table each: what they
come to is known beforehand, the questions of their drafts are answered by it, and the rows agree.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from ecom_assets.core.errors import DefinitionError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading
from ecom_assets.ingestion.sources.proposal.event_type_words import known_event_type
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.months import days_of_spreadsheet
from ecom_assets.ingestion.sources.proposal.parts import Part, part_of
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.questions import ZONE
from ecom_assets.ingestion.sources.proposal.record_kinds import (
    kind_of,
    likely_kind,
    listed_kind,
)
from ecom_assets.ingestion.sources.proposal.values import Value
from ecom_assets.ingestion.sources.reading import CustomerFileReading, FileReading
from ecom_assets.ingestion.sources.readings import Reading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets_tests.ingestion.sources.conftest import write

FILES = Path(__file__).parent / "vendor_files"
MOST_QUESTIONS = 6
NOBODIES = {None, "(unknown)", "(not set)"}


class Truth(NamedTuple):
    """What a file comes to, and why; `answers` are by the key of a question, or by the value of the
    file that it is about.
    """

    why: str
    expected: Mapping[str, object]
    answers: Mapping[str, str] = {}
    kind: str = "orders"
    currency: str = "EUR"


TRUTHS: dict[str, Truth] = {
    "bol.csv": Truth(
        "41.28 + 16.53 + 41.28; 8.26 went back; what the market keeps is no sale",
        {"sold": "99.09", "back": "8.26", "orders": "3"},
        {
            "Verkoopprijs artikelen": "sale",
            "Correctie verkoopprijs artikelen": "refund",
            "Compensatie zoekgeraakte artikelen": "no sale",
            "Kosten voorraadbeheer": "no sale",
            "customer_id": "nobody",
            "state_beside": "no sale",
        },
    ),
    "adyen.csv": Truth(
        "59.90 + 24.50 + 120 + 80 settled; 24.50 refunded and 59.90 charged back",
        {"sold": "284.40", "back": "84.40", "orders": "4"},
        {"Fee": "no sale", "MerchantPayout": "no sale", "customer_id": "nobody"},
    ),
    "oxid.csv": Truth(
        "49.90 + 16 + 8 + 99.80 + 24 + 32; two vases of 20 were cancelled, one an order of its own",
        {"sold": "229.70", "back": "0", "orders": "5", "customers": "4", "pieces": "13"},
        {"state_flag_1": "no sale"},
    ),
    "paddle.csv": Truth(
        "20 + (50 - 10) + 30 + 19.99; of the third nothing is left; one was cancelled",
        {"sold": "109.99", "back": "30", "orders": "4", "customers": "3"},
        {"refunded_amount": "total less adjusted_total"},
        currency="USD",
    ),
    "magento_items.csv": Truth(
        "40 + 10 + 2 of 3 for 30 + 20; all pieces of order 13 were cancelled",
        {"sold": "90", "back": "0", "orders": "3", "customers": "2", "pieces": "9"},
    ),
    "magento_orders.csv": Truth(
        "50 + 20 - 2 + 100 + 40 - 4 + 60 + 30; 18 + 30 went back, 7 for goodwill, 30 but for a fee",
        {"sold": "294", "back": "82", "orders": "6", "customers": "6"},
    ),
    "walmart_cancelled.csv": Truth(
        "2 x 10 + 2 x 15 + 4 x 5 + 5; one piece of 15 went back",
        {"sold": "75", "back": "15", "orders": "4", "customers": "3"},
        currency="USD",
    ),
    "wix_contacts.csv": Truth(
        "Contacts are customers, though their sources are called as events",
        {"people": 4, "emails": 4, "consent": [True, False, False, True]},
        kind="customers",
    ),
    "adventureworks_customers.csv": Truth(
        "The key of a customer is the id, not the address",
        {"people": 3, "emails": 3, "ids": ["11000", "11001", "11002"]},
        kind="customers",
    ),
    "customers_with_returns.csv": Truth(
        "The number of returns makes no orders of customers",
        {"people": 3, "ids": ["K1", "K2", "K3"]},
        kind="customers",
    ),
    "ad_total_row.csv": Truth(
        "10 + 20",
        {"spent": {"EUR": "30.00"}},
        {"account_id": "one account"},
        kind="ad_spend",
    ),
    "orders_total_row.csv": Truth(
        "10 + 20; the third line is their total",
        {"sold": "30", "back": "0", "orders": "2", "customers": "2"},
    ),
    "stripe_balance.csv": Truth(
        "59.90 + 24.50 + 120; 24.50 went back",
        {"sold": "204.40", "back": "24.50", "orders": "3"},
        {"charge": "sale", "stripe_fee": "no sale", "payout": "no sale", "customer_id": "nobody"},
    ),
    "mollie.csv": Truth(
        "59.90 + 24.50 + 120; 24.50 and 20 went back; two were never paid",
        {"sold": "204.40", "back": "44.50", "orders": "3", "customers": "2"},
        {"customer_id": "Consumer bank account"},
    ),
    "klarna.csv": Truth(
        "59.90 + 24.50 + 120; 20 went back",
        {"sold": "204.40", "back": "20", "orders": "3"},
        {"FEE": "no sale", "customer_id": "nobody"},
    ),
    "paypal_de.csv": Truth(
        "59.90 + 24.50 + 1,120; 24.50 went back; 1,000 went to the bank",
        {"sold": "1204.40", "back": "24.50", "orders": "3"},
        {
            "Allgemeine Zahlung": "sale",
            "PayPal Express-Zahlung": "sale",
            "Rückzahlung": "refund",
            "Allgemeine Abbuchung": "no sale",
        },
    ),
    "invoices_and_credit_notes.csv": Truth(
        "100 + 30 + 50 + 400 without tax; 50 credited",
        {"sold": "580", "back": "50", "customers": "3"},
    ),
    "xero_invoices.csv": Truth(
        "100 + 20 + 50; 50 credited; one was voided",
        {"sold": "170", "back": "50", "customers": "2"},
        {"Sales invoice": "sale", "Sales credit note": "refund", "Awaiting Payment": "sale"},
        currency="GBP",
    ),
    "odoo_so.csv": Truth(
        "180 + 50 + 102; one was cancelled, one only quoted",
        {"sold": "332", "back": "0", "orders": "2", "customers": "2"},
        {"Quotation": "no sale"},
        currency="USD",
    ),
    "zalando.csv": Truth(
        "29.95 + 89.95 + 2 x 19.95; 89.95 came back",
        {"sold": "159.80", "back": "89.95", "orders": "3"},
        {"customer_id": "nobody"},
    ),
    "mirakl.csv": Truth(
        "49.90 + 16 + 20, which went back; one was cancelled, one refused",
        {"sold": "85.90", "back": "20", "orders": "3", "customers": "3"},
        {"Received": "sale"},
    ),
    "otto.json": Truth(
        "49.90 + 8 + 49.90 + 20; 49.90 came back",
        {"sold": "127.80", "back": "49.90", "orders": "3", "customers": "2"},
        {"CANCELLED_BY_PARTNER": "no sale"},
    ),
    "coupang.csv": Truth(
        "39,000 + 16,000 + 20,000 + 39,000; 20,000 came back; one was cancelled",
        {"sold": "114000", "back": "20000", "orders": "4", "customers": "3"},
        {"payment_amount": "결제금액", "amount_parts": "결제금액"},
        currency="KRW",
    ),
    "shopee.csv": Truth(
        "450 + 160 + 200 + 80; 160 went back; one was cancelled",
        {"sold": "890", "back": "160", "orders": "3", "customers": "2"},
        {
            "Refund Approved": "refund",
            "customer_id": "Username (Buyer)",
            "amount_of": "order",
            "amount_parts": "Total Amount less Buyer Paid Shipping Fee",
        },
        currency="PHP",
    ),
    "lazada.csv": Truth(
        "450 + 80 + 80 + 180; 80 came back; one was cancelled",
        {"sold": "790", "back": "80", "orders": "3", "customers": "2"},
        currency="PHP",
    ),
    "tiktok_shop.csv": Truth(
        "45 + 16 + 18; 8.64 with 8 % went back; the second line says what columns are",
        {"sold": "79", "back": "8", "orders": "3", "customers": "2"},
        {
            "Current order status.": "no sale",
            "refund_parts": "Order Refund Amount by the goods' part of Order Amount without "
            "Shipping Fee After Discount",
        },
        currency="USD",
    ),
    "etsy_deposits.csv": Truth(
        "49.90 + 24.50 + 120; 24.50 went back",
        {"sold": "194.40", "back": "24.50"},
        {"Fee": "no sale", "Deposit": "no sale", "customer_id": "nobody"},
    ),
    "sumup.csv": Truth(
        "5.88 + 9.35 + 5.04 + 15.13 without tax and tips; the tea of 5.04 went back",
        {"sold": "35.40", "back": "5.04", "orders": "4"},
        {"customer_id": "nobody", "amount_parts": "Gesamt less MwSt and Trinkgeld"},
    ),
    "zettle.csv": Truth(
        "7 - 0.64 + 4 - 0.36 + 10 - 0.91 + 10.80 - 1.80; 3.50 - 0.32 went back",
        {"sold": "28.09", "back": "3.18", "orders": "3"},
        {"customer_id": "nobody", "payment_amount": "Final price (EUR)"},
    ),
    "recharge.csv": Truth(
        "2 x 15 + 10 + 15 + less 4 + 20; 20 went back; one failed and one is to come",
        {"sold": "71", "back": "20", "orders": "3", "customers": "3"},
        {"ERROR": "no sale", "QUEUED": "no sale"},
        currency="USD",
    ),
    "chargebee.csv": Truth(
        "90 + 50 + 180; 11 with 10 % went back; one was voided, one not paid",
        {"sold": "320", "back": "10", "orders": "3", "customers": "2"},
        {
            "Payment Due": "no sale",
            "refund_parts": "Refunded Amount by the goods' part of Invoice Total",
        },
        currency="USD",
    ),
    "opencart.csv": Truth(
        "50 + 16 + 20 + 40 + 40 less 6 and 4; 20 went back",
        {"sold": "156", "back": "20", "orders": "4", "customers": "3"},
        currency="GBP",
    ),
    "shopware5.csv": Truth(
        "60 + 120 + 20 + 40; 20 was credited",
        {"sold": "240", "back": "20", "orders": "4", "customers": "3"},
        {
            "Wiedergutschrift": "refund",
            "Offen": "no sale",
            "amount_parts": "invoice_amount less invoice_shipping",
        },
    ),
    "jtl.csv": Truth(
        "50 + 3 x 8 - 4 + 2 x 20; one was cancelled, and postage is no goods",
        {"sold": "110", "back": "0", "orders": "3", "customers": "2"},
        {
            "Artikel": "sale",
            "Versandposition": "no sale",
            "Kupon": "sale",
            "payment_amount": "VK netto times Menge",
        },
    ),
    "plenty.csv": Truth(
        "59.50 + 19.04 + 9.52 + 23.80; 59.50 went back, as goods and in a credit note",
        {"sold": "111.86", "back": "59.50"},
        {
            "payment_amount": "TotalItemGross",
            "Auftrag": "sale",
            "Retoure": "no sale",
            "Gutschrift": "refund",
        },
    ),
    "datev_erloese.csv": Truth(
        "119 + 59.50 + 476 booked; the reversal of 59.50 went back",
        {"sold": "654.50", "back": "59.50", "orders": "3", "customers": "3"},
        {"customer_id": "Debitor", "Erlös 19 %": "sale", "Storno Erlös": "refund"},
    ),
    "stripe_charges.ndjson": Truth(
        "49.90 + 19.99 + 82.50 + 12.50, in cents; 19.99 and 2.50 went back",
        {"sold": "164.89", "back": "22.49", "orders": "4", "customers": "4"},
        {"units": "cents", "state_1": "sale"},
    ),
    "checkout_sessions.ndjson": Truth(
        "49.90 + 19.99 + 82.50 + 12.50, in cents, of orders whose items have no price",
        {"sold": "164.89", "back": "0", "orders": "4", "customers": "4", "pieces": "11"},
        {"units": "cents"},
    ),
    "vtex.csv": Truth(
        "180 + 80 + 90 + 108; one was cancelled",
        {"sold": "458", "back": "0", "orders": "3", "customers": "2"},
        {"payment_amount": "SKU Total Price", "Pronto para o manuseio": "sale"},
        currency="BRL",
    ),
    "nuvemshop.csv": Truth(
        "30,000 - 3,000 + 20,000 + 15,000 - 1,500 + 5,000; 20,000 went back",
        {"sold": "65500", "back": "20000", "orders": "4", "customers": "3"},
        {"Recibido": "sale", "Pendiente": "no sale"},
        currency="ARS",
    ),
    "ecwid.csv": Truth(
        "50 + 8 + 4 x 8 - 2 + 2 x 20; 8.64 with 8 % went back",
        {"sold": "128", "back": "8", "orders": "3", "customers": "2"},
        {
            "amount_parts": "price times quantity less discount_coupon",
            "refund_parts": "refunded_amount by the goods' part of total without shipping",
        },
        currency="USD",
    ),
    "lightspeed_giftcard.csv": Truth(
        "72 + 21 + 19; 10 went back; a gift card and a tip are no goods",
        {"sold": "112", "back": "10", "orders": "3", "customers": "3"},
        {"no_goods": "left out", "order_id": "Sale"},
        currency="USD",
    ),
    "tray.csv": Truth(
        "199.90 + 79.80 - 10 + 1,090 - 90 + 1,090 - 109; one was cancelled",
        {"sold": "2250.70", "back": "0", "orders": "3", "customers": "2"},
        {"A ENVIAR": "sale"},
        currency="BRL",
    ),
    "netsuite.csv": Truth(
        "100 + 10 + 50 + 60; 50 credited",
        {"sold": "220", "back": "50", "customers": "3"},
        {"amount_parts": "Amount", "customer_id": "Name"},
        currency="GBP",
    ),
    "exact_online.csv": Truth(
        "90 + 40 + 50 + 20; 45 credited",
        {"sold": "200", "back": "45", "customers": "3"},
        {"customer_id": "Debiteur", "Openstaand": "sale"},
    ),
    "piwik_pro.csv": Truth(
        "49.90 + 20",
        {"worth": "69.90", "visitors": 2},
        {
            "cart_value": "ecommerce_revenue",
            "Ecommerce order": "purchase",
            "Ecommerce add to cart": "add_to_cart",
            "Ecommerce product detail view": "product_view",
        },
        kind="events",
    ),
    "heap_events.ndjson": Truth(
        "49.90 + 20",
        {"worth": "69.9", "visitors": 2},
        kind="events",
    ),
    "umami.csv": Truth(
        "49.90 + 20",
        {
            "worth": "69.90",
            "visitors": 2,
            "types": {"page_view": 3, "add_to_cart": 1, "purchase": 2},
        },
        {"1": "page_view", "2": "as it is", "event_type": "event_name"},
        kind="events",
    ),
    "metrica.tsv": Truth(
        "Each row is a page view, as somebody says",
        {"visitors": 2, "types": {"page_view": 3}},
        {"rows": "events", "event_type": "page_view"},
        kind="events",
    ),
    "appsflyer.csv": Truth(
        "49.90 + 20 euros",
        {"worth": "69.90", "visitors": 2},
        {"cart_value": "Event Revenue EUR", "user_id": "AppsFlyer ID", "af_purchase": "purchase"},
        kind="events",
    ),
    "adjust.csv": Truth(
        "49.90 + 20",
        {"worth": "69.90", "visitors": 2},
        {
            "user_id": "{adid}",
            "cart_value": "{revenue_float}",
            "event_type": "{event_name}",
            "session": "as it is",
        },
        kind="events",
    ),
    "braze_purchases.ndjson": Truth(
        "49.90 + 20 + 8.50",
        {"sold": "78.4", "back": "0", "customers": "2"},
    ),
    "snowplow.tsv": Truth(
        "49.90 + 20",
        {"worth": "69.90", "visitors": 2},
        {"user_id": "domain_userid", "cart_value": "tr_total", "struct": "add_to_cart"},
        kind="events",
    ),
    "gtm_server.ndjson": Truth(
        "49.90 + 20",
        {"worth": "69.9", "visitors": 2, "types": {"page_view": 2, "purchase": 2}},
        kind="events",
    ),
    "meta_de.csv": Truth(
        "10.50 + 21",
        {"spent": {"EUR": "31.50"}},
        {"platform": "meta", "account_id": "one account"},
        kind="ad_spend",
    ),
    "microsoft_ads.csv": Truth(
        "10.50 + 21",
        {"spent": {"EUR": "31.50"}},
        kind="ad_spend",
    ),
    "apple_search_ads.csv": Truth(
        "10.50 + 21",
        {"spent": {"USD": "31.50"}},
        {"platform": "other", "account_id": "one account"},
        kind="ad_spend",
        currency="USD",
    ),
    "tiktok_ads.csv": Truth(
        "10.50 + 21; the third line is their total",
        {"spent": {"EUR": "31.50"}},
        {"account_id": "one account"},
        kind="ad_spend",
    ),
    "amazon_ads_fr.csv": Truth(
        "10.50 + 21",
        {"spent": {"EUR": "31.50"}},
        {"platform": "amazon_ads", "account_id": "one account"},
        kind="ad_spend",
    ),
    "linkedin_ads.csv": Truth(
        "10.50 + 21",
        {"spent": {"EUR": "31.50"}},
        kind="ad_spend",
    ),
    "jtl_stock.csv": Truth(
        "12 - 2, 5, 7 - 3, 9 - 1",
        {"stock": {"L1": "10", "M1": "5", "V1": "4", "T1": "8"}},
        kind="stock",
    ),
    "amazon_fba.txt": Truth(
        "what may be sold is fulfillable",
        {"stock": {"L1": "10", "M1": "5", "V1": "4", "T1": "8"}},
        {"stock": "afn-fulfillable-quantity"},
        kind="stock",
    ),
    "costs_pl.csv": Truth(
        "What a piece was bought for",
        {"costs": {"L1": "20.50", "M1": "2.10"}},
        {"unit_cost_amount": "Cena zakupu netto"},
        kind="costs",
    ),
    "shopify_customers_fr.csv": Truth(
        "The number of a customer is the id, not the address",
        {"people": 3, "ids": ["C1", "C2", "C3"], "emails": 3},
        kind="customers",
    ),
    "mixed_currency_rate.csv": Truth(
        "50 + 54 + 18 + 36 euros",
        {"sold": "158", "back": "0", "orders": "4", "customers": "3"},
    ),
    "sap_rate.csv": Truth(
        "100 + 60 x 0.9 + 120 x 0.9 + 200 + 220 x 0.9 euros",
        {"sold": "660", "back": "0", "currency": "EUR"},
        {"customer_id": "CardCode"},
    ),
    "fractions.csv": Truth(
        "1.5 x 20 + 0.75 x 10 + 2.25 x 20 + 0.5 x 20",
        {"sold": "92.50", "back": "0", "orders": "4", "customers": "3", "pieces": "5"},
    ),
    "partial_refund_rows.csv": Truth(
        "59.90 + 24.50 + 120; 20 went back",
        {"sold": "204.40", "back": "20", "customers": "3"},
        {"authorization": "no sale"},
    ),
    "german_tax_inside.csv": Truth(
        "49.90 - 8.75 + 16 - 3.34 + 20 - 3.19 + 20 - 3.98, without the tax in them",
        {"sold": "86.64", "back": "0", "orders": "4", "customers": "3"},
        {"customer_id": "Nutzername des Käufers"},
    ),
    "gift_card_payment.csv": Truth(
        "50 + 20 + 80 + 30 + 10, however they were paid",
        {"sold": "190", "back": "0", "orders": "5", "customers": "4"},
        {"amount_parts": "subtotal"},
    ),
    "items_json_tips.ndjson": Truth(
        "50 + 16 + 24 + 20 + 8; one was cancelled",
        {"sold": "118", "back": "0", "orders": "3", "customers": "2"},
        {"list": "lines", "quantity": "lines.n", "payment_amount": "lines.each times lines.n"},
    ),
    "french_pos.csv": Truth(
        "7 - 0.64 + 4 - 0.36 + 3.50 - 0.32 + 10.80 - 1.80 + 8 - 0.73; 3.50 - 0.32 went back",
        {"sold": "29.45", "back": "3.18", "orders": "4"},
        {"customer_id": "nobody", "amount_parts": "Total TTC less TVA"},
    ),
    "squarespace.csv": Truth(
        "2 x 15 + 20 + 20 + 2 x 15 - 3; of 29 that went back, 20 are goods",
        {"sold": "97", "back": "20", "orders": "3", "customers": "3", "pieces": "6"},
        {"amount_parts": "Lineitem price times Lineitem quantity less Discount Amount"},
    ),
    "flipkart.csv": Truth(
        "2 x 150 + 200 + 200 without the postage of each piece; one plate went back",
        {"sold": "700", "back": "200", "orders": "3", "customers": "3"},
        currency="INR",
    ),
    "ebay_orders.json": Truth(
        "6 x (30 + 20) + 20 without the postage in the totals of lines; 20 went back",
        {"sold": "320", "back": "20", "orders": "7", "customers": "7"},
    ),
    "etsy_receipts.json": Truth(
        "2 x 15 + 20: amounts have a divisor of 100; the other receipt was cancelled",
        {"sold": "50", "back": "0", "orders": "1", "pieces": "3"},
    ),
    "mollie_payments.json": Truth(
        "59.90 + 30 of one customer; 10 went back, and one expired",
        {"sold": "89.90", "back": "10", "orders": "2", "customers": "1"},
    ),
    "eventbrite.csv": Truth(
        "60 + 0 + 40; the 40 were a sale before they went back",
        {"sold": "100", "back": "40", "orders": "3", "customers": "3", "pieces": "4"},
        {"Eventbrite Completed": "sale", "Free Order": "sale"},
    ),
    "trendyol.csv": Truth(
        "300 - 30 + 200 + 200 - 20; 200 went back, and one was cancelled",
        {"sold": "650", "back": "200", "orders": "3", "customers": "3"},
        {"amount_parts": "Satış Tutarı less İndirim Tutarı"},  # noqa: RUF001 (Turkish)
        currency="TRY",
    ),
    "ozon.csv": Truth(
        "1,800 + 1,500; one was cancelled",
        {"sold": "3300", "orders": "2", "pieces": "3"},
        {"amount_parts": "Сумма отправления", "customer_id": "nobody", "Доставляется": "sale"},
        currency="RUB",
    ),
    "clevertap.ndjson": Truth(
        "Times are numbers of 14 digits; a device without a sign-in is a visitor",
        {"types": {"product_view": 1, "purchase": 1, "App Launched": 1}, "visitors": 2},
        {"Charged": "purchase"},
        kind="events",
    ),
    "klaviyo_events.ndjson": Truth(
        "`type` says one kind of document; the name of what happened is four levels down",
        {"types": {"purchase": 1, "product_view": 2}, "visitors": 2, "worth": "29.9"},
        {"user_id": "relationships.profile.data.id"},
        kind="events",
    ),
    "simple_analytics.csv": Truth(
        "Rows are views of the pages that they name, not of devices",
        {"types": {"page_view": 3}, "visitors": 2},
        {"rows": "events", "event_type": "page_view"},
        kind="events",
    ),
    "bloomreach.csv": Truth(
        "Purchases have a total, and what is looked at a price",
        {"types": {"product_view": 1, "cart_update": 1, "purchase": 1, "page_visit": 1}}
        | {"worth": "30", "visitors": 2},
        {"user_id": "customer_ids.cookie", "cart_update": "as it is", "page_visit": "as it is"},
        kind="events",
    ),
    "etsy_listings.csv": Truth(
        "Pieces of products at no time are how many there are",
        {"stock": {"MUG-1": "14", "PLT-1": "3"}},
        {"stock": "QUANTITY"},
        kind="stock",
    ),
    "lightspeed_stock.csv": Truth(
        "`Qty.` is how many there are; the number at which stock is low is not",
        {"stock": {"MUG-1": "14", "PLT-1": "3"}},
        {"stock": "Qty."},
        kind="stock",
    ),
    "square_stock.csv": Truth(
        "The quantity has the name of a place behind it",
        {"stock": {"MUG-1": "14", "PLT-1": "0"}},
        {"stock": "Current Quantity Shop Mitte"},
        kind="stock",
    ),
    "pinterest_api.csv": Truth(
        "12.50 + 8.25, in millionths",
        {"spent": {"EUR": "20.75"}},
        {
            "units": "millionths",
            "platform": "pinterest",
            "account_id": "one account",
            "currency": "EUR",
        },
        kind="ad_spend",
    ),
    "woo_export_de.csv": Truth(
        "50 + 20 + 80 - 10 + 10; 30 with 19 % went back, and all of the last",
        {"sold": "150", "back": "35.21", "orders": "4", "customers": "3"},
        {
            "In Bearbeitung": "sale",
            "refund_parts": "Erstattungsbetrag by the goods' part of Gesamtbetrag without "
            "Versandkosten Bestellung",
            "amount_parts": "Zwischensumme Bestellung less Gutscheinrabatt",
        },
    ),
    "digistore.csv": Truth(
        "100 + 100 + 50 + 50 without their tax; 100 and 50 went back, of two orders",
        {"sold": "300", "back": "150", "orders": "4", "customers": "4"},
        {"rows": "orders", "Zahlung": "sale", "amount_parts": "Netto"},
    ),
    "lemonsqueezy.json": Truth(
        "49 + (99 - 10) + 49 without tax; of 58.31 that went back 49 were for the goods",
        {"sold": "187", "back": "49", "orders": "3", "customers": "3"},
        {"units": "cents", "state_flag_1": "no sale"},
        currency="USD",
    ),
    "square_transactions.csv": Truth(
        "25 + (40 - 4) + 60 + (15 - 1.50) without tax and tips; 25 went back",
        {"sold": "134.50", "back": "25", "orders": "4", "customers": "3"},
        {"rows": "orders", "no_customer": "nobody", "Payment": "sale"},
        currency="USD",
    ),
    "brevo.csv": Truth(
        "Tom unsubscribed after a double opt-in; of Lea nothing is known",
        {"people": "3", "emails": "3", "consent": [True, False, None]},
        kind="customers",
    ),
    "salesforce_contacts.csv": Truth(
        "Tom opted out; of the others nobody knows that they agreed",
        {"people": "3", "consent": [None, False, None]},
        kind="customers",
    ),
    "manomano.csv": Truth(
        "25 + 100 + 30 + 50 without tax; 30 went back, one order was refused",
        {"sold": "205", "back": "30", "orders": "4", "pieces": "10"},
        {"customer_id": "nobody"},
    ),
    "iterable_purchases.csv": Truth(
        "30 + 10 + 120 + 45",
        {"sold": "205", "orders": "3", "customers": "2", "pieces": "7"},
        {"order_id": "id"},
    ),
    "nginx.ndjson": Truth(
        "two visitors by their cookie; pages are views",
        {"types": {"page_view": "4"}, "visitors": "2"},
        {"rows": "events", "event_type": "page_view", "user_id": "cookie_uid"},
        kind="events",
    ),
    "recurly.csv": Truth(
        "100 - 10 and 200; one invoice failed, one is past due, and 40 were credited",
        {"sold": "290", "back": "40", "orders": "2", "customers": "2"},
        {"charge": "sale", "past_due": "no sale"},
        currency="USD",
    ),
    "klarna_orders.json": Truth(
        "50 and 120 without their tax of 7.98 and 19.16; postage is no product",
        {"sold": "142.86", "orders": "2", "customers": "2", "pieces": "3"},
        {
            "units": "cents",
            "amount_parts": "order_lines.total_amount less order_lines.total_tax_amount",
            "no_goods": "left out",
        },
    ),
    "two_taxes.csv": Truth(
        "100 + 59.90 + 240 + 35.50 + 80 beside two taxes; 240 went back",
        {"sold": "515.40", "back": "240", "orders": "5", "customers": "4"},
        currency="CAD",
    ),
    "taboola.csv": Truth(
        "44 + 1,050",
        {"spent": {"USD": "1094"}},
        {"platform": "other", "account_id": "one account"},
        kind="ad_spend",
        currency="USD",
    ),
    "haravan.csv": Truth(
        "thrice 300,000 + 450,000 - 50,000 + 1,200,000; one was cancelled; in Vietnamese",
        {"sold": "5700000", "orders": "9", "customers": "9", "pieces": "12"},
        {"amount_parts": "Thành tiền less Giảm giá"},
        currency="VND",
    ),
    "salla.csv": Truth(
        "thrice 200 + 2 * 100 + 300 without tax and postage; one was cancelled; in Arabic",
        {"sold": "2100", "orders": "9", "customers": "9", "pieces": "12"},
        currency="SAR",
    ),
    "skroutz.csv": Truth(
        "thrice 30 + 59 + 36 before the commission; one was cancelled; in Greek",
        {"sold": "375", "orders": "9", "customers": "9", "pieces": "18"},
    ),
    "tokopedia.csv": Truth(
        "thrice 150,000 + 350,000 + 150,000 without postage; one was cancelled; in Indonesian",
        {"sold": "1950000", "orders": "9", "customers": "9", "pieces": "18", "currency": "IDR"},
        currency="IDR",
    ),
    "nettbutikk.csv": Truth(
        "thrice 398 + 899 + 447, written 199,-; people share names; in Norwegian",
        {"sold": "5232", "orders": "9", "customers": "9", "pieces": "18"},
        currency="NOK",
    ),
    "unas.csv": Truth(
        "thrice 9,980 + 12,990 + 5,970; postage is a line; in Hungarian",
        {"sold": "86820", "orders": "9", "customers": "9", "pieces": "18"},
        {"no_goods": "left out"},
        currency="HUF",
    ),
    "cafe24.csv": Truth(
        "thrice 30,000 + 59,000 - 5,000 + 36,000; in Korean",
        {"sold": "360000", "orders": "9", "customers": "9", "pieces": "18"},
        currency="KRW",
    ),
    "allegro.json": Truth(
        "2 x 25 + 49.99 + 3 x 30 + 49.99: prices are objects, those before the discount, too",
        {"sold": "239.98", "back": "0", "orders": "3", "customers": "2", "currency": "PLN"},
        {
            "amount_parts": "lineItems.price.amount times lineItems.quantity",
            "READY_FOR_PROCESSING": "sale",
        },
        currency="PLN",
    ),
    "mercadolibre.csv": Truth(
        "30,000 + 22,500 + 22,500 + 45,000; 22,500 came back; the number of a sale is not a time",
        {"sold": "120000", "back": "22500", "orders": "4", "customers": "3", "pieces": "7"},
        {"Venta cancelada": "no sale"},
        currency="ARS",
    ),
    "billbee.csv": Truth(
        "30 + 20 + 54 + 49.90 + 15 without postage, as few orders of several lines show; with 19 % "
        "of tax in them, these are 25.21 + 16.81 + 45.38 + 41.93 + 12.61",
        {"sold": "141.94", "back": "0", "orders": "4", "customers": "3", "pieces": "8"},
        {"amount_parts": "Item Total Price without the tax of Item Tax Rate"},
    ),
    "toast.csv": Truth(
        "42 + 90 + 15.50 + 210 after discounts, without tax and tips; one was voided",
        {"sold": "357.50", "back": "0", "orders": "4"},
        {"amount_parts": "Amount", "customer_id": "nobody", "date_format": "%m/%d/%y %I:%M %p"},
        currency="USD",
    ),
    "google_play.csv": Truth(
        "18 + 19.99 + 4.99 in the currency of the account; 18 went back, and fees are no sales",
        {"sold": "42.98", "back": "18", "currency": "EUR"},
        {
            "customer_id": "nobody",
            "Charge": "sale",
            "Google fee": "no sale",
            "Charge refund": "refund",
            "Google fee refund": "no sale",
        },
    ),
    "amazon_all_orders.txt": Truth(
        "30 - 4.79 + 20 - 3.19 - 2 + 45 - 7.18 + 49.90 - 7.97, without the tax in them",
        {"sold": "119.77", "back": "0", "orders": "3", "pieces": "7"},
        {
            "amount_parts": "item-price less item-tax and item-promotion-discount",
            "customer_id": "nobody",
            "Pending": "no sale",
        },
    ),
    "sp_api.json": Truth(
        "50 + 60 + 49.90: the only amount is an object of each order; one was cancelled",
        {"sold": "159.90", "back": "0", "orders": "3", "customers": "2"},
        {"no_customer": "nobody"},
    ),
    "bigcommerce_v2.json": Truth(
        "50 + 60 - 6 + 49.90 + 30 - 3 without tax; 10.80 with it went back; one was left",
        {"sold": "180.90", "back": "10", "orders": "4"},
        {
            "Awaiting Fulfillment": "sale",
            "Incomplete": "no sale",
            "refund_parts": "refunded_amount by the goods' part of total_inc_tax without "
            "base_shipping_cost",
        },
        currency="USD",
    ),
    "bigcommerce_refunds.json": Truth(
        "50 + 60 - 6 + 50 + 20 + 30 without tax; 10 and 20 of it went back, as 10.80 and 26.60",
        {"sold": "204", "back": "30", "orders": "5", "customers": "4"},
        currency="USD",
    ),
    "magento_rest.json": Truth(
        "50 + 20 + 110 + 40 + 84 + 45 without tax; two mugs, a lamp, and a mug went back",
        {"sold": "349", "back": "80", "orders": "6", "customers": "5", "pieces": "16"},
        {"amount_parts": "items.row_total less items.discount_amount"},
    ),
    "magento_refund_totals.json": Truth(
        "The same, of which orders alone say what went back, with tax, and postage of one",
        {"sold": "349", "back": "80", "orders": "6", "customers": "5", "pieces": "16"},
        {
            "amount_parts": "items.row_total less items.discount_amount",
            "refund_parts": "total_refunded by the goods' part of grand_total without "
            "shipping_amount",
        },
    ),
    "prestashop_details.csv": Truth(
        "20 + 30 + 2 x 50 + 24 without tax; one lamp of 50 was refunded, and came back",
        {"sold": "174", "back": "50", "orders": "3", "customers": "2", "pieces": "8"},
    ),
    "kaufland.csv": Truth(
        "2 x 11.90 + 23.80 + 59.50 + 9.50, in cents; the lamp of 59.50 came back",
        {"sold": "116.60", "back": "59.50", "orders": "3", "customers": "2"},
        {"units": "cents", "returned_paid": "refund"},
    ),
    "bandcamp.csv": Truth(
        "10 + 2 x 25 + 3 without taxes, postage and what fans add; one shirt of 25 went back",
        {"sold": "63", "back": "25", "orders": "3", "customers": "3"},
        currency="USD",
    ),
    "woo_advanced.csv": Truth(
        "50 + 100 + 30 + 40 - 4, once for each order; 59.50 with 19 % and all of 30 went back",
        {"sold": "216", "back": "80", "orders": "4", "customers": "3"},
        {
            "amount_of": "order",
            "amount_parts": "Order Subtotal Amount less Cart Discount Amount",
            "refund_parts": "Order Refund Amount by the goods' part of Order Total Amount without "
            "Order Shipping Amount",
        },
    ),
    "woo_rest.json": Truth(
        "50 + 100 + 30 + 40 - 4; the list of refunds is asked about; guests have the number 0",
        {"sold": "216", "back": "30", "orders": "4", "customers": "4", "pieces": "10"},
        {"refunded_amount": "none"},
    ),
    "amazon_date_range_de.csv": Truth(
        "20 + 30 - 3 + 1,050 without tax, postage and fees; 27 went back",
        {"sold": "1097", "back": "27", "orders": "2", "pieces": "4"},
        {
            "Bestellung": "sale",
            "Erstattung": "refund",
            "Servicegebühr": "no sale",
            "Übertrag": "no sale",
            "customer_id": "nobody",
        },
    ),
    "etsy_statement.csv": Truth(
        "54 + 24.50 before fees, which are dashes on rows of sales; 24.50 went back",
        {"sold": "78.50", "back": "24.50"},
        {"Deposit": "no sale", "Fee": "no sale", "Tax": "no sale", "customer_id": "nobody"},
    ),
    "shopware6.json": Truth(
        "40 + 50 + 20 + 30 and 19 % of tax in each; 20 went back, as a list of transactions says",
        {"sold": "140", "back": "20", "orders": "4", "customers": "2", "pieces": "8"},
        {
            "amount_parts": "lineItems.totalPrice without tax by price.netPrice",
            "open": "sale",
            '[{"stateMachineState":{"technicalName":"refunded"}}]': "refund",
        },
    ),
    "woo_item_refunds.csv": Truth(
        "50 + 100 + 15 + 30 without tax; a lamp of 50 and the plate went back",
        {"sold": "195", "back": "80", "orders": "3", "customers": "2", "pieces": "8"},
    ),
    "clover.csv": Truth(
        "50 + 20 + 100 + 30 without tax, tips beside it; 108 and 10.80 with 8 % went back",
        {"sold": "200", "back": "110", "orders": "4"},
        {
            "Open": "no sale",
            "amount_parts": "Order Total less Tax Amount",
            "customer_id": "nobody",
        },
    ),
    "baselinker.json": Truth(
        "2 x 15 + 20 + 3 x 20 + 49.90 with 23 % of tax: numbers of products such as MUG-1 are no "
        "amounts",
        {"sold": "130", "back": "0", "orders": "3", "customers": "2", "pieces": "7"},
        {
            "amount_parts": "products.price_brutto times products.quantity without the tax of "
            "products.tax_rate"
        },
        currency="PLN",
    ),
    "webflow.csv": Truth(
        "30 + 20 + 49.90 + 60 + 15 before fees; 49.90 went back, of which nothing is left",
        {"sold": "174.90", "back": "49.90", "orders": "5", "customers": "4"},
        {"amount_parts": "Subtotal"},
        currency="USD",
    ),
    "days_of_spreadsheet.csv": Truth(
        "15 + 20 + 49.90 + 30 + 40: times are numbers of days, with a decimal comma",
        {"sold": "154.90", "back": "0", "orders": "5", "customers": "3", "pieces": "10"},
    ),
    "yen_thousands.csv": Truth(
        "15,000 + 3,600 + 1,800 + 30,000 + 4,200: an amount of yen has no decimals",
        {"sold": "54600", "back": "0", "orders": "5", "customers": "3", "pieces": "7"},
        currency="JPY",
    ),
    "money_with_units.ndjson": Truth(
        "30 + 18 + 60 + 49.90 + 27: amounts have a unit, as weights have",
        {"sold": "184.90", "back": "0", "orders": "3", "customers": "3", "currency": "EUR"},
    ),
    "countly.ndjson": Truth(
        "49.90 + 20: the sum of an event is 0 where it is no purchase",
        {"worth": "69.90", "visitors": 2},
        kind="events",
    ),
    "moengage.csv": Truth(
        "49.90 + 20 of purchases made",
        {"worth": "69.90", "types": {"product_view": 2, "add_to_cart": 1, "purchase": 2}},
        kind="events",
    ),
    "visits_with_events.ndjson": Truth(
        "49.90 + 20; each record is a visit with a list of events",
        {
            "worth": "69.90",
            "visitors": 2,
            "types": {"page_view": 3, "product_view": 1, "purchase": 2},
        },
        kind="events",
    ),
    "adobe_counts.csv": Truth(
        "49.90 + 20; a column counts each thing that happened",
        {
            "worth": "69.90",
            "visitors": 2,
            "types": {"page_view": 2, "add_to_cart": 1, "purchase": 2},
        },
        kind="events",
    ),
    "odoo_stock.csv": Truth(
        "10 - 2 + 4 - 1, 7 - 3, 2: what is reserved is sold already",
        {"stock": {"MUG-1": "11", "PLT-1": "4", "LMP-1": "2"}},
        {"stock": "Quantity less Reserved Quantity"},
        kind="stock",
    ),
    "stripe_invoices.json": Truth(
        "50 + 30 + 20 + 60, in cents, which taxes and totals show; one is void",
        {"sold": "160", "back": "0", "orders": "3", "customers": "2", "pieces": "9"},
        {"units": "cents"},
    ),
    "kofi.csv": Truth(
        "20 + 30 + 50 + 3; a tip is no goods, and what was given is another page's",
        {"sold": "103", "customers": "5"},
        {"rows": "orders", "payment_amount": "Received", "no_goods": "left out"},
        currency="USD",
    ),
    "google_ads_es.csv": Truth(
        "10.50 + 21; two lines below are their totals",
        {"spent": {"EUR": "31.50"}},
        {"platform": "google_ads", "account_id": "one account", "date_format": "%d/%m/%Y"},
        kind="ad_spend",
    ),
    "sevdesk.csv": Truth(
        "100 + 50 + 1,200 without tax; a row of its own takes a cancelled invoice of 50 back",
        {"sold": "1350", "back": "50", "orders": "3", "customers": "3"},
        {"RE": "sale", "SR": "refund", "Storniert": "sale", "Entwurf": "no sale"},
    ),
    "sage.csv": Truth(
        "100 + 60 + 40 + 25 without tax; 40 credited, above zero: SI and SC are asked",
        {"sold": "225", "back": "40", "customers": "3"},
        {"SI": "sale", "SC": "refund", "customer_id": "A/C", "rows": "orders"},
        currency="GBP",
    ),
    "sensors.ndjson": Truth(
        "299 + 88 yuan that were paid; what was ordered stands beside it",
        {
            "types": {"page_view": 2, "purchase": 2, "提交订单": 2},
            "worth": "387",
            "visitors": 2,
        },
        {"cart_value": "properties.支付金额"},
        kind="events",
        currency="CNY",
    ),
    "sets.csv": Truth(
        "50 + 20 + 50 + 10 + 30: what is in a set is paid with it",
        {"sold": "160", "orders": "4", "customers": "4", "pieces": "6"},
        {"state_flag_1": "no sale"},
    ),
    "magento_base.csv": Truth(
        "45 + 18 + 54 + 30 euros of the shop's own columns; one was cancelled",
        {"sold": "147", "back": "0", "orders": "4", "currency": "EUR"},
    ),
    "line_types.csv": Truth(
        "50 - 5 + 10 + 20 - 10: lines of postage, of gift cards and of their use are no sales",
        {"sold": "80", "back": "15"},
        {
            "no_goods": "left out",
            "product": "sale",
            "discount": "sale",
            "gift_card": "no sale",
            "gift_card_redemption": "no sale",
            "shipping": "no sale",
        },
    ),
    "customers_tr.csv": Truth(
        "Evet is a yes to mails, Hay\u0131r a no",
        {"people": 3, "consent": [True, False, True]},
        kind="customers",
    ),
    "customers_ja.csv": Truth(
        "はい is a yes to a mail magazine, いいえ a no",
        {"people": 3, "consent": [True, False, True]},
        kind="customers",
    ),
}


def search_of(path: Path, currency: str) -> MappingSearch:
    """Return the search over a file, of the kind that its columns show."""
    settings = Settings(home=path.parent / "home", currency=currency, timezone="UTC")
    search = MappingSearch([str(path)], settings)
    return replace(search, kind=listed) if (listed := listed_kind(search.look)) else search


def shipped_or_own(search: MappingSearch) -> str:
    """Return the mapping that is looked for: of reports of ads a shipped one may be the best."""
    return "" if search.kind is MappingKind.AD_SPEND else OWN


def answered(search: MappingSearch, truth: Truth) -> tuple[MappingProposal, list[str]]:
    """Return the mapping once all its questions are answered, and what was asked."""
    given: dict[str, str] = {}
    asked: list[str] = []
    while True:
        proposal = search.proposal(given, shipped_or_own(search))
        still_open = open_questions(proposal, given) or [
            question
            for question in proposal.questions
            if question.key not in given and {question.key, question.subject} & truth.answers.keys()
        ]
        if not still_open:
            return proposal, asked
        question = still_open[0]
        if question.key == ZONE:
            given[ZONE] = "UTC"
            continue
        answer = truth.answers.get(question.subject) or truth.answers.get(question.key)
        assert answer, question.sentence
        given[question.key] = question.checked(answer)
        asked += [] if question.is_optional else [question.key]


def kept(reading: Reading) -> Sequence[Mapping[str, object]]:
    assert isinstance(reading, FileReading)
    rows = reading.files.classified().to_pyarrow().to_pylist()
    return [row for row in rows if row["reject_reason"] is None]


def of_orders(reading: Reading) -> dict[str, object]:
    rows = kept(reading)
    sold, back = ([r for r in rows if r["status"] == state] for state in ("shipped", "refunded"))
    return {
        "sold": sum((Decimal(str(row["payment_amount"])) for row in sold), Decimal()),
        "back": sum((Decimal(str(row["payment_amount"])) for row in back), Decimal()),
        "orders": len({row["order_id"] or (row["customer_id"], row["ordered_at"]) for row in sold}),
        "customers": len({row["customer_id"] for row in sold} - NOBODIES),
        "pieces": sum((Decimal(str(row["quantity"])) for row in sold), Decimal()),
        "currency": ", ".join(sorted({str(row["currency"]) for row in sold})),
    }


def of_events(reading: Reading) -> dict[str, object]:
    rows = kept(reading)
    who = ("user_id", "anonymous_id", "session_id")
    bought = [row for row in rows if row["event_type"] == "purchase"]
    return {
        "types": dict(Counter(str(row["event_type"]) for row in rows)),
        "visitors": len({next(filter(None, map(row.get, who)), None) for row in rows}),
        "worth": sum((Decimal(str(row["cart_amount"])) for row in bought), Decimal()),
    }


def of_ads(reading: Reading) -> dict[str, object]:
    assert isinstance(reading, AdSpendFileReading)
    return {"spent": {money.currency: money.amount for money in reading.spent}}


def of_stock(reading: Reading) -> dict[str, object]:
    assert isinstance(reading, StockFileReading)
    return {"stock": {row["product_id"]: row["stock"] for row in reading.totals}}


def of_customers(reading: Reading) -> dict[str, object]:
    assert isinstance(reading, CustomerFileReading)
    people = [record.customer for record in reading.records if record.customer]
    return {
        "people": len(people),
        "ids": sorted(str(person.id) for person in people),
        "emails": sum(bool(person.email) for person in people),
        "consent": [person.has_email_consent for person in people],
    }


def of_costs(reading: Reading) -> dict[str, object]:
    return {"costs": {str(row["item_id"]): str(row["unit_cost_amount"]) for row in reading.preview}}


COUNTED = {
    "orders": of_orders,
    "events": of_events,
    "ad_spend": of_ads,
    "stock": of_stock,
    "customers": of_customers,
    "costs": of_costs,
}


def plain(value: object) -> object:
    """Return a number, or the numbers of a mapping, without zeros behind them."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    is_number = isinstance(value, int | Decimal) or str(value).replace(".", "", 1).isdigit()
    return Decimal(str(value)).normalize() if is_number else value


def test_each_file_has_its_truth() -> None:
    assert {path.name for path in FILES.iterdir()} == {*TRUTHS}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_a_file_comes_to_what_its_vendor_sold(tmp_path: Path, name: str) -> None:
    truth = TRUTHS[name]
    path = write(tmp_path / name, (FILES / name).read_text(encoding="utf-8"))
    search = search_of(path, truth.currency)
    proposal, asked = answered(search, truth)
    assert proposal.kind is MappingKind(truth.kind)
    assert len(asked) <= MOST_QUESTIONS, asked
    with read_by(search, proposal) as reading:
        counted = COUNTED[truth.kind](reading)
    assert {field: plain(counted[field]) for field in truth.expected} == plain(
        dict(truth.expected)
    ), truth.why


CHANGES = """\
id,id_order,date_add,customer_id,order_state,total_products,total_shipping,total_paid
1,10,2026-03-02 10:00:00,5,Awaiting payment,50.00,5.00,55.00
2,10,2026-03-03 10:00:00,5,Payment accepted,50.00,5.00,55.00
3,10,2026-03-04 10:00:00,5,Shipped,50.00,5.00,55.00
4,11,2026-03-04 11:00:00,6,Payment accepted,20.00,5.00,25.00
5,11,2026-03-08 11:00:00,6,Refunded,20.00,5.00,25.00
6,12,2026-03-05 12:00:00,7,Awaiting payment,80.00,0.00,80.00
7,12,2026-03-15 12:00:00,7,Canceled,80.00,0.00,80.00
"""


def test_a_row_for_each_state_of_an_order_is_refused(tmp_path: Path) -> None:
    search = search_of(write(tmp_path / "history.csv", CHANGES), "EUR")
    with pytest.raises(DefinitionError, match="Awaiting payment, Payment accepted, Shipped"):
        search.proposal({}, OWN)


VISITS = """\
{"visitId": 1, "date": "20260302", "fullVisitorId": "7", "hits": [{"type": "PAGE", "time": 0}, \
{"type": "PAGE", "time": 5000, "transaction": {"transactionRevenue": 49900000}}]}
{"visitId": 2, "date": "20260302", "fullVisitorId": "8", "hits": [{"type": "PAGE", "time": 0}]}
"""
LOG = """\
#Version: 1.0
#Fields: date time c-ip cs-method cs-uri-stem sc-status
2026-03-02\t10:00:00\t192.0.2.10\tGET\t/\t200
2026-03-02\t10:01:00\t192.0.2.10\tGET\t/p/mug\t200
"""
SUMS = """\
Timestamp,Visitor ID,Page Views,Cart Additions,Orders,Revenue
2026-03-02 10:00:00,a,3,1,0,0
2026-03-02 11:00:00,b,2,0,2,69.90
"""
PAGES = """\
date,hostname,page,visits,visitors,pageviews,exits,entrances
2026-03-02,shop.example,/,30,25,41,10,20
2026-03-02,shop.example,/p/mug,12,11,14,4,3
2026-03-03,shop.example,/,33,29,44,12,22
"""


HOURS = """\
Timestamp,Hostname,Pathname,Views,Uniques,Value
2026-03-02 10:00:00,shop.example,/,41,30,0
2026-03-02 10:00:00,shop.example,/done,3,3,119.80
2026-03-02 11:00:00,shop.example,/,37,28,0
"""
PAIRS = """\
ts=2026-03-02T10:00:00Z level=info event=page_view user=u1 path=/
ts=2026-03-02T10:02:00Z level=info event=purchase user=u1 order=O1 amount=49.90
"""
BULK = """\
{"id": "Order/1", "created_at": "2026-03-02T10:00:00Z", "email": "a@x.example", "total": "85.00"}
{"id": "Line/11", "sku": "MUG-1", "quantity": 3, "paid": "30.00", "__parentId": "Order/1"}
{"id": "Line/12", "sku": "LMP-1", "quantity": 1, "paid": "50.00", "__parentId": "Order/1"}
{"id": "Order/2", "created_at": "2026-03-03T10:00:00Z", "email": "b@x.example", "total": "20.00"}
{"id": "Line/21", "sku": "MUG-1", "quantity": 2, "paid": "20.00", "__parentId": "Order/2"}
"""


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("hours.csv", HOURS, "it is a report of sums"),
        ("log.txt", PAIRS, "names with their values .* as logs have them"),
        ("bulk.jsonl", BULK, "Of 5 records of the file, 3 have no time .* in __parentId"),
        ("visits.ndjson", VISITS, "Each record of the file is a visit, and its list hits"),
        ("access.tsv", LOG, "W3C's extended format"),
        ("metrics.csv", SUMS, "Orders, Cart Additions, Page Views.* these are sums of events"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_form(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    search = search_of(write(tmp_path / name, text), "EUR")
    with pytest.raises(DefinitionError, match=reason):
        search.proposal({"rows": "events"}, OWN)


def test_orders_beside_their_items_are_records_of_two_kinds(tmp_path: Path) -> None:
    orders = write(tmp_path / "a.csv", "order_id,created_at,email,total\n1,2026-03-02,a@x.y,80\n")
    items = write(tmp_path / "b.csv", "order_id,sku,quantity,price\n1,MUG-1,8,10\n")
    search = MappingSearch([str(orders), str(items)], Settings(home=tmp_path / "home"))
    with pytest.raises(SourceError, match=r"b\.csv has other columns .* joined by order_id"):
        search.proposal({}, OWN)


@pytest.mark.parametrize(
    ("seen", "put_in", "bought"),
    [
        ("閲覧", "カート追加", "購入"),
        ("商品浏览", "加入购物车", "支付成功"),
        ("просмотр товара", "добавление в корзину", "покупка"),
        ("ürün görüntüleme", "sepete ekle", "sat\u0131n alma"),
        ("상품조회", "장바구니", "구매완료"),
    ],
)
def test_what_visitors_did_is_known_in_other_scripts(seen: str, put_in: str, bought: str) -> None:
    known = [known_event_type(name) for name in (seen, put_in, bought)]
    assert known == ["product_view", "add_to_cart", "purchase"]


def test_sums_of_pages_are_no_events(tmp_path: Path) -> None:
    search = search_of(write(tmp_path / "pages.csv", PAGES), "EUR")
    with pytest.raises(DefinitionError, match="it is a report of sums"):
        search.proposal({}, OWN)


def test_days_of_spreadsheets_are_no_amounts_and_no_numbers_of_orders() -> None:
    days = ["46083.4166667", "46083.5208333", "46085.75"]
    assert days_of_spreadsheet("Sold at", days)
    assert days_of_spreadsheet("Datum", ["46083", "46084,5"])
    assert not days_of_spreadsheet("Betrag", ["46083", "46084,50"])
    assert not days_of_spreadsheet("Date", ["46083", "1"])
    assert not days_of_spreadsheet("Tag ID", ["46083", "46084"])


def test_a_name_with_and_without_a_tax_is_that_of_an_amount() -> None:
    parts = {name: part_of(Value((name,), "", 0)) for name in AMOUNTS_AND_PARTS}
    assert parts == AMOUNTS_AND_PARTS


AMOUNTS_AND_PARTS = {
    "subtotal_ex_tax": None,
    "Total without VAT": None,
    "Montant hors TVA": None,
    "total_tax": Part.TAX,
    "taxRate.amount": None,
    "tax.amount": Part.TAX,
    "shipping_cost_ex_tax": Part.SHIPPING,
}


def test_lines_in_a_language_that_nobody_knows_are_no_list_of_customers(tmp_path: Path) -> None:
    """In Swahili: number, date, e-mail, goods, pieces, price, and what both come to with postage.

    People with a number of orders, their mean and their sum look the same, but for a known name.
    """
    rows = []
    for n in range(1, 9):
        pieces, price = n % 3 + 1, n * 100 + 50
        sold = f"Kofia,{pieces},{price},40,{pieces * price + 40}"
        rows.append(f"{n},2026-03-0{n} 09:15,p{n}@example.tz,{sold}")
    head = "Namba,Tarehe,Barua pepe,Bidhaa,Idadi,Bei,Usafiri,Jumla"
    search = search_of(write(tmp_path / "o.csv", "\n".join([head, *rows, ""])), "TZS")
    assert (kind_of(search.look), likely_kind(search.look)) == (None, MappingKind.ORDERS)
    people = "Namba,Tarehe,Barua pepe,Jina,Orders,Bei,Usafiri,Jumla"
    search = search_of(write(tmp_path / "c.csv", "\n".join([people, *rows, ""])), "TZS")
    assert kind_of(search.look) is MappingKind.CUSTOMERS


def test_kinds_that_are_alike_can_be_answered_one_by_one(tmp_path: Path) -> None:
    """Fees stand beside a sale; of these somebody says each by itself."""
    path = write(tmp_path / "bol.csv", (FILES / "bol.csv").read_text(encoding="utf-8"))
    search = search_of(path, "EUR")
    given = {ZONE: "UTC", "customer_id": "nobody", "state_beside": "each by itself"}
    subjects = {one.subject for one in open_questions(search.proposal(given, OWN), given)}
    assert {"Commissie", "Verzendkosten", "Correctie commissie", "Pick&pack kosten"} <= subjects
