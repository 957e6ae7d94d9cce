"""Currencies, time zones and weekdays as people write them: euro, €, Berlin, Montag."""

import unicodedata
from functools import cache
from typing import Final
from zoneinfo import available_timezones

_CURRENCIES: Final = {
    "EUR": "€ euro euros",
    "GBP": "£ pound pounds sterling pfund",
    "CHF": "franken chf. sfr fr.",
    "JPY": "yen",
    "UAH": "₴ hryvnia hrywnja гривня грн",
    "PLN": "zł zloty złoty",
    "CZK": "kč koruna",
    "HUF": "ft forint",
    "INR": "₹ rupee rupees",
    "TRY": "₺ lira",
    "KRW": "₩ won",
    "ILS": "₪ shekel",
    "BRL": "r$ real",
    "USD": "us$",
    "RON": "lei leu",
    "BGN": "лв lev",
    "VND": "₫ dong",
    "THB": "฿ baht",
    "PHP": "₱",
    "NGN": "₦ naira",
}
"""Names and signs that only one currency has; a dollar or a krone is that of several countries."""
_DAYS: Final = {
    "monday": "mon montag lundi lunes lunedi maandag понеділок",
    "tuesday": "tue dienstag mardi martes martedi dinsdag",
    "wednesday": "wed mittwoch mercredi miercoles mercoledi woensdag",
    "thursday": "thu donnerstag jeudi jueves giovedi donderdag",
    "friday": "fri freitag vendredi viernes venerdi vrijdag",
    "saturday": "sat samstag sonnabend samedi sabado sabato zaterdag субота",
    "sunday": "sun sonntag dimanche domingo domenica zondag неділя",
}
_CITIES: Final = {
    "wien": "Europe/Vienna",
    "rom": "Europe/Rome",
    "roma": "Europe/Rome",
    "mailand": "Europe/Rome",
    "kiew": "Europe/Kyiv",
    "kiev": "Europe/Kyiv",
    "warschau": "Europe/Warsaw",
    "prag": "Europe/Prague",
    "brussel": "Europe/Brussels",
    "bruxelles": "Europe/Brussels",
    "lissabon": "Europe/Lisbon",
    "kopenhagen": "Europe/Copenhagen",
    "munchen": "Europe/Berlin",
    "munich": "Europe/Berlin",
    "hamburg": "Europe/Berlin",
    "koln": "Europe/Berlin",
    "frankfurt": "Europe/Berlin",
    "barcelona": "Europe/Madrid",
    "manchester": "Europe/London",
    "lyon": "Europe/Paris",
    "genf": "Europe/Zurich",
    "mumbai": "Asia/Kolkata",
    "delhi": "Asia/Kolkata",
    "peking": "Asia/Shanghai",
    "beijing": "Asia/Shanghai",
    "tokio": "Asia/Tokyo",
}


def currency_code(written: str | None) -> str | None:
    """Return the code of a currency that is written by its name or sign; other text as it is."""
    return _named(written, _CURRENCIES) or written


def weekday_name(written: str | None) -> str | None:
    """Return the English name of a weekday; other text as it is."""
    return _named(written, _DAYS) or written


def zone_name(written: str | None) -> str | None:
    """Return the time zone of a city, if it has one of its own or is well known;
    other text as it is.
    """
    if written is None or written in available_timezones():
        return written
    city = _plain(written).replace(" ", "_")
    return _CITIES.get(city) or _zones_by_city().get(city) or written


@cache
def _zones_by_city() -> dict[str, str]:
    by_city: dict[str, set[str]] = {}
    for zone in available_timezones():
        if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/")):
            by_city.setdefault(_plain(zone.rsplit("/", 1)[-1]), set()).add(zone)
    return {city: zones.pop() for city, zones in by_city.items() if len(zones) == 1}


def _named(written: str | None, names: dict[str, str]) -> str | None:
    word = _plain(written or "")
    listed = ((name, [name, *words.split()]) for name, words in names.items())
    return next((name for name, words in listed if word and word in map(_plain, words)), None)


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(sign for sign in letters if not unicodedata.combining(sign))
