from .objective import DistillationObjective, TargetCache
from .refresh_memory import RefreshMemory
from .trainer import FusionTrainer

__all__ = ["DistillationObjective", "FusionTrainer", "RefreshMemory", "TargetCache"]
