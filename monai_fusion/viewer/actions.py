"""What a user can do, as work for a session. The page calls these and shows what they leave in the session.

Long ones are a `Job`, whose result is what has to be done to the session when it has ended: `Session.settle` does it,
in the page's thread.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from monai_fusion.errors import InputError
from monai_fusion.viewer.browse import check_links, find_inside
from monai_fusion.viewer.case import Case, Choice, Step, open_case, refuse
from monai_fusion.viewer.images import FoundImage, find_images, guess_pair
from monai_fusion.viewer.measure import distance_mm, measure_roi
from monai_fusion.viewer.nudge import Nudge
from monai_fusion.viewer.service import Service
from monai_fusion.viewer.session import Session
from monai_fusion.viewer.session_file import KeptImage, SessionFile
from monai_fusion.viewer.uploads import save_uploads

__all__ = [
    "fuse_with_windows",
    "lengths",
    "measured",
    "move_by_hand",
    "open_choice",
    "open_demo",
    "open_folder",
    "open_given",
    "open_session_file",
    "open_uploads",
    "with_corrections",
]

_making_demo = threading.Lock()


def open_uploads(session: Session, files: Sequence[tuple[str, IO[bytes]]]) -> None:
    """Unpacks what was uploaded, and lists its images."""

    def work(step: Step) -> Callable[[], None]:
        step(0.1, "Checking the upload")
        folder = session.new_folder("upload")
        try:
            save_uploads(files, folder)
            step(0.5, "Looking for images")
            return partial(_list, session, find_images(folder), {"kind": "upload"})
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    session.begin(work)


def open_folder(session: Session, root: Path, relative: str) -> None:
    """Lists the images of a folder below the one that may be browsed."""

    def work(step: Step) -> Callable[[], None]:
        step(0.1, "Looking for images")
        return partial(_list, session, _inside(root, relative), {"kind": "folder", "folder": relative})

    session.begin(work)


def open_given(session: Session, mri: Path | None, functional: Path | None) -> None:
    """Lists the images of the paths on the command line, and opens them at once where there is no choice."""

    def work(step: Step) -> Callable[[], None]:
        step(0.1, "Looking for images")
        images = _given(mri, functional)
        place = {"kind": "command line"}
        chosen = guess_pair(images)
        if len(images) == 2 and mri is not None and functional is not None:
            chosen = (0, 1)
        if None in chosen:
            return partial(_list, session, images, place)
        first, second = (images[i] for i in chosen if i is not None)
        case = open_case(Choice(first, second, place=place), session.folder, step)
        return partial(_show, session, case, images)

    session.begin(work)


def open_demo(session: Session, service: Service) -> None:
    """Makes the demo pair, once a server, and opens it."""

    def work(step: Step) -> Callable[[], None]:
        step(0.05, "Making the demo pair")
        choice = _demo(service)
        return partial(_show, session, open_case(choice, session.folder, step))

    session.begin(work)


def open_choice(session: Session, mri: FoundImage, functional: FoundImage, accept: bool = False) -> None:
    """Fuses what was chosen from the table; `accept`: even if the registration fails."""
    if mri == functional:
        raise InputError("the MRI and the functional image are the same; choose two images")
    choice = Choice(mri, functional, place=session.place, accept=accept)
    session.begin(lambda step: partial(_show, session, open_case(choice, session.folder, step)))


def fuse_with_windows(session: Session, windows: Mapping[str, Sequence[float]]) -> None:
    """Fuses again, with the windows that the user looks at."""
    case = _case(session)
    wanted = {role: (float(windows[role][0]), float(windows[role][1])) for role in ("mri", "functional")}
    session.begin(lambda step: partial(_show, session, refuse(case, wanted, step)))


def move_by_hand(session: Session, nudge: Nudge, restart: bool = False) -> None:
    """Moves the functional image, from where its registration had put it; `restart`: and registers again from there."""
    case = _case(session)
    choice = case.choice
    # where the first nudge began; a second begins there too, or the sliders would add up
    registered = choice.registered if choice.nudge or choice.registered is not None else case.registered
    _reopen(session, replace(choice, registered=registered, nudge=nudge, restart=restart))


def with_corrections(session: Session, corrections: Mapping[str, Any]) -> None:
    """Reads again, with values in the place of the header's."""
    _reopen(session, replace(_case(session).choice, corrections=dict(corrections), windows={}))


def open_session_file(session: Session, service: Service, file: SessionFile) -> None:
    """Opens the images of a session file and shows what it showed.

    Raises:
        InputError: the images are not at hand.
    """

    def work(step: Step) -> Callable[[], None]:
        step(0.05, "Looking for the images of the session file")
        found = _find_again(session, service, file)
        choice = replace(found, **file.choice)
        center = None
        if choice.nudge:  # about the centre of the MRI, which is known when it is read
            center = open_case(replace(choice, nudge=Nudge()), session.folder, step).center
        case = open_case(choice, session.folder, step, center)
        for role in ("mri", "functional"):
            if case.pair.report[role]["sha256"] != getattr(file.images, role).sha256:
                raise InputError("the images have changed since the session file was kept; open them by hand")
        return partial(_show, session, case, None, {**file.state.plain(), "id": secrets.token_urlsafe(8)})

    session.begin(work)


def measured(case: Case, rois: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Regions with their numbers; what is no region is left out, and what was measured before is not measured again."""
    done, measured = [], {}
    for roi in rois:
        place = json.dumps([roi.get(name) for name in ("kind", "center", "radius", "plane")])
        try:
            numbers = case.measured.get(place) or measure_roi(roi, case.mri, case.functional, case.grid.affine)
        except InputError:
            continue
        measured[place] = numbers
        done.append({**roi, "numbers": numbers})
    case.measured.clear()
    case.measured.update(measured)
    return done


def lengths(distances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Distances with their lengths; what is no distance is left out."""
    done = []
    for line in distances:
        try:
            done.append({**line, "length_mm": distance_mm(line)})
        except InputError:
            continue
    return done


def _list(session: Session, images: list[FoundImage], place: Mapping[str, Any]) -> None:
    session.images, session.place = images, dict(place)


def _show(
    session: Session, case: Case, images: list[FoundImage] | None = None, restore: Mapping[str, Any] | None = None
) -> None:
    if images is not None:
        session.images = images
    session.show(case, restore)


def _case(session: Session) -> Case:
    if session.case is None:
        raise InputError("nothing is open any more; open the images again")
    return session.case


def _reopen(session: Session, choice: Choice) -> None:
    center = _case(session).center
    session.begin(lambda step: partial(_show, session, open_case(choice, session.folder, step, center)))


def _inside(root: Path, relative: str) -> list[FoundImage]:
    path = find_inside(root, relative)
    check_links(root, path)
    return find_images(path)


def _given(mri: Path | None, functional: Path | None) -> list[FoundImage]:
    images: list[FoundImage] = []
    for path in (mri, functional):
        if path is not None:
            images += [image for image in find_images(path) if image not in images]
    return images


def _demo(service: Service) -> Choice:
    from monai_fusion.data.phantom import write_demo_pair

    with _making_demo:
        pair = service.demo
        if pair is None:
            pair = service.demo = write_demo_pair(service.folder.path / "demo")
    [mri], [functional] = find_images(pair.mri), find_images(pair.functional)
    return Choice(mri, functional, place={"kind": "demo"})


def _find_again(session: Session, service: Service, file: SessionFile) -> Choice:
    """The images of a session file, where they can be found again."""
    kind, options = file.place.kind, service.options
    if kind == "demo":
        return _demo(service)
    images = session.images
    if kind == "folder" and options.data_folder is not None:
        images = _inside(options.data_folder, file.place.folder or "")
    elif kind == "command line":
        images = _given(options.mri, options.functional) or images
    return Choice(_same(images, file.images.mri), _same(images, file.images.functional))


def _same(images: Sequence[FoundImage], wanted: KeptImage) -> FoundImage:
    found = [i for i in images if i.series == wanted.series and (i.series or i.path.name == wanted.name)]
    if len(found) != 1:
        raise InputError("the images of this session file are not at hand; upload or open them first, then the file")
    return found[0]
