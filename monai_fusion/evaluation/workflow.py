"""Running the bundle's evaluation: what the command line and Python scripts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_fusion.errors import reason_of
from monai_fusion.evaluation.evaluation import Evaluation
from monai_fusion.workflow import open_bundle

__all__ = ["evaluate"]


def evaluate(
    dataset: str | Path,
    output_dir: str | Path | None,
    methods: Sequence[str | Path] = ("model",),
    root: str | Path | None = None,
    configuration: Mapping[str, Any] | None = None,
    **values: Any,
) -> Evaluation:
    """Evaluates fusion methods by the bundle's ``evaluate.json``.

    Args:
        dataset: a folder with one subfolder a source, see `PairFolder`.
        output_dir: where to write the results; None to write nothing.
        methods: see `open_methods`.
        root, configuration, values: see `open_bundle`. The values a user may want: ``protocol``, ``sources``,
            ``rivals``, ``calibration``, ``device``, ``progress``.

    Returns:
        The evaluation after its run.

    Raises:
        InputError: a data set or a method that cannot be used; nothing is written.
        OutputError: the results cannot be written.
    """
    try:
        workflow = open_bundle(
            "evaluate.json",
            root,
            configuration,
            dataset=Path(dataset),
            output_dir=output_dir,
            method=methods,
            **values,
        )
        workflow.run()
        evaluation: Evaluation = workflow.parser.get_parsed_content("evaluation")
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise reason from None
    return evaluation
