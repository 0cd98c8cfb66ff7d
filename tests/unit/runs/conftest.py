"""Runs here see one device, as most people's do; what several devices change is tested with the training step."""

import pytest

from avx.runs import settings


@pytest.fixture(autouse=True, scope="module")
def one_device():
    local = settings.jax.local_devices()[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings.jax, "device_count", lambda: 1)
        patch.setattr(settings.jax, "local_devices", lambda *given: local)
        patch.setattr(settings.jax, "local_device_count", lambda: 1)
        yield
