"""Round trips: turns counted on the wire, beside the slope of completion time against an injected round-trip time."""

from ..metric import Metric
from .derive import derive
from .measure import measure
from .present import present

METRIC = Metric("round_trips", "Round trips", 10, measure, derive, present)
