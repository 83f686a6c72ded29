from .checkpoint import load_checkpoint
from .stages import ForwardStages, start_from_screen, start_from_sum, start_from_teacher
from .student import FusionStudent
from .teacher import FusionTeacher
from .vgg import VGGFeatures, open_vgg

__all__ = [
    "ForwardStages",
    "FusionStudent",
    "FusionTeacher",
    "VGGFeatures",
    "load_checkpoint",
    "open_vgg",
    "start_from_screen",
    "start_from_sum",
    "start_from_teacher",
]
