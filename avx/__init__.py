"""Audio-visual cross-modal retrieval in JAX: published systems, the methods they are compared with, one evaluation."""

__version__ = "0.1.0"
