import math

import pytest
import torch
from torch import nn

from monai_fusion.losses.lesion_retention import LesionRetention
from monai_fusion.losses.metric_shortfall import MetricShortfall
from monai_fusion.losses.student_objective import StudentObjective
from monai_fusion.networks import ForwardStages, FusionStudent
from monai_fusion.transforms.calibration import CalibrateOutputd


class Formula(nn.Module):
    """Gives a formula the two stages that a network has."""

    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def forward(self, x):
        return None, self.formula(x[:, :1], x[:, 1:])


@pytest.fixture
def batch():
    noise = torch.rand(3, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 7, stride=1, padding=3)
    return {"image": ((smooth - 0.35).clamp(0, 0.3) / 0.3).clamp(0, 1), "index": torch.tensor([4, 9, 1])}


def test_a_copy_of_a_source(batch):
    """Keeps all lesions of the one and none of the other, saturates nothing, leaves black black."""
    objective = StudentObjective(MetricShortfall(margin=0.1), LesionRetention(target=1.0), lesion_weights=(3, 5))
    terms = objective(Formula(lambda a, b: a), batch)
    assert terms["lesions_0"].item() == pytest.approx(0, abs=1e-5)
    assert terms["lesions_1"].item() == pytest.approx(1, abs=1e-5)
    assert terms["saturation"].item() == pytest.approx(0, abs=1e-5)
    assert terms["black"].item() == 0
    assert terms["metrics"].item() == pytest.approx(MetricShortfall(margin=0.1)(*copy(batch)).item())
    assert terms["loss"].item() == pytest.approx(terms["metrics"].item() + 5, rel=1e-5)


def copy(batch):
    return batch["image"][:, :1], batch["image"]


def test_white_out_and_lifted_black(batch):
    white = Formula(lambda a, b: torch.full_like(a, 1.2))
    terms = StudentObjective(MetricShortfall(), saturation_weight=7, black_weight=2)(white, batch)
    assert terms["black"].item() == pytest.approx(1.2)
    allowed = (batch["image"].amax(1) <= 0.95).float().mean()
    assert 0 < allowed <= 1
    assert terms["saturation"].item() == pytest.approx(0.27, rel=1e-5)
    assert terms["loss"].item() == pytest.approx(terms["metrics"].item() + 7 * 0.27 + 2 * 1.2, rel=1e-5)
    assert "lesions_0" not in terms
    later = StudentObjective(MetricShortfall(), saturation_limit=1.1)(white, batch)
    assert later["saturation"].item() == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("calibration", ["inverse_tanh", "soft_clip"])
def test_calibrates_as_the_product_does(batch, calibration):
    """The same loss for a network, and for the picture that CalibrateOutputd makes of its values."""
    network = Formula(lambda a, b: torch.tanh(0.4 * a + 0.5 * b))
    calibrate = CalibrateOutputd("pred", calibration)
    product = Formula(lambda a, b: calibrate({"pred": torch.tanh(0.4 * a + 0.5 * b)})["pred"])
    terms = StudentObjective(MetricShortfall("screen"), LesionRetention(), calibration=calibration)(network, batch)
    expected = StudentObjective(MetricShortfall("screen"), LesionRetention())(product, batch)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, abs=1e-5
    )


@pytest.mark.parametrize("calibration", ["none", "inverse_tanh", "soft_clip"])
def test_gradients_are_finite_and_lead_downhill(batch, calibration):
    torch.manual_seed(0)
    student = FusionStudent()
    objective = StudentObjective(MetricShortfall(), LesionRetention(), calibration=calibration)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = objective(ForwardStages(student), batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("calibration", ["inverse_tanh", "soft_clip"])
def test_a_saturated_network_has_finite_gradients(batch, calibration):
    student = FusionStudent()
    nn.init.constant_(student.output.bias, 30.0)
    StudentObjective(MetricShortfall(), calibration=calibration)(ForwardStages(student), batch)["loss"].backward()
    assert all(p.grad.isfinite().all() for p in student.parameters())
