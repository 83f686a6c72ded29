from .study import StudyHandler
from .weights import WeightsLoader

__all__ = ["StudyHandler", "WeightsLoader"]
