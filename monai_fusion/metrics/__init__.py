from .average_gradient import FusionAverageGradient, compute_average_gradient
from .base import FusionMetric
from .conspicuity import Conspicuity, SourceLesions, aggregate, measure_conspicuity
from .conspicuity_sizes import SizeBin, curve_by_radius
from .correlation import FusionCC, compute_cc
from .entropy import FusionEntropy, compute_entropy
from .false_structure import FusionFalseStructure, compute_false_structure
from .gmsd import FusionGMSD, compute_gmsd
from .mutual_information import FusionMutualInformation, compute_mutual_information
from .qabf import FusionQabf, compute_qabf
from .rivals import RIVALS
from .scd import FusionSCD, compute_scd
from .spatial_frequency import FusionSpatialFrequency, compute_spatial_frequency
from .spots import LesionProtocol
from .ssim import FusionSSIM, compute_ssim
from .standard_deviation import FusionSD, compute_sd
from .suv_peak import suv_peak
from .table import LESS_IS_BETTER, METRICS, PUBLISHED, measure_all
from .vif import FusionVIF, compute_vif

__all__ = [
    "LESS_IS_BETTER",
    "METRICS",
    "PUBLISHED",
    "RIVALS",
    "Conspicuity",
    "FusionAverageGradient",
    "FusionCC",
    "FusionEntropy",
    "FusionFalseStructure",
    "FusionGMSD",
    "FusionMetric",
    "FusionMutualInformation",
    "FusionQabf",
    "FusionSCD",
    "FusionSD",
    "FusionSSIM",
    "FusionSpatialFrequency",
    "FusionVIF",
    "LesionProtocol",
    "SizeBin",
    "SourceLesions",
    "aggregate",
    "compute_average_gradient",
    "compute_cc",
    "compute_entropy",
    "compute_false_structure",
    "compute_gmsd",
    "compute_mutual_information",
    "compute_qabf",
    "compute_scd",
    "compute_sd",
    "compute_spatial_frequency",
    "compute_ssim",
    "compute_vif",
    "curve_by_radius",
    "measure_all",
    "measure_conspicuity",
    "suv_peak",
]
