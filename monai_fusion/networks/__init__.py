from .checkpoint import load_checkpoint
from .student import FusionStudent
from .teacher import FusionTeacher

__all__ = ["FusionStudent", "FusionTeacher", "load_checkpoint"]
