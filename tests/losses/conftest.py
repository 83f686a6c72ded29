import pytest
import torch

from monai_fusion.networks.vgg import VGG16_CAFFE, VGGFeatures


@pytest.fixture(scope="session")
def random_vgg():
    """The real layers with weights that keep the size of what passes through (He et al. 2015)."""
    torch.manual_seed(0)
    vgg = VGGFeatures(VGG16_CAFFE)
    for parameter in vgg.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    return vgg
