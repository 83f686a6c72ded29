"""What lives as long as a browser's tab: its private folder, its addresses, what it has opened and looks at."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from monai_fusion.viewer.addresses import Addresses, Content
from monai_fusion.viewer.job import Job

if TYPE_CHECKING:
    from monai_fusion.viewer.case import Case, Step
    from monai_fusion.viewer.exports import Kept
    from monai_fusion.viewer.images import FoundImage
    from monai_fusion.viewer.scene import Scene

__all__ = ["Session"]


class Session:
    """Nothing in here is shared with another tab.

    Args:
        name: Streamlit's name of it.
        folder: its own, removed by `close`.
        addresses: the server's.
    """

    def __init__(self, name: str, folder: Path, addresses: Addresses) -> None:
        self.name = name
        self.folder = folder
        self.seen = 0.0
        self.closed = False
        self.images: list[FoundImage] = []
        self.place: dict[str, Any] = {}
        self.case: Case | None = None
        self.scene: Scene | None = None
        self.kept: list[tuple[Kept, str]] = []
        self.look: dict[str, Any] = {}
        self.job: Job | None = None
        self.error = ""
        self.opened = 0
        self._addresses = addresses

    def begin(self, work: Callable[[Step], Callable[[], None]]) -> None:
        """Starts long work, in the place of what may still be going on."""
        if self.job is not None:
            self.job.cancel()
        self.error = ""
        self.job = Job(work)

    def settle(self) -> None:
        """Takes over what a job that has ended gave, or its error; to be called in the page's thread."""
        if self.job is None or self.job.running:
            return
        job, self.job = self.job, None
        self.error = self.plain(job.error)
        if job.result is not None:
            job.result()

    def show(self, case: Case, restore: Mapping[str, Any] | None = None) -> None:
        """From now on this is what is looked at; the addresses of what was before are taken back.

        Args:
            case: the case.
            restore: what the page is to show, from a session file.
        """
        from monai_fusion.viewer.exports import Exports
        from monai_fusion.viewer.scene import build_scene

        last, same_pair = self.scene, self.case is not None and self.case.pair is case.pair
        scene = build_scene(case, self, last if same_pair else None)
        scene.data["restore"] = restore
        exports = Exports(case, self.new_folder("export"), lambda: self.look)
        kept = [(entry, self.publish(entry.content, "export")) for entry in exports.all()]
        self._addresses.revoke([url for _, url in self.kept])
        if last is not None:
            self._addresses.revoke(last.fused if same_pair else last.fused + last.sources)
        self.case, self.scene, self.kept = case, scene, kept

    def new_folder(self, name: str) -> Path:
        """A new folder in the session's own."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def publish(self, content: Content, route: Literal["vol", "export"]) -> str:
        """A new address of this session. A closed one publishes nothing that could be found."""
        url = self._addresses.publish(self.name, content, route)
        if self.closed:
            self._addresses.revoke([url])
        return url

    def forget(self) -> None:
        """Lets go of what was opened: images, files, addresses; the tab can open something else."""
        self.opened += 1  # the page remembers what it showed by this number
        if self.job is not None:
            self.job.cancel()
        self._addresses.revoke_all(self.name)
        self.images, self.place, self.kept, self.look = [], {}, [], {}
        self.case = self.scene = self.job = None
        self.error = ""
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.closed:
            self.folder.mkdir(mode=0o700)

    def close(self) -> None:
        """The end: nothing of it is left in memory or on disk."""
        self.closed = True
        self.forget()

    def plain(self, text: str) -> str:
        """A sentence for the page: without the names of private folders."""
        own = rf"(?:{re.escape(str(self.folder))}/)?upload-\w{{8}}"
        text = re.sub(rf"{own}/", "", text)
        text = re.sub(own, "the upload", text)
        text = text.replace(f"{self.folder}/", "").replace(f"{self.folder.parent}/", "")
        return " ".join(text.split())
