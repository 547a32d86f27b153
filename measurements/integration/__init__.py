"""Integration code: what an engineer writes to reach a guarantee with each variant, counted only after it ran and was right."""

from ..metric import Metric
from .derive import derive
from .measure import measure
from .present import present

METRIC = Metric("integration_code", "Integration code", 20, measure, derive, present)
