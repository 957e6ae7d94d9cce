"""The defaults of other tools for funnels, by the keys of a definition.

A key that is missing has our default: the tool has no such choice, does not document it, or has the same default.
"""

from collections.abc import Mapping
from typing import Final

from ecom_assets.tables.presets import Preset

PRESETS: Final[Mapping[str, Preset]] = {
    "posthog": {
        "within": "14d",  # posthog.com/docs/product-analytics/funnels: conversion window
        "order": "ordered",  # same page: sequential
        "exclusion_rule": "posthog",  # PostHog/posthog funnel-udf/src/steps.rs: an excluded event drops the attempt
        "by_attribution": "first",  # same page: first touchpoint
        "limit": 25,  # PostHog/posthog posthog/hogql/constants.py BREAKDOWN_VALUES_LIMIT
        "week_start": "sunday",  # PostHog/posthog issue 49786: a project may choose Monday
    },
    "amplitude": {
        "within": "1d",  # amplitude-docs funnel-analysis: 24 hours from step 1
        "order": "ordered",  # same pages: this order
        "by_attribution": "step_1",  # same pages: a group-by applies to the first step only
    },
    "mixpanel": {
        "within": "7d",  # mixpanel/docs reports/funnels: conversion window
        "order": "ordered",  # same page: specific order
        "exclusion_rule": "mixpanel",  # same page: a user keeps the steps before the exclusion
        "by_attribution": "first",  # same page: First Step Defined, the first step that has a value
    },
    "clickhouse": {
        # windowFunnel without a mode; its window is an argument that has no default
        "order": "clickhouse_default",
        "week_start": "sunday",  # toStartOfWeek(t): mode 0
    },
    "ga4": {
        # A closed funnel has no limit of time: 100 years, the longest window here.
        "within": "36600d",
        "order": "ordered",  # support.google.com funnel exploration: steps are followed indirectly
    },
}
