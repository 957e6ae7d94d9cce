"""What looks for failures as Dagster's daemon does, and settings with which alerts are on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.alerts import Alerts, alert_sensor
from ecom_assets_tests.mail_server import HOST, Mailbox

ANN = "ann@shop.example"


def settings_of(mailbox: Mailbox, home: Path = Path("never written"), **more: Any) -> Settings:
    return Settings(home=home, smtp_url=f"smtp://{HOST}:{mailbox.port}", alert_email=ANN, **more)


class Daemon:
    """Looks at an instance as Dagster's daemon does, and keeps the cursor between two looks."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.settings = settings
        self.cursor: str | None = None
        self.clock = datetime.now(UTC)

    def look(self) -> str:
        """Let the sensor look; return the line that its tick shows."""
        alerts = Alerts.from_settings(self.settings)
        assert alerts is not None
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        actual = alert_sensor(alerts, now=lambda: self.clock)(context)
        assert isinstance(actual, dg.SensorResult)
        assert not actual.run_requests
        self.cursor = actual.cursor
        skip = actual.skip_reason
        return skip.skip_message or "" if isinstance(skip, dg.SkipReason) else str(skip)
