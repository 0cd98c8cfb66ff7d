"""Runs here see one device; what several devices change is tested with the training step."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def on_one_device(one_device):
    pass
