"""The released SqueezeNet on real clips: two frames of one clip are more alike than frames of two clips."""

import av
import jax
import numpy as np
import pytest
from PIL import Image

from avx.core.arrays import l2_normalize
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.pretrained.name_maps import squeezenet_from_keras
from avx.nn.pretrained.readers import read_weights

CLIPS = ("dog_bark_1", "dog_bark_3", "dog_bark_5", "dog_walk")
SIZE = 227


def two_frames(path):
    """Frames at a quarter and at three quarters of the clip, (2, 227, 227, 3) uint8."""
    with av.open(str(path)) as container:
        pictures = [frame.to_image() for frame in container.decode(video=0)]
    chosen = [pictures[len(pictures) * place // 4] for place in (1, 3)]
    return np.stack([np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for picture in chosen])


@pytest.fixture(scope="module")
def tokens(real_data):
    """(params -> tokens (clips, 2, 512)) and the released parameters."""
    frames = np.stack([two_frames(real_data / "av_clips" / "with_audio" / f"{clip}.mp4") for clip in CLIPS])
    name = "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    params = squeezenet_from_keras(read_weights(real_data / "pretrained_small" / name))
    encode = jax.jit(FrameEncoder(SqueezeNet()).apply)
    mask = np.ones((len(CLIPS), 2), bool)
    return lambda params: encode({"params": {"backbone": params}}, frames, mask).tokens, params


def gap(tokens):
    """Least cosine similarity within a clip less the greatest between two clips."""
    rows = np.asarray(l2_normalize(tokens)).reshape(-1, tokens.shape[-1])
    similarity = rows @ rows.T
    clip = np.arange(len(rows)) // 2
    same = clip[:, None] == clip
    return similarity[same].min() - similarity[~same].max()


def test_frames_of_one_clip_are_more_alike_than_those_of_two(tokens):
    encode, params = tokens
    released = encode(params)
    assert released.shape == (len(CLIPS), 2, 512)
    assert gap(released) > 0.15

    generator = np.random.default_rng(0)
    shuffled = jax.tree.map(lambda leaf: generator.permuted(np.asarray(leaf).ravel()).reshape(leaf.shape), params)
    assert gap(encode(shuffled)) < 0.1, "the layout of the weights is what tells clips apart"
