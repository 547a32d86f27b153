from enum import StrEnum


class TuneRequestPolicy(StrEnum):
    CASCADE = "cascade"
    PREDICTIVE = "predictive"

    def __str__(self) -> str:
        return str(self.value)
