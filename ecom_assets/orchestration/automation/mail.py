"""Writing messages, and sending them over any SMTP server."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import IO, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import MailError, SettingError
from ecom_assets.core.http.retry import TooSlow, limited
from ecom_assets.core.retrying import retrying
from ecom_assets.core.settings.settings import Settings

TIMEOUT_S = 10.0
"""How long the server may take for any one part of an answer."""
SESSION_S = 120.0
"""How long a session may take as a whole."""
MOST_BYTES = 1_000_000
"""How much the server may say in a session."""
RETRY_PAUSES_S = (1.0, 2.0)
"""How long to wait before each further try where the server was not reached,
or asked to come back later.
"""
PORTS = {"smtp": 25, "smtps": 465}
STARTTLS_PORT = 587
LATER = range(400, 500)
"""SMTP responses after which the same message may succeed later."""
EXAMPLES = (
    "smtp://host:25, smtp://user:password@host:587?starttls=true or smtps://user:password@host:465"
)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class MailServer:
    """An SMTP server: TLS from the start, by STARTTLS, or none; with a login or without."""

    host: str
    port: int
    is_tls: bool = False
    is_starttls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address such as `smtp://user:password@host:587?starttls=true`.

        Raises:
            SettingError: It is not an address of a mail server.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _no_address() from None  # the cause quotes the address
        options = {
            name: values[-1].lower()
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        is_starttls = options.pop("starttls", "false") == "true"
        is_tls = parts.scheme == "smtps"
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or options:
            raise _no_address()
        if is_tls and is_starttls:
            raise SettingError(
                "ECOM_SMTP_URL has both smtps:// and starttls, but a server uses only one of "
                "them; remove one."
            )
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not (user + password).isascii():
            raise SettingError(
                "ECOM_SMTP_URL has a user or password beyond ASCII, which logins to SMTP cannot "
                "carry."
            )
        return cls(
            host=parts.hostname,
            port=port or (STARTTLS_PORT if is_starttls else PORTS[parts.scheme]),
            is_tls=is_tls,
            is_starttls=is_starttls,
            user=user,
            password=password,
        )

    @property
    def address(self) -> str:
        """Return the server's address as people may see it."""
        return f"{'smtps' if self.is_tls else 'smtp'}://{self.host}:{self.port}"

    def try_login(self) -> None:
        """Connect and log in, and send nothing.

        Raises:
            MailError: The server does not answer, or refuses.
        """
        self._patiently(lambda session: session.noop())

    def send(self, message: EmailMessage) -> list[str]:
        """Send a message, and return who of its recipients was refused, if not all were.

        A server whose answer got lost is asked again, so that a message may arrive twice, under one
        Message-ID.

        Raises:
            MailError: The server does not answer, or refuses.
        """
        return sorted(self._patiently(lambda session: session.send_message(message)))

    def _patiently(self, act: Callable[[smtplib.SMTP], Answer]) -> Answer:
        def in_session() -> Answer:
            with self._session() as session:
                return act(session)

        try:
            answer: Answer = retrying(RETRY_PAUSES_S, _may_succeed_later)(in_session)
            return answer  # noqa: TRY300 (only the type checker wants the name)
        except (smtplib.SMTPException, OSError) as error:
            raise MailError(
                f"The mail server {self.address} did not take the message: {self._reason(error)}; "
                "start it or correct ECOM_SMTP_URL, ECOM_ALERT_EMAIL or ECOM_ALERT_SENDER."
            ) from error

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        # The machine's full name, which is the standard choice, may take a name server that does
        # not answer.
        name = socket.gethostname()
        plain = socket.create_connection((self.host, self.port), TIMEOUT_S)
        # Of the same connection: TLS takes the first one away.
        second = plain.dup()
        try:
            with (
                closing(plain),
                closing(second),
                limited(SESSION_S, lambda: second.shutdown(socket.SHUT_RDWR)),
            ):
                yield from self._within(name, plain)
        except TooSlow:
            raise smtplib.SMTPException(f"it did not end within {SESSION_S:g} s") from None

    def _within(self, name: str, plain: socket.socket) -> Iterator[smtplib.SMTP]:
        """Yield a session over a connection, and end it."""
        connected = plain
        if self.is_tls:
            context = ssl.create_default_context()
            connected = context.wrap_socket(plain, server_hostname=self.host)
        with closing(_BoundedSmtp(self.host, self.port, name, connected)) as session:
            if self.is_starttls:
                session.starttls(context=ssl.create_default_context())
            session.ehlo_or_helo_if_needed()
            if self.user:
                session.login(self.user, self.password)
            yield session
            with suppress(
                smtplib.SMTPException, OSError
            ):  # what was sent is sent, however the server says goodbye
                session.quit()

    def _reason(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            reason = ", ".join(
                f"{recipient}: {_reply(*answer)}" for recipient, answer in error.recipients.items()
            )
        elif isinstance(error, smtplib.SMTPResponseException):
            reason = _reply(error.smtp_code, error.smtp_error)
        else:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = " ".join(reason.split()).rstrip(".")
        return reason.replace(self.password, "…") if self.password else reason


class _BoundedSmtp(smtplib.SMTP):
    """A session over a connection that is there, whose answers are bounded."""

    def __init__(self, host: str, port: int, name: str, connected: socket.socket) -> None:
        self._connected = connected
        super().__init__(host, port, name, timeout=TIMEOUT_S)

    def _get_socket(self, *_address: object) -> socket.socket:
        return self._connected

    def getreply(self) -> tuple[int, bytes]:
        """Return an answer, of however many lines."""
        if (
            self.file is None and self.sock is not None
        ):  # where the library opens one, of any length
            self.file = _BoundedLines(self.sock.makefile("rb"))
        return super().getreply()


class _BoundedLines:
    """The lines that a server sends, up to so many bytes."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines, self._left = lines, MOST_BYTES

    def readline(self, most: int) -> bytes:
        line = self._lines.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise smtplib.SMTPException(f"it answers with more than {MOST_BYTES:,} bytes")
        return line

    def close(self) -> None:
        self._lines.close()


def new_message(
    sender: str, recipients: Sequence[str], headline: str, name: str, text: str
) -> EmailMessage:
    """Return a plain-text message; its `name` is the same for each attempt,
    so that copies are known as one message.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = " ".join(f"[ecom] {headline}".split())
    message["Date"] = format_datetime(now_utc())
    message["Message-ID"] = f"<{name}@ecom-assets>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def who_may_see_costs(
    addresses: Sequence[str], may_see: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return which addresses are among those that may see costs, in any case, and which are not."""
    allowed = {address.lower() for address in may_see}
    return (
        [address for address in addresses if address.lower() in allowed],
        [address for address in addresses if address.lower() not in allowed],
    )


def divided_by_costs(
    addresses: Sequence[str], may_see: Sequence[str], *, is_about_costs: bool
) -> list[tuple[list[str], bool]]:
    """Return who gets each of the messages about something, and whether it has what is about costs;
    what is not about costs is one message.
    """
    with_costs, others = who_may_see_costs(addresses, may_see if is_about_costs else ())
    parts = ((with_costs, True), (others, False))
    return [(recipients, has_costs) for recipients, has_costs in parts if recipients]


def _no_address() -> SettingError:
    return SettingError(f"ECOM_SMTP_URL is not an address of a mail server; write {EXAMPLES}.")


def _may_succeed_later(error: BaseException) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code in LATER for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in LATER
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLCertVerificationError)


def _reply(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


def mail_server_of(settings: Settings) -> MailServer:
    """Return the server that sends reports.

    Raises:
        SettingError: ECOM_REPORT_EMAIL or ECOM_SMTP_URL is not set.
    """
    if not settings.report_email:
        raise SettingError(
            "ECOM_REPORT_EMAIL is not set; set it to who gets reports, separated by commas."
        )
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise SettingError(
            "ECOM_REPORT_EMAIL is set without ECOM_SMTP_URL; set both to send reports, or neither."
        )
    return MailServer.parse(url)
