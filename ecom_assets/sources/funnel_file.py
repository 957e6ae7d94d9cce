"""The file that declares the daily funnels: YAML or JSON, a name to each definition.

Not here: what a definition may say (`transforms/funnel_definition.py`).
"""

from pathlib import Path

import yaml

from ecom_assets.contracts.sessions import SessionEvents
from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.daily_funnel import UNITS, DailyFunnel
from ecom_assets.transforms.funnel_definition import Funnel

MOST_FUNNELS = 50
"""Each funnel is a query of its own; with more, a day's run would be spent on them."""


def read_funnels(path: Path) -> tuple[DailyFunnel, ...]:
    """The funnels that a file declares, in its order; without `per`, sessions and visitors are counted.

    Raises:
        DefinitionError: The file cannot be read, declares none or too many, or one of them cannot be counted daily.
    """
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(f"{path} cannot be read as YAML or JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict) or not 1 <= len(read) <= MOST_FUNNELS:
        raise DefinitionError(f"{path} declares no funnels; give 1 to {MOST_FUNNELS} names, each with its `steps`.")
    return tuple(_funnel(path, name, raw) for name, raw in read.items())


def _funnel(path: Path, name: object, raw: object) -> DailyFunnel:
    if not isinstance(name, str) or not name.strip():
        raise DefinitionError(f"{path} names a funnel {name!r}; a name is a text.")
    try:
        funnel = Funnel.from_mapping(raw)
        says_per = isinstance(raw, dict) and raw.get("per") is not None
        units = (UNITS[funnel.per],) if says_per and funnel.per in UNITS else tuple(UNITS.values())
        daily = DailyFunnel(name, funnel, units)
        daily.check_columns(SessionEvents.columns)
    except DefinitionError as error:
        raise DefinitionError(f"{path}, funnel {name!r}: {error}") from error
    return daily
