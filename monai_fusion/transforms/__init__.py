from .calibration import CalibrateOutputd
from .color import COLOR_MAPS, ColorizeFusedd, SplitChromad
from .intensity import WindowIntensityd
from .pair import CheckOverlapd, CheckPaird
from .registration import MoveByTransformd, RegisterFunctionald
from .resample import ResampleOntod
from .suv import ConvertToSUVd

__all__ = [
    "COLOR_MAPS",
    "CalibrateOutputd",
    "CheckOverlapd",
    "CheckPaird",
    "ColorizeFusedd",
    "ConvertToSUVd",
    "MoveByTransformd",
    "RegisterFunctionald",
    "ResampleOntod",
    "SplitChromad",
    "WindowIntensityd",
]
