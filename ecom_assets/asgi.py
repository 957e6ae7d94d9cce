"""The API with the dashboard as an ASGI application, with settings from the environment:
`ecom_assets.asgi:app`.
"""

from fastapi import FastAPI

from ecom_assets.interfaces.dashboard.app import create_dashboard_app


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()["app"] = create_dashboard_app()
    return made
