"""Package metadata; tool settings live in pyproject.toml and the tested versions in requirements/."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "avx" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

DEV = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "ruff>=0.8", "mypy>=1.11", "setuptools>=77"]
DOCS = ["sphinx>=8", "myst-parser>=4", "furo>=2024.8.6"]
CONVERT = ["tflite>=2.18", "flatbuffers>=24"]
PEERS = [
    *CONVERT,
    "ai-edge-litert>=2.1",
    "torch==2.13.0",
    "librosa>=0.10",
    "scikit-learn>=1.5",
    "kmedoids>=0.5",
    "MiniSom>=2.3",
    "faiss-cpu>=1.8",
    "opencv-contrib-python-headless>=5",
]

setup(
    name="avx",
    version=VERSION[1],
    description="Audio-visual cross-modal retrieval in JAX and Flax",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["avx", "avx.*"]),
    package_data={"avx": ["**/*.css", "**/*.j2", "**/*.mplstyle"]},
    entry_points={"console_scripts": ["avx = avx.commands.console:main"]},
    install_requires=[
        "jax>=0.10",
        "flax>=0.12",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12",
        "grain>=0.2.18",
        "tensorflow-datasets>=4.9.10",
        "numpy>=2",
        "ml-collections>=1.1",
        "absl-py>=2.1",
        "chex>=0.1.90",
        "av>=14",
        "pillow>=11",
        "h5py>=3.11",
        "scipy>=1.14",
        "matplotlib>=3.9",
        "rich>=13",
        "jinja2>=3.1",
        "tensorboardX>=2.6",
        "safetensors>=0.4",
        "pyarrow>=16",
    ],
    extras_require={
        "cuda12": ["jax[cuda12]>=0.10"],
        "cuda13": ["jax[cuda13]>=0.10"],
        "convert": CONVERT,
        "dev": DEV,
        "docs": DOCS,
        "peers": PEERS,
    },
)
