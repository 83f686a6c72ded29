from .calibration import CALIBRATIONS, CalibrateOutputd
from .color import COLOR_MAPS, ColorizeFusedd, SplitChromad
from .intensity import WindowIntensityd
from .pair import CheckPaird
from .registration import MoveByTransformd
from .suv import ConvertToSUVd

__all__ = [
    "CALIBRATIONS",
    "COLOR_MAPS",
    "CalibrateOutputd",
    "CheckPaird",
    "ColorizeFusedd",
    "ConvertToSUVd",
    "MoveByTransformd",
    "SplitChromad",
    "WindowIntensityd",
]
