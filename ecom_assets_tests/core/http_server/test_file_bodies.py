"""Forms with a file, read as they come, however they are cut into blocks."""

import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.file_bodies import (
    MOST_FIELD_BYTES,
    FileBegins,
    FileForm,
    FormPart,
    SentField,
)
from ecom_assets_tests.each import each

KIND = "multipart/form-data; boundary=ab"


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return the body of a form, of the heads and the contents of its parts."""
    written = b"".join(
        b"--ab\r\nContent-Disposition: form-data; "
        + head.encode()
        + b"\r\n\r\n"
        + content
        + b"\r\n"
        for head, content in parts
    )
    return written + b"--ab--\r\n"


def read(body: bytes, size: int) -> list[FormPart]:
    """Return the parts of a body that comes in blocks of a size, the bytes of the file as one."""
    reader = FileForm(KIND)
    parts: list[FormPart] = []
    for start in range(0, len(body), size):
        for part in reader.read(body[start : start + size]):
            if isinstance(part, bytes) and parts and isinstance(parts[-1], bytes):
                parts[-1] += part
            else:
                parts.append(part)
    return parts


@each("size", [1, 3, 7, 1000])
def test_fields_and_the_file_come_in_the_order_of_the_form(size: int) -> None:
    content = b"a,b\r\n--ab-not the end\r\n1,2\r\n"
    body = form(
        ('name="token"', b"secret"),
        ('name="file"; filename="M\xc3\xa4rz.csv"'.encode("latin-1").decode(), content),
        ('name="other"; filename="second.csv"', b"not read"),
    )
    token, begins, actual = read(body, size)
    assert token == SentField("token", "secret")
    assert isinstance(begins, FileBegins)
    assert begins.name.endswith("rz.csv")
    assert actual == content


def test_what_is_no_form_is_refused() -> None:
    with pytest.raises(UsageError, match="No file was sent"):
        FileForm("application/json")
    with pytest.raises(UsageError, match="did not arrive whole"):
        read(b"no boundary at all", 1000)
    with pytest.raises(UsageError, match="longer than 4,096 bytes"):
        read(form(('name="token"', b"x" * (MOST_FIELD_BYTES + 1))), 1000)
    with pytest.raises(UsageError, match="more than 20 fields"):
        read(form(*[('name="a"', b"1")] * 21), 1000)
