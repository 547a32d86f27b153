"""Everything between raw samples and a person: report.json, report.md, report.html and the terminal's summary.

`write_reports(folder)` derives all of them from a run's folder; the same samples give the same bytes.
"""

from .writing import Reports, write_reports

__all__ = ["Reports", "write_reports"]
