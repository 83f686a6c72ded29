from .fusion import FusionInferer

__all__ = ["FusionInferer"]
