"""Timing: calls a second of our servers against each other and the usual ones, as a metric of `sametask compare`; and
benchmarks of it, of the tail and of start-up, that are run by hand and never by a test.
"""

from ..metric import Metric
from .derive import derive
from .measure import SPLIT, measure
from .present import present

METRIC = Metric("throughput", "Throughput", 40, measure, derive, present, SPLIT, usual=False)
