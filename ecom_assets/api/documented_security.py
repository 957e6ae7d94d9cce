"""What the OpenAPI document says of keys, so that its pages can send one. Not here: who may pass (`guard.py`)."""

from typing import Any, Final

from fastapi import FastAPI

from ecom_assets.api.callers import scope_for

SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `ecom api-key create`, or a JSON Web Token",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of `ecom api-key create`"},
}


def document_security(app: FastAPI) -> None:
    """Have the document name the ways to send a key, and the operations that want one."""
    described = app.openapi

    def with_security() -> dict[str, Any]:
        document = described()
        if "securitySchemes" not in document.setdefault("components", {}):
            document["components"]["securitySchemes"] = SCHEMES
            for path, operations in document["paths"].items():
                if scope_for(path) is not None:
                    for operation in operations.values():
                        operation["security"] = [{name: []} for name in SCHEMES]
        return document

    app.openapi = with_security  # type: ignore[method-assign]  # FastAPI's own way to change the document
