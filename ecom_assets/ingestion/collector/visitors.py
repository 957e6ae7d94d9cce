"""What is kept of who sends: the device id in a cookie, the network of the address,
the short form of a user agent.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from ecom_assets.behaviour.events.robots import is_robot_text
from ecom_assets.core.errors import SettingError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings

if TYPE_CHECKING:
    import maxminddb

COOKIE: Final = "ecom_device"
DAY_S: Final = 86_400
LONGEST_AGENT: Final = 512
_DEVICE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_BROWSERS: Final = {
    "edg": "Edge",
    "opr": "Opera",
    "firefox": "Firefox",
    "chrome": "Chrome",
    "safari": "Safari",
}
_SYSTEMS: Final = ("iPhone", "iPad", "Android", "Windows NT", "Macintosh", "CrOS", "Linux")
"""In the words by which `sessions/devices.py` distinguishes computers, phones and tablets."""
_V4_BITS, _V6_BITS = 24, 48


def device_of(cookies: str, proposed: object) -> str:
    """Return the id of a browser: that in the cookie, else the one that the page proposes,
    else a new one.

    The cookie is the server's own, so it outlives what scripts store. A page proposes an id because
    its first requests may be sent before the first answer has set the cookie.
    """
    for part in cookies.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and _DEVICE.fullmatch(value):
            return value
    if isinstance(proposed, str) and _DEVICE.fullmatch(proposed):
        return proposed
    return str(uuid4())


def cookie_header(device_id: str, days: int, *, is_secure: bool) -> str:
    """Return the value of `Set-Cookie`: no script reads it,
    and only pages of the same site send it.
    """
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={device_id}; Max-Age={days * DAY_S}; Path=/; HttpOnly; SameSite=Lax{secure}"


def kept_agent(settings: Settings, user_agent: str) -> str:
    """Return what the settings keep of a user agent; a robot can be recognized in any case."""
    if settings.collect_user_agent == "keep":
        return user_agent[:LONGEST_AGENT]
    lowered = user_agent.lower()
    if is_robot_text(user_agent):
        return "bot"
    browser = next((name for sign, name in _BROWSERS.items() if sign in lowered), "")
    system = next((name for name in _SYSTEMS if name.lower() in lowered), "")
    mobile = "Mobile" if "mobile" in lowered else ""
    return " ".join(part for part in (browser, system, mobile) if part)


CountryOf = Callable[[str], str]
"""Returns the country of an address, as two capital letters; empty where it is not known."""


def country_lookup(settings: Settings) -> CountryOf:
    """Return what finds countries in the file of the settings, which is held open;
    nothing without a file.

    Raises:
        SettingError: The file is no database of countries, or the package that reads it is missing.
    """
    path = settings.collect_country_file
    if path is None:
        return lambda _: ""
    with packages_of("geoip", "ECOM_COLLECT_COUNTRY_FILE"):
        import maxminddb  # noqa: PLC0415 (needed for such a file only)
    try:
        database = maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise SettingError(
            f"ECOM_COLLECT_COUNTRY_FILE is {path}, which is no MaxMind database ({error}); give a "
            "file such as GeoLite2-Country.mmdb."
        ) from error
    return lambda address: _country_in(_lookup(database, address))


def _lookup(database: "maxminddb.Reader", address: str) -> object:
    try:
        return database.get(address.partition("%")[0])
    except ValueError:  # no address, or one of version 6 in a file of version 4
        return None


def _country_in(record: object) -> str:
    """Return the country of a record,
    as MaxMind and DB-IP (`country.iso_code`) or IPinfo (`country`) write it.
    """
    if not isinstance(record, dict):
        return ""
    for country in (
        record.get("country"),
        record.get("country_code"),
        record.get("registered_country"),
    ):
        code = country.get("iso_code") if isinstance(country, dict) else country
        if isinstance(code, str) and _COUNTRY.fullmatch(code):
            return code
    return ""


def kept_properties(
    settings: Settings, headers: Mapping[bytes, bytes], address: str, country_of: CountryOf
) -> dict[str, str]:
    """Return what the settings keep of a visitor's country and address,
    as properties of each event.

    The proxy that names a country goes before the file: it may know more than an address.
    """
    result = {}
    named = (
        headers.get(settings.collect_country_header.lower().encode(), b"").decode("latin-1").upper()
    )
    if country := named if _COUNTRY.fullmatch(named) else country_of(address):
        result["country"] = country
    if settings.collect_address == "short" and (network := shortened(address)):
        result["ip"] = network
    return result


def shortened(address: str) -> str:
    """Return the network of an address, so that it names nobody; empty for none."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    bits = _V4_BITS if ip.version == 4 else _V6_BITS  # noqa: PLR2004 (the version's name)
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False).network_address)
