"""How we know: the wire tap, the counts, the faults, the ledgers and the reports."""
