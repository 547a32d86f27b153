from enum import StrEnum


class RouteRequestPolicy(StrEnum):
    CASCADE = "cascade"
    PREDICTIVE = "predictive"

    def __str__(self) -> str:
        return str(self.value)
