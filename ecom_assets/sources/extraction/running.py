"""One extraction from its name and its folder, with the settings and variables of this process."""

from collections.abc import Callable
from pathlib import Path

from ecom_assets.clock import today_in
from ecom_assets.errors import SettingError
from ecom_assets.optional_imports import packages_of
from ecom_assets.settings.settings import Settings, hand_on, variable
from ecom_assets.sources.extraction.definition import Extract, filled, load_extract, variables_in
from ecom_assets.sources.extraction.extraction import extract_all
from ecom_assets.sources.extraction.landing import Landed


def run_extract(
    source: str,
    folder: Path,
    settings: Settings,
    done: Callable[[str, Landed], None] = lambda _name, _landed: None,
) -> tuple[Extract, dict[str, Landed]]:
    """Land what changed since the last time, and return the definition and what landed, by resource.

    Raises:
        UsageError: There is no such extract, it is invalid, a variable is not set, or dlt is not installed.
        SourceError: The API refuses or does not answer; what came before it has landed.
    """
    hand_on({"RUNTIME__DLTHUB_TELEMETRY": "false"})  # before dlt is imported
    with packages_of("dlt", "ecom extract"):
        from ecom_assets.sources.extraction.rest_client import RestPages  # noqa: PLC0415 (its package is optional)

    template = load_extract(source)
    of_url = variables_in(template.client.base_url)
    of_key = [name for name in variables_in(template.client.auth) if name not in of_url]
    definition = Extract.model_validate(filled(template.model_dump(by_alias=True), variable))
    with RestPages(definition, settings, " and ".join(of_url), " and ".join(of_key)) as pages:
        return definition, extract_all(definition, pages, folder, today_in(settings.timezone), done)


def extracts_of(settings: Settings) -> dict[str, Path]:
    """Return the folder of each extract of ECOM_EXTRACTS.

    Raises:
        SettingError: One has no folder, or two have the same.
    """
    pairs = [entry.partition("=") for entry in settings.extracts]
    result = {source.strip(): Path(folder.strip()) for source, _, folder in pairs if source.strip() and folder.strip()}
    if len(result) < len(pairs) or len({*result.values()}) < len(pairs):
        raise SettingError(
            "ECOM_EXTRACTS names extracts with a folder of its own each, such as woocommerce=landing/woocommerce; "
            "correct it or leave it out."
        )
    return result
