"""The OpenAPI document where the first requests for it come at the same time."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.api.app import build_app
from ecom_assets.api.auth.callers import SCHEMES, document_security
from ecom_assets.settings.settings import Settings

THREADS = 8


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads take turns every microsecond, as they might on a busy machine."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_threads_that_ask_at_the_same_time_get_one_whole_document(tmp_path: Path) -> None:
    app = build_app(Settings(home=tmp_path))
    document_security(app)
    all_ready = threading.Barrier(THREADS)

    def described(_number: int) -> dict[str, Any]:
        all_ready.wait()
        return app.openapi()

    with ThreadPoolExecutor(THREADS) as threads:
        first, *others = threads.map(described, range(THREADS))
    assert all(other is first for other in others)
    assert "ProblemDocument" in first["components"]["schemas"]
    assert first["components"]["securitySchemes"] == SCHEMES
    assert first["paths"]["/v1/analytics/sales"]["get"]["security"] == [{name: []} for name in SCHEMES]
    assert "security" not in first["paths"]["/v1/health"]["get"]
