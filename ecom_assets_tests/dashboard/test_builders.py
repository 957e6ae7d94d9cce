"""Builders: the address is the question, pages show what routes answer, refusals stand beside their field."""

from datetime import date
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import yaml

from ecom_assets.attribution.answer import AttributionQuestion
from ecom_assets.correlation.correlation import Correlation
from ecom_assets.experiments.experiment import Experiment
from ecom_assets.funnels.definition import Funnel
from ecom_assets.journeys.question import JourneyQuestion
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.sessions.question import SessionQuestion
from ecom_assets.trends.question import TrendQuestion
