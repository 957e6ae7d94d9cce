"""The identity rule of the settings, and of a question that names another."""

from dataclasses import replace

from ecom_assets.identity.rule import IdentityRule
from ecom_assets.settings.settings import Settings, about_setting


def identity_rule(settings: Settings, name: str | None = None) -> IdentityRule:
    """Return a rule, by default that of ECOM_IDENTITY, with the bounds of the settings.

    Raises:
        SettingError: There is no rule of this name.
    """
    with about_setting("identity"):
        rule = IdentityRule.preset(name or settings.identity)
    return replace(
        rule,
        name=name or settings.identity,
        days_back=settings.identity_days_back,
        days_ahead=settings.identity_days_ahead,
        device_users=settings.identity_device_users,
        session_users=settings.identity_session_users,
        user_devices=settings.identity_user_devices,
        user_devices_days=settings.identity_user_devices_days,
        group_users=settings.identity_group_users,
        consent=settings.identity_consent,
        late_days=settings.late_days,
    )
