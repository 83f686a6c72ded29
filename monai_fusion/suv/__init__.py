"""Standardised uptake values (SUV) from what the header of a PET says: which type, by which factor, and why."""

from .body import SUV_TYPES, Body, body_measure
from .decay import decay_within_frame, decayed, mean_activity_time
from .edits import SuvEdits
from .factor import SuvFactor, SuvUnavailableError, suv_factor
from .units import NATIVE, suv_name, unit_name

__all__ = [
    "NATIVE",
    "SUV_TYPES",
    "Body",
    "SuvEdits",
    "SuvFactor",
    "SuvUnavailableError",
    "body_measure",
    "decay_within_frame",
    "decayed",
    "mean_activity_time",
    "suv_factor",
    "suv_name",
    "unit_name",
]
