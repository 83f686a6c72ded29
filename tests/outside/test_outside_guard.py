"""The guard itself: every id of the configurations, every option of the Python functions; and the doors."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from payloads import IDS, PAYLOADS, PROOF, call, folder, pair, refusal, same  # noqa: F401 - fixtures

from monai_fusion.errors import FusionError, InputError
from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.options import OPTIONS, check_options
from monai_fusion.workflow import PairFuser, bundle_root, fuse, open_bundle, read_pair


@pytest.mark.parametrize("payload", PAYLOADS, ids=IDS)
@pytest.mark.parametrize("config", ["inference.json", "evaluate.json"])
def test_every_id_is_what_was_handed_over(config: str, payload: Any) -> None:
    """Each id of the configurations, one below another, and one of a list: given, and found to be the same."""
    content = json.loads((bundle_root() / "configs" / config).read_text())
    others = [name for name in content if name not in OPTIONS]
    nested = {"inference.json": ["preprocessing#map_items", "evaluator#amp"], "evaluate.json": ["pairs#sources"]}[
        config
    ]
    workflow = open_bundle(config, **dict.fromkeys([name for name in others if name != "bundle_root"], payload))
    for name in others:
        if name != "bundle_root":
            assert same(workflow.parser.get_parsed_content(name), payload), name
    workflow = open_bundle(config, **dict.fromkeys(nested, payload))
    for name in nested:
        assert same(workflow.parser.get_parsed_content(name), payload), name
    for name in OPTIONS.keys() & content.keys():
        if not refusal(lambda name=name: check_options({name: payload})):
            workflow = open_bundle(config, **{name: payload})
            assert same(workflow.parser.get_parsed_content(name), check_options({name: payload})[name]), name


#: Options that may be any text: the name of a file, of a method, of a series.
NAMES = [name for name in OPTIONS if name.endswith("_series")]
NAMES += ["functional_transform", "checkpoint", "method", "sources"]


@pytest.mark.parametrize("payload", PAYLOADS, ids=IDS)
def test_python(payload: Any, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Every option by each function: refused, but for a name that nothing looks at."""
    fuser = PairFuser()
    for name in [option for option in OPTIONS if option not in ("mri", "functional", "output_dir")]:
        for function in (
            lambda **values: fuse(*pair, None, **values),
            lambda **values: read_pair(*pair, **values),
            lambda **values: fuser.fuse(*pair, None, **values),
            lambda **values: evaluate(tmp_path / "no folder", None, **{"methods": values.pop("method", ())}, **values),
        ):
            with suppress(FusionError) if name in NAMES else pytest.raises(FusionError):
                function(**{name: payload})
    for images in ((payload, pair[1]), (pair[0], payload)):
        with pytest.raises((FusionError, TypeError)):
            fuse(*images)
    with pytest.raises((FusionError, TypeError)):
        evaluate(payload, None)
    with pytest.raises((FusionError, TypeError)):
        evaluate(tmp_path, None, [payload])


def test_the_doors_run_what_they_are_given(pair: tuple[Path, Path], folder: Path, tmp_path: Path) -> None:
    """Those that SECURITY.md lists, so that the other tests could have failed."""
    security = (Path(__file__).parents[2] / "SECURITY.md").read_text()
    for door in ("`--bundle`", "`--set`", "`configuration=`", "`python -m monai.bundle run`"):
        assert door in security
    ran = folder / PROOF
    text = f"$__import__('os').system('touch {PROOF}')"
    assert (
        fuse(*pair, configuration={"axis": text}).report["steps"]["inferer"]["axis"] == 0
    )  # what the program ends with
    assert ran.is_file()
    ran.unlink()
    assert call("fuse", *pair, "-q", "-o", folder / "out", "--set", f"axis={text}") == 0
    assert ran.is_file()
    ran.unlink()
    for path in ("%evil.json#run", "%evil.json#build"):
        fuse(*pair, configuration={"axis": path})
        assert ran.is_file()
        ran.unlink()
    with pytest.raises(InputError, match="functional_window is given as a whole; set one of the two"):
        open_bundle(functional_window=[0, 1], configuration={"functional_window#0": 1})
