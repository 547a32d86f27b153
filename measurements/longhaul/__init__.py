"""Async long haul: what a client loses of a long task when the connection or the server breaks in the middle of it."""

from ..metric import ByCell, Metric
from .derive import derive
from .measure import SPLIT, blanks, measure, named
from .present import present

METRIC = Metric("long_haul", "Async long haul", 30, measure, derive, present, SPLIT, by_cell=ByCell(blanks, named))
