"""Running a cohort: which studies are still to be done, handing them to workers, recording how each ended."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

import monai_fusion
from monai_fusion.cohort.cluster import connect, count_workers, memory_of_worker, require_dask
from monai_fusion.cohort.fingerprint import hash_configuration, stamp_study
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.store import ResultStore, StoredStudy
from monai_fusion.cohort.study import DONE, FAILED, SKIPPED, STATES, Outcome, Study, UnusableRun
from monai_fusion.cohort.summary import write_summary
from monai_fusion.cohort.worker import run_study
from monai_fusion.errors import InputError, OutputError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["CohortResult", "CohortRun"]

_INCOMPLETE = 5
_SECONDS_FOR_WORKERS = 60


@dataclass(frozen=True)
class CohortResult:
    """How the studies of a cohort ended.

    Args:
        studies: by id, those of this cohort.
        computed: how many were fused in this run.
    """

    studies: dict[str, StoredStudy]
    computed: int

    def count(self, state: str) -> int:
        return sum(study.state == state for study in self.studies.values())

    @property
    def exit_code(self) -> int:
        """0, or 5 if a study is not done."""
        return 0 if self.count(DONE) == len(self.studies) else _INCOMPLETE


@dataclass
class CohortRun:
    """Fuses the studies that are not done yet; the state of each is in the store as soon as it ends.

    Args:
        output: the folder of the cohort.
        settings: ids of the bundle's configuration and their values, for all studies.
        configuration: what takes the place of the bundle's configuration, see `open_bundle`.
        bundle: the bundle's folder; the one shipped by default.
        scheduler: address of a Dask scheduler; a local cluster by default.
        workers: of the local cluster; see `count_workers`.
        timeout: seconds that a study may take; 0 for any time.
        memory: bytes that a worker may use; by default a local worker's share of the machine.
        max_failures: after so many in this run no more studies are begun.
        retry_failed: try those again that failed before.
        dashboard: have Dask's dashboard.
        progress: show a bar.
        tell: what to do with lines for the user.
    """

    output: Path
    settings: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    bundle: Path | None = None
    scheduler: str | None = None
    workers: int | None = None
    timeout: float = 3600.0
    memory: int | None = None
    max_failures: int | None = None
    retry_failed: bool = False
    dashboard: bool = False
    progress: bool = False
    tell: Callable[[str], None] = print

    def run(self, studies: Sequence[Study]) -> CohortResult:
        """
        Args:
            studies: with ids of their own.

        Raises:
            InputError: the configuration is none, or the scheduler does not answer.
            OutputError: the folder cannot be written to, or another run is at work in it.
        """
        require_dask()
        fingerprint = hash_configuration(self.bundle, self.settings, self.configuration)
        folder = CohortFolder(self.output)
        with folder.locked(), ResultStore(folder.store) as store:
            try:
                computed = self._fuse(studies, fingerprint, folder, store)
            finally:
                folder.sweep()
            ids = {study.id for study in studies}
            result = CohortResult({k: v for k, v in store.studies().items() if k in ids}, computed)
            write_summary(folder, result.studies)
        return result

    def _fuse(self, studies: Sequence[Study], fingerprint: str, folder: CohortFolder, store: ResultStore) -> int:
        known = store.studies()
        stamps = {study.id: stamp_study(study) for study in studies}

        def is_settled(study: Study) -> bool:
            row = known.get(study.id)
            if row is None or (row.stamp, row.configuration) != (stamps[study.id], fingerprint):
                return False
            return folder.holds(row.id, row.key) if row.state == DONE else row.state == FAILED and not self.retry_failed

        missing = [study for study in studies if not is_settled(study)]
        if not missing:
            return 0
        workers = self.workers or count_workers()
        opening = FusionOpening(
            bundle=self.bundle,
            settings=self.settings,
            configuration=self.configuration,
            fingerprint=fingerprint,
            version=monai_fusion.__version__,
            memory=self.memory or memory_of_worker(1 if self.scheduler else workers),
        )
        counts = dict.fromkeys(STATES, 0)
        computed = 0
        with (
            connect(self.scheduler, min(workers, len(missing)), self.dashboard) as client,
            tqdm(
                total=len(studies), initial=len(studies) - len(missing), unit="study", disable=not self.progress
            ) as bar,
        ):
            if self.dashboard:
                self.tell(f"dashboard: {client.dashboard_link}")
            for study, outcome in self._outcomes(client, opening, missing):
                store.record(study.id, outcome, stamps[study.id], fingerprint)
                counts[outcome.state] += 1
                computed += outcome.state == DONE and outcome.computed
                bar.update()
                bar.set_postfix(failed=counts[FAILED], refresh=False)
        return computed

    def _outcomes(
        self, client: Client, opening: FusionOpening, studies: Sequence[Study]
    ) -> Iterator[tuple[Study, Outcome]]:
        """How each study ended, as soon as it does. As many are handed out as there are workers: none waits at a
        worker, where it would be blamed for the death that another one brought about.
        """
        from distributed import as_completed

        _await_workers(client)
        todo = iter(studies)
        running: dict[str, Study] = {}
        finished = as_completed(loop=client.loop)
        failures = 0

        def hand_out() -> None:
            threads = sum(client.nthreads().values()) or 1
            while len(running) < threads and (self.max_failures is None or failures < self.max_failures):
                study = next(todo, None)
                if study is None:
                    return
                key = f"study-{uuid.uuid4()}"
                running[key] = study
                finished.add(
                    client.submit(run_study, opening, StudyJob(study, self.output, self.timeout), key=key, pure=False)
                )

        hand_out()
        for future in finished:
            study = running.pop(str(future.key))
            outcome = _read(future)
            failures += outcome.state == FAILED
            hand_out()  # before the store waits for the disk
            yield study, outcome
        for study in todo:
            stopped = f"not begun, for {self.max_failures} studies had failed (--max-failures)"
            yield study, Outcome(SKIPPED, reason=stopped)


def _await_workers(client: Client) -> None:
    try:
        client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
    except TimeoutError as error:
        raise InputError(f"the scheduler has no worker after {_SECONDS_FOR_WORKERS} s; start some") from error


def _read(future: Future) -> Outcome:
    """
    Raises:
        InputError, OutputError: the run cannot go on.
    """
    from distributed import KilledWorker

    try:
        outcome = future.result()
    except KilledWorker as error:
        deaths = error.allowed_failures + 1
        return Outcome(FAILED, reason=f"the worker died {deaths} times while it was at it", deaths=deaths)
    except Exception as error:  # of Dask, or of a worker that cannot even begin
        raise InputError(
            f"the workers cannot run a study ({type(error).__name__}: {error}); is the package there?"
        ) from error
    if isinstance(outcome, UnusableRun):
        if outcome.output:
            raise OutputError(
                f"the results cannot be written ({outcome.reason}); mend it and run again: what is done is kept"
            )
        raise InputError(outcome.reason)
    return outcome
