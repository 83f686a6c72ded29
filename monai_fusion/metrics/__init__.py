from .average_gradient import FusionAverageGradient, compute_average_gradient
from .base import FusionMetric
from .conspicuity import Conspicuity, aggregate, measure_conspicuity
from .correlation import FusionCC, compute_cc
from .entropy import FusionEntropy, compute_entropy
from .gmsd import FusionGMSD, compute_gmsd
from .mutual_information import FusionMutualInformation, compute_mutual_information
from .qabf import FusionQabf, compute_qabf
from .rivals import RIVALS
from .scd import FusionSCD, compute_scd
from .spatial_frequency import FusionSpatialFrequency, compute_spatial_frequency
from .ssim import FusionSSIM, compute_ssim
from .standard_deviation import FusionSD, compute_sd
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
    "FusionGMSD",
    "FusionMetric",
    "FusionMutualInformation",
    "FusionQabf",
    "FusionSCD",
    "FusionSD",
    "FusionSSIM",
    "FusionSpatialFrequency",
    "FusionVIF",
    "aggregate",
    "compute_average_gradient",
    "compute_cc",
    "compute_entropy",
    "compute_gmsd",
    "compute_mutual_information",
    "compute_qabf",
    "compute_scd",
    "compute_sd",
    "compute_spatial_frequency",
    "compute_ssim",
    "compute_vif",
    "measure_all",
    "measure_conspicuity",
]
