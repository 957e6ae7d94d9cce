"""URLs of warehouses, sources and services without their secrets;
every message that shows a URL uses this module.
"""

import re
from urllib.parse import parse_qsl

_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[\w.%-]*(?:\[[\w*]+\])?)(?::\d+)?"
_AUTHORITY = re.compile(rf"(?:(?P<user>[^:@\s]*)(?::\S*)?@)?(?P<host>{_HOST}(?:,{_HOST})*)")
"""The authority part of a well-formed URL: user, password and host."""
_LOGIN = re.compile(r"(//|:).*@")
_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|[\s\[\]]")
_IN_SENTENCE = re.compile(r"(//[^\s:@]*):\S*@")
_FIRST_WORD = re.compile(r"[A-Za-z][\w+.-]*[:/]+")
_NAMED_SECRET = re.compile(
    r"\b(\w*(?:password|passwd|pwd|secret|token|key)\w*\s*[=:]\s*)[^\s&;,]+", re.IGNORECASE
)
FILE_SCHEMES = {"sqlite", "file"}
"""Schemes whose path is a file path, in which @ has no special meaning;
engines add theirs (see `EngineKind`).
"""
_SHOWN = ("host", "hostaddr", "port")
"""Query parameters of a Postgres URL that identify its server and are shown."""


def without_secrets(url: str) -> str:
    """Return a URL without its password and without its query, which can contain keys and tokens.

    In a malformed URL the password can be anywhere, so only the beginning is returned. A text that
    is not a URL, such as a path, is returned unchanged.
    """
    scheme = _SCHEME.match(url.strip())
    if scheme is None and _LOGIN.search(url):
        first = _FIRST_WORD.match(url.strip())
        return f"{first[0] if first else ''}…"
    if scheme is None:
        return _NAMED_SECRET.sub(r"\1…", url)
    address, _, query = url.strip()[scheme.end() :].partition("?")
    authority, slash, path = address.partition("/")
    fitting = _AUTHORITY.fullmatch(authority.partition("#")[0])
    is_file = scheme[1] in FILE_SCHEMES and not authority
    if fitting is None or "#" in authority or ("@" in path + query and not is_file):
        return f"{scheme[0]}…"
    user = fitting["user"]
    shown = f"{user}@{fitting['host']}" if user else fitting["host"]
    return f"{scheme[0]}{shown}{slash}{path.partition('#')[0]}{_server(scheme[1], query)}"


def hides_its_password(url: str) -> bool:
    """Return whether nobody can take a part of a URL's password for its host, port or path.

    A password with `@`, `/`, `#`, `?`, `%` or a space that is not percent-encoded is cut at one of
    them, differently by each program, and the rest stands in messages such as that there is no host
    of that name.
    """
    scheme = _SCHEME.match(url.strip())
    if scheme is None or scheme[1] in FILE_SCHEMES:
        return True
    if without_secrets(url).endswith("://…"):
        return False
    authority = url.strip()[scheme.end() :].partition("?")[0].partition("/")[0]
    login = authority.rpartition("@")[0]
    is_cut_early = scheme[1].startswith("postgres") and "@" in login
    return not is_cut_early and _NOT_ENCODED.search(login) is None


def scrubbed(sentence: str) -> str:
    """Return a text without the passwords of the URLs in it, for messages of other programs."""
    return _IN_SENTENCE.sub(r"\1:…@", sentence)


def _server(scheme: str, query: str) -> str:
    """Return the part of a Postgres URL's query that identifies the server."""
    if not scheme.startswith("postgres"):
        return ""
    shown = [f"{name}={value}" for name, value in parse_qsl(query) if name in _SHOWN]
    return f"?{'&'.join(shown)}" if shown else ""
