"""Mail goes out over a real SMTP server, with and without TLS and login,
and refusals do not show the password.
"""

import smtplib
import socket
from email.message import EmailMessage
from urllib.parse import quote

import pytest

from ecom_assets.core.errors import MailError, SettingError
from ecom_assets.orchestration.automation import mail
from ecom_assets.orchestration.automation.mail import MailServer
from ecom_assets_tests.each import each
from ecom_assets_tests.mail_server import HOST, PASSWORD, USER, Certificate, mail_server
from ecom_assets_tests.ports import free_port

LOGIN = f"{quote(USER)}:{quote(PASSWORD, safe='')}@"
WRONG = f"{quote(USER)}:s3cret@"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "RETRY_PAUSES_S", (0.0, 0.0))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The same certificate, made known to this machine as people make known their own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    return certificate


def letter(*recipients: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "shop@x.example",
        ", ".join(recipients),
        "Grüße",
    )
    message.set_content("Die Summe stimmt nicht: 3 €.\n")
    return message


def test_mail_arrives_without_tls_and_without_login() -> None:
    with mail_server() as mailbox:
        assert (
            MailServer.parse(f"smtp://{HOST}:{mailbox.port}").send(
                letter("ann@x.example", "bob@x.example")
            )
            == []
        )
    (message,) = mailbox.messages
    assert mailbox.recipients == [["ann@x.example", "bob@x.example"]]
    assert (message["Subject"], message.get_content()) == (
        "Grüße",
        "Die Summe stimmt nicht: 3 €.\n",
    )


def test_mail_arrives_with_a_login() -> None:
    with mail_server(login=True) as mailbox:
        MailServer.parse(f"smtp://{LOGIN}{HOST}:{mailbox.port}").send(letter("ann@x.example"))
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize("login", [False, True])
def test_mail_arrives_over_tls_from_the_start(trusted: Certificate, login: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    with mail_server(tls=trusted, login=login) as mailbox:
        MailServer.parse(f"smtps://{LOGIN if login else ''}{HOST}:{mailbox.port}").send(
            letter("ann@x.example")
        )
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize("login", [False, True])
def test_mail_arrives_over_starttls(trusted: Certificate, login: bool) -> None:  # noqa: FBT001 (as above)
    with mail_server(starttls=trusted, login=login) as mailbox:
        url = f"smtp://{LOGIN if login else ''}{HOST}:{mailbox.port}?starttls=true"
        MailServer.parse(url).send(letter("ann@x.example"))
    assert len(mailbox.messages) == 1


def refusal(url: str, *recipients: str) -> str:
    with pytest.raises(MailError) as refused:
        MailServer.parse(url).send(letter(*(recipients or ("ann@x.example",))))
    return str(refused.value)


def test_a_wrong_password_is_refused_once_and_not_shown() -> None:
    with mail_server(login=True) as mailbox:
        result = refusal(f"smtp://{WRONG}{HOST}:{mailbox.port}")
    assert result.startswith(
        f"The mail server smtp://{HOST}:{mailbox.port} did not take the message: 535 "
    )
    assert result.endswith(
        "; start it or correct ECOM_SMTP_URL, ECOM_ALERT_EMAIL or ECOM_ALERT_SENDER."
    )
    assert "s3cret" not in result
    assert (mailbox.messages, mailbox.session_count) == ([], 1), (
        "a wrong password is not tried again"
    )


def test_a_server_that_wants_a_login_or_tls_says_so(trusted: Certificate) -> None:
    with mail_server(login=True) as mailbox:
        assert "530 5.7.0 Authentication required" in refusal(f"smtp://{HOST}:{mailbox.port}")
    with mail_server(starttls=trusted) as mailbox:
        assert "530 Must issue a STARTTLS command first" in refusal(f"smtp://{HOST}:{mailbox.port}")
    with mail_server() as mailbox:
        assert "STARTTLS extension not supported by server" in refusal(
            f"smtp://{HOST}:{mailbox.port}?starttls=true"
        )


@pytest.mark.parametrize("address", ["smtps://{host}:{port}", "smtp://{host}:{port}?starttls=true"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: Certificate, address: str
) -> None:
    is_tls = address.startswith("smtps")
    with mail_server(
        tls=certificate if is_tls else None, starttls=None if is_tls else certificate
    ) as mailbox:
        result = refusal(address.format(host=HOST, port=mailbox.port))
    assert "certificate verify failed" in result.lower()
    assert mailbox.messages == []


def test_a_server_that_asks_to_come_back_is_asked_again_a_few_times() -> None:
    with mail_server() as mailbox:
        url = f"smtp://{HOST}:{mailbox.port}"
        mailbox.answers = ["451 4.3.0 busy", "421 4.3.2 closing"]
        MailServer.parse(url).send(letter("ann@x.example"))
        assert len(mailbox.messages) == 1
        mailbox.answers = ["451 4.3.0 busy"] * 9
        assert "451 4.3.0 busy" in refusal(url)
    assert len(mailbox.answers) == 6, "three attempts"


def test_a_server_that_takes_a_message_and_then_behaves_oddly_does_not_get_it_twice() -> None:
    with mail_server() as mailbox:
        mailbox.goodbye = "500 what?"
        MailServer.parse(f"smtp://{HOST}:{mailbox.port}").send(letter("ann@x.example"))
    assert len(mailbox.messages) == 1


def test_a_message_that_is_refused_for_good_is_not_tried_again() -> None:
    with mail_server() as mailbox:
        mailbox.answers = ["554 5.7.1 spam"] * 2
        assert "554 5.7.1 spam" in refusal(f"smtp://{HOST}:{mailbox.port}")
    assert len(mailbox.answers) == 1


def test_one_recipient_who_is_refused_does_not_keep_the_others_from_their_mail() -> None:
    with mail_server() as mailbox:
        mailbox.refused = {"bob@x.example": "550 5.1.1 no such user"}
        server = MailServer.parse(f"smtp://{HOST}:{mailbox.port}")
        assert server.send(letter("ann@x.example", "bob@x.example")) == ["bob@x.example"]
        assert "bob@x.example: 550 5.1.1 no such user" in refusal(
            f"smtp://{HOST}:{mailbox.port}", "bob@x.example"
        )
    assert mailbox.recipients == [["ann@x.example"]]


def test_a_server_that_is_not_there_or_says_nothing_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    assert "Connection refused" in refusal(f"smtp://{HOST}:{free_port()}")
    with socket.create_server((HOST, 0)) as silent:
        assert "timed out" in refusal(f"smtp://{HOST}:{silent.getsockname()[1]}")
    assert "no_such_host.example" in refusal("smtp://no_such_host.example")


def test_the_login_is_tried_without_sending_anything() -> None:
    with mail_server(login=True) as mailbox:
        MailServer.parse(f"smtp://{LOGIN}{HOST}:{mailbox.port}").try_login()
        with pytest.raises(MailError, match="535"):
            MailServer.parse(f"smtp://{WRONG}{HOST}:{mailbox.port}").try_login()
    assert (mailbox.messages, mailbox.session_count) == ([], 2)


@each(
    "url, port, is_tls, is_starttls",
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp://mail.example?starttls=true", 587, False, True),
        ("smtp://mail.example:2525/?starttls=false", 2525, False, False),
        ("smtps://mail.example", 465, True, False),
    ],
)
def test_the_address_says_port_and_encryption(
    url: str,
    port: int,
    is_tls: bool,  # noqa: FBT001 (as above)
    is_starttls: bool,  # noqa: FBT001 (as above)
) -> None:
    server = MailServer.parse(url)
    assert (server.host, server.port, server.is_tls, server.is_starttls) == (
        "mail.example",
        port,
        is_tls,
        is_starttls,
    )


@each(
    "url",
    [
        "mail.example",
        "http://u:s3cret@mail.example",
        "smtp://u:s3cret@",
        "smtp://u:s3cret%C3%BC@mail.example",
        "smtp://u:s3cret@mail.example:mail",
        "smtp://u:s3cret@mail.example:70000",
        "smtp://u:s3cret@[::1",
        "smtp://u:s3cret@mail.example/in",
        "smtp://u:s3cret@mail.example?tls=true",
        "smtps://u:s3cret@mail.example?starttls=true",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match=r"^ECOM_SMTP_URL .*\.$") as refused:
        MailServer.parse(url)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_password_is_not_in_what_python_shows_of_a_server() -> None:
    assert "s3cret" not in repr(MailServer.parse("smtp://u:s3cret@mail.example"))


def test_a_password_that_a_server_repeats_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def talkative(*_: object, **__: object) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"no: p@ss:w/rd is wrong")

    monkeypatch.setattr(smtplib.SMTP, "login", talkative)
    with mail_server() as mailbox:
        assert "535 no: … is wrong" in refusal(f"smtp://{LOGIN}{HOST}:{mailbox.port}")
