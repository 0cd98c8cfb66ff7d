"""Eight fake CPU devices, a persistent compilation cache, and the real data where a machine has it."""

import os
from pathlib import Path

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real media and reference values; tests that need it skip where AVX_REAL_DATA is unset."""
    root = os.environ.get("AVX_REAL_DATA")
    if not root:
        pytest.skip("AVX_REAL_DATA is not set: this test needs the folder of real media")
    return Path(root)


@pytest.fixture(scope="module")
def one_device():
    """Runs see one of the eight devices, as most people's do; for modules that name it or use it."""
    import jax

    local = jax.local_devices()[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "device_count", lambda: 1)
        patch.setattr(jax, "local_device_count", lambda: 1)
        patch.setattr(jax, "local_devices", lambda *given, **named: local)
        yield
