"""What the page shows and asks for, as a browser or a session file says it: checked against a schema, key by key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from monai_fusion.transforms.color import COLOR_MAPS

__all__ = ["PALETTES", "PageState", "Request", "Strict", "Windows", "read_page_state", "read_request"]

#: What an image can be shown in.
PALETTES = (*COLOR_MAPS, "inverse_grey")

_FAR = 1e6  # mm or voxels: no image reaches so far
_MANY = 1000  # regions, distances
_LARGE = 500.0  # mm: no patient holds a larger region
_VOLUME = 1e9  # mm³ of all regions: measuring takes the longer, the more voxels they hold


class Strict(BaseModel):
    """A part of a document: unknown keys, other types, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _is_palette(name: str) -> str:
    if name not in PALETTES:
        raise ValueError(f"give one of {', '.join(PALETTES)}")
    return name


Number = Annotated[float, Field(ge=-_FAR, le=_FAR)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]
Window = Annotated[list[float], Field(min_length=2, max_length=2)]
Palette = Annotated[str, AfterValidator(_is_palette)]
Plane = Literal["sagittal", "coronal", "axial"]
Image = Literal["mri", "functional", "fused"]
Source = Literal["mri", "functional", "network", "network_grey", "alpha"]
Pair = Annotated[list[Source], Field(min_length=2, max_length=2)]
Name = Annotated[str, Field(pattern=r"^[RD][0-9]{1,9}$")]


class Windows(Strict):
    mri: Window | None = None
    functional: Window | None = None


class _Pairs(Strict):
    checkerboard: Pair | None = None
    swipe: Pair | None = None
    difference: Pair | None = None


class _Layout(Strict):
    """The look of the station that is kept with a session: see ``keptLook`` in ``look.js``."""

    layout: Literal["planes", "images", "grid"] | None = None
    image: Image | None = None
    plane: Plane | None = None
    large: Annotated[str, Field(pattern=r"^(mip|(sagittal|coronal|axial)-(mri|functional|fused))$")] | None = None
    mode: (
        Literal[
            "network", "network_grey", "alpha", "checkerboard", "swipe", "difference", "attribution", "edges",
            "registration",
        ]
        | None
    ) = None  # fmt: skip
    alpha: Annotated[float, Field(ge=0, le=1)] | None = None
    pairs: _Pairs | None = None
    tile: Annotated[float, Field(ge=1, le=1000)] | None = None
    split: Annotated[float, Field(ge=0, le=1)] | None = None
    before: bool | None = None
    functionalPalette: Palette | None = None  # noqa: N815 - JavaScript's name
    mip: bool | None = None
    mipAngle: Annotated[int, Field(ge=0, le=360)] | None = None  # noqa: N815
    zoom: Annotated[float, Field(gt=0, le=1000)] | None = None
    center: Point | None = None
    roiKind: Literal["sphere", "circle"] | None = None  # noqa: N815
    overlays: bool | None = None
    smooth: bool | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None


class _Region(Strict):
    id: Name
    kind: Literal["sphere", "circle"]
    center: Point
    radius: Annotated[float, Field(gt=0, le=_LARGE)]
    plane: Plane | None = None


class _Distance(Strict):
    id: Name
    from_: Point = Field(alias="from")
    to: Point
    plane: Plane | None = None


def _check_volume(regions: list[_Region]) -> list[_Region]:
    if sum(4 / 3 * math.pi * region.radius**3 for region in regions) > _VOLUME:
        raise ValueError("the regions are larger than any patient")
    return regions


class PageState(Strict):
    """All of it is optional: what is missing is as it is at the beginning."""

    crosshair: Point | None = None
    windows: Windows | None = None
    palette: Palette | None = None
    layout: _Layout | None = None
    rois: Annotated[list[_Region], Field(max_length=_MANY), AfterValidator(_check_volume)] | None = None
    distances: Annotated[list[_Distance], Field(max_length=_MANY)] | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON values; without what is missing."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class Request(Strict):
    """What the user asked for in the station."""

    type: Literal["refuse_window", "scroll_video"]
    windows: Windows | None = None
    plane: Plane | Literal[""] | None = None
    image: Image | None = None


def read_page_state(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a browser says that it shows, by the fields of `PageState`; None for what it does not say, or says wrongly.

    Args:
        said: the state that Streamlit keeps of the station.
    """
    known: dict[str, Any] = dict.fromkeys(PageState.model_fields)
    for name in known:
        try:
            known[name] = PageState.model_validate({name: said.get(name)}).plain().get(name)
        except ValidationError:
            continue
    return known


def read_request(said: Any) -> Request | None:
    """What a browser asks for; None for what cannot be asked for."""
    try:
        return Request.model_validate(said)
    except ValidationError:
        return None
