"""Encoders of frames and sounds; each returns `avx.core.types.EncoderOutput`."""
