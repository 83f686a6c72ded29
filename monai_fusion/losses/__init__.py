from .comprehensive import ComprehensiveLoss
from .distillation import DistillationLoss
from .gradient import GradientLoss
from .intensity import IntensityLoss
from .perceptual import FusionPerceptualLoss
from .refresh import RefreshLoss

__all__ = [
    "ComprehensiveLoss",
    "DistillationLoss",
    "FusionPerceptualLoss",
    "GradientLoss",
    "IntensityLoss",
    "RefreshLoss",
]
