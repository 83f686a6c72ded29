from __future__ import annotations

from monai_fusion.errors import InputError, OutputError


def test_a_message_is_one_line() -> None:
    """Some libraries say in several what they found."""
    for kind in (InputError, OutputError):
        assert str(kind("a  b.nii: cut short (expected 8\n - could it be damaged?\r\n); copy")) == (
            "a  b.nii: cut short (expected 8 - could it be damaged? ); copy"
        )
