"""A real SMTP server in the test's own process: with or without TLS and login,
and with faults on demand.
"""

import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ecom_assets_tests.ports import free_port

USER, PASSWORD = "shop@mail.example", "p@ss:w/rd"
HOST = "127.0.0.1"


@dataclass
class Mailbox:
    """What arrived; `answers` are given to the next messages instead of taking them,
    `refused` recipients never.
    """

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    session_count: int = 0
    goodbye: str = "221 Bye"

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Count who comes."""
        self.session_count += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take a recipient, or not."""
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (as above)
        """Take a message, or answer what the test wants."""
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content.replace(b"\r\n", b"\n"), policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 (as above)
        """Say goodbye."""
        return self.goodbye


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine that signs itself, and its key."""

    file: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """Write a new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(
                issuer_name=name, subject_name=name, public_key=key.public_key()
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "certificate.pem")
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made.file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return made

    @property
    def context(self) -> ssl.SSLContext:
        """What a server shows it with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file)
        return context


@contextmanager
def mail_server(
    *, tls: Certificate | None = None, starttls: Certificate | None = None, login: bool = False
) -> Iterator[Mailbox]:
    """Serve until the test is done; with `login`, mail without one is refused."""
    mailbox = Mailbox(free_port())
    options: dict[str, Any] = {
        "auth_required": login,
        "auth_require_tls": False,
        "authenticator": _known,
    }
    if starttls:
        options |= {"tls_context": starttls.context, "require_starttls": True}
    controller = _Server(
        mailbox,
        hostname=HOST,
        port=mailbox.port,
        ssl_context=tls.context if tls else None,
        **options,
    )
    controller.start()
    mailbox.session_count = 0
    try:
        yield mailbox
    finally:
        controller.stop()


class _Server(Controller):
    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it warns of logins without TLS, which some shops' servers have
            served: SMTP = super().factory()  # type: ignore[no-untyped-call]  # aiosmtpd leaves its type out
            return served


def _known(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    is_known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)
