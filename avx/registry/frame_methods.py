"""Frame features and key-frame methods by name, for the command and the table that choose and judge key frames."""

from __future__ import annotations

import numpy as np

from avx.core.errors import UserError
from avx.extraction import frame_features
from avx.extraction.frame_features import FrameFeatures
from avx.extraction.frozen import FrozenEncoder
from avx.extraction.key_frames import Method, informative_frames
from avx.keyframes import centroids, frame_difference, shot_boundary, skm, uniform
from avx.registry.encoders import FRAME_ENCODERS, frame_encoder, imported

HANDCRAFTED, HISTOGRAM = "handcrafted", "histogram"
FEATURES = (HANDCRAFTED, HISTOGRAM, *FRAME_ENCODERS)


def encoder(
    name: str, weights: str = "", saliency: str = "spectral_residual", region: str = "pool", option: str = "--weights"
) -> FrozenEncoder:
    """The frame features of that name.

    Args:
      name: one of `FEATURES`.
      weights: file of a pretrained backbone's weights; "" for features that have none.
      saliency: a key of `saliency_maps.SALIENCY`; histograms have no salient region.
      region: "pool" or "crop".
      option: how the user gives `weights`, for messages.

    Raises:
      UserError: an unknown name, weights that are missing, or weights for features that take none.
    """
    if name not in FEATURES:
        raise UserError(f"the features {name!r} are unknown; choose one of {', '.join(FEATURES)}.")
    if name not in FRAME_ENCODERS:
        if weights:
            raise UserError(f"the features {name!r} take no weights; leave {option} out or choose another backbone.")
        return frame_features.colour_histogram() if name == HISTOGRAM else frame_features.handcrafted(saliency, region)
    return frame_encoder(name, imported(FRAME_ENCODERS, name, weights, option), saliency, region)


def _features(video: FrameFeatures) -> np.ndarray:
    return video.features


METHODS: dict[str, Method] = {
    "skm": Method(skm.select, skm.SKMConfig(), _features),
    "shot_boundary": Method(shot_boundary.select, shot_boundary.ShotBoundaryConfig(), lambda video: video.histograms),
    "frame_difference": Method(
        frame_difference.select, frame_difference.FrameDifferenceConfig(), lambda video: video.grey
    ),
    "clustering": Method(centroids.select, centroids.CentroidsConfig(), lambda video: video.hues),
    "vsumm": Method(
        centroids.select,
        centroids.CentroidsConfig(k_rule=centroids.VSUMM, separation=0.5),
        lambda video: video.hues,
        informative_frames,
    ),
    "uniform": Method(uniform.select, uniform.UniformConfig(), _features),
}
