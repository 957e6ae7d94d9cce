"""Addresses of warehouses, sources and services without their secrets. Every message shows them through this file."""

import re
from urllib.parse import parse_qsl

_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[\w.%-]*(?:\[[\w*]+\])?)(?::\d+)?"
_AUTHORITY = re.compile(rf"(?:(?P<user>[^:@\s]*)(?::\S*)?@)?(?P<host>{_HOST}(?:,{_HOST})*)")
"""User, password and host between the slashes, where they are written as they should be."""
_LOGIN = re.compile(r"(//|:)\S*@")
_IN_SENTENCE = re.compile(r"(//[^\s:@]*):\S*@")
_FIRST_WORD = re.compile(r"[A-Za-z][\w+.-]*[:/]+")
_NAMED_SECRET = re.compile(r"\b(\w*(?:password|passwd|pwd|secret|token|key)\w*\s*[=:]\s*)[^\s&;,]+", re.IGNORECASE)
_FILES = {"duckdb", "sqlite", "file", "spark"}
"""Schemes whose path is one of files, in which an @ is a letter like others."""
_SHOWN = ("host", "hostaddr", "port")
"""What the query of a Postgres address may say of its server, such as the folder of its socket."""


def without_secrets(url: str) -> str:
    """Return an address without its password and without its query, in which keys and tokens can stand.

    Of one that is mistyped, so that nobody can say where its password is, no more than the beginning is shown. A text
    that is no address, such as a path, stays as it is.
    """
    scheme = _SCHEME.match(url.strip())
    if scheme is None:
        return _mistyped(url)
    rest, _, query = url.strip()[scheme.end() :].partition("?")
    authority, slash, path = rest.partition("/")
    fitting = _AUTHORITY.fullmatch(authority.partition("#")[0])
    is_file = scheme[1] in _FILES and not authority
    if fitting is None or "#" in authority or ("@" in path + query and not is_file):
        return f"{scheme[0]}…"
    user = fitting["user"]
    shown = f"{user}@{fitting['host']}" if user else fitting["host"]
    return f"{scheme[0]}{shown}{slash}{path.partition('#')[0]}{_server(scheme[1], query)}"


def scrubbed(sentence: str) -> str:
    """Return a sentence without the passwords of addresses in it, for what other programs say."""
    return _IN_SENTENCE.sub(r"\1:…@", sentence)


def _mistyped(text: str) -> str:
    if _LOGIN.search(text):
        first = _FIRST_WORD.match(text.strip())
        return f"{first[0] if first else ''}…"
    return _NAMED_SECRET.sub(r"\1…", text)


def _server(scheme: str, query: str) -> str:
    """Return of a Postgres address's query what says which server it is."""
    if not scheme.startswith("postgres"):
        return ""
    told = [f"{name}={value}" for name, value in parse_qsl(query) if name in _SHOWN]
    return f"?{'&'.join(told)}" if told else ""
