"""Known motions of an analytic texture, rest, black batches, and what the input and output forms promise."""

import functools

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.media.decode import read_clip
from avx.signal import optical_flow as module
from avx.signal.colour import to_grey
from avx.signal.optical_flow import FlowOptions, flow_of_colours, for_i3d, optical_flow
from avx.signal.warp import warp_backward

HEIGHT, WIDTH, INNER = 48, 56, 10
# Two levels compile fast and still carry a flow from one to the next.
OPTIONS = FlowOptions(scales=2)
SHIFT, FAR = (0.4, -0.7), (2.5, 1.5)
ROTATION = 0.03


def texture(x, y):
    """A smooth grey texture without symmetry, defined between pixels too."""
    waves = np.sin(0.31 * x + 0.17 * y) + np.sin(0.23 * y - 0.11 * x + 1) + 0.7 * np.sin(0.41 * x - 0.37 * y + 2)
    return (128 + 40 * waves).astype(np.float32)


def grid():
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    return x, y


def rotated(x, y, angle):
    """Places turned about the middle of the frame."""
    x, y = x - WIDTH / 2, y - HEIGHT / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x - sin * y + WIDTH / 2, sin * x + cos * y + HEIGHT / 2


@pytest.fixture(scope="module")
def pairs():
    """previous (6, H, W), following (6, H, W): two shifts, a rotation, rest, flat grey, NaN padding; and the mask."""
    x, y = grid()
    still = texture(x, y)
    flat = np.full_like(still, 77)
    previous = np.stack([still, still, still, still, flat, np.full_like(still, np.nan)])
    moved = [texture(x - dx, y - dy) for dx, dy in (SHIFT, FAR)]
    turned = texture(*rotated(x, y, -ROTATION))
    following = np.stack([*moved, turned, still, flat, np.full_like(still, np.nan)])
    return previous, following, np.arange(6) < 5


@pytest.fixture(scope="module")
def flow(pairs):
    previous, following, mask = pairs
    return np.asarray(optical_flow(previous, following, OPTIONS, mask))


def true_flow(case):
    x, y = grid()
    if case == 2:
        to_x, to_y = rotated(x, y, ROTATION)
        return np.stack([to_x - x, to_y - y], -1)
    return np.broadcast_to((SHIFT, FAR)[case], (HEIGHT, WIDTH, 2))


def endpoint_error(flow, truth):
    """Mean distance in pixels away from the border, which black from outside disturbs."""
    distance = np.linalg.norm(flow - truth, axis=-1)
    return distance[..., INNER:-INNER, INNER:-INNER].mean((-2, -1))


@pytest.mark.parametrize(("case", "bound"), [(0, 0.08), (1, 0.1), (2, 0.08)], ids=["sub-pixel", "far", "rotation"])
def test_known_motions_are_found(flow, case, bound):
    truth = true_flow(case)
    assert endpoint_error(flow[case], truth) < bound
    assert endpoint_error(-flow[case], truth) > 5 * bound, "the wrong sign must fail"
    assert endpoint_error(flow[case][..., ::-1], truth) > 5 * bound, "x and y must not be exchanged"


def test_rest_is_exactly_zero(flow):
    assert not flow[3].any(), "equal frames"
    assert not flow[4].any(), "flat frames have no gradient to divide by"


def test_masked_pairs_are_zero_and_leak_nothing(flow):
    assert np.isfinite(flow).all()
    assert not flow[5].any()


def test_neighbours_in_a_batch_change_nothing(pairs, flow):
    previous, following, mask = pairs
    order = np.array([4, 1, 3, 2, 0, 5])
    shuffled = optical_flow(previous[order], following[order], OPTIONS, mask)
    np.testing.assert_array_equal(shuffled[:5], flow[order[:5]])


@pytest.mark.slow
def test_a_pair_alone_gets_the_same_flow(pairs, flow):
    previous, following, _ = pairs
    np.testing.assert_array_equal(optical_flow(previous[1:2], following[1:2], OPTIONS)[0], flow[1])


@pytest.mark.slow
def test_all_pairs_at_once_as_on_an_accelerator(pairs, flow):
    """Under vmap every loop runs as long as its slowest pair; the others must stand still meanwhile."""
    previous, following, _ = pairs
    stacked = np.stack([previous, following], 1)[:5]
    together = jax.jit(jax.vmap(functools.partial(module._flow_of_pair, options=OPTIONS)))(stacked)
    np.testing.assert_allclose(together, flow[:5], atol=0.02)


def test_neighbouring_frames_give_one_flow_less():
    x, y = grid()
    grey = np.stack([texture(x - step * FAR[0], y - step * FAR[1]) for step in range(7)])
    frames = np.repeat(grey.round().astype(np.uint8)[..., None], 3, -1)
    flow = np.asarray(flow_of_colours(np.stack([frames[:-1], frames[1:]], 1), OPTIONS))
    assert flow.shape == (6, HEIGHT, WIDTH, 2)
    assert endpoint_error(flow, np.broadcast_to(FAR, flow.shape)).max() < 0.1


def test_flow_carries_real_frames_onto_each_other(real_data):
    """Read at x + u, the next frame is the previous one: the difference of grey values shrinks, and grows at x - u."""
    path = real_data / "av_clips" / "with_audio" / "tennis_2.mp4"
    clip = read_clip(path, clip_id="", frame_rate=None, size=(HEIGHT, WIDTH), sample_rate=16000, max_seconds=1.0)
    frames = clip.frames[:14:2]
    grey = 255 * np.asarray(to_grey(frames))
    flow = np.moveaxis(np.asarray(flow_of_colours(np.stack([frames[:-1], frames[1:]], 1), OPTIONS)), -1, 1)
    inside = np.s_[4:-4, 4:-4]

    def difference(sign):
        moved = [warp_backward(one[None], sign * by)[0] for one, by in zip(grey[1:], flow, strict=True)]
        return np.mean([np.abs(one - other)[inside].mean() for one, other in zip(moved, grey[:-1], strict=True)])

    assert difference(1) < 0.5 * difference(0)
    assert difference(-1) > 1.2 * difference(0)


def test_i3d_reads_twenty_pixels_as_one():
    flow = np.array([[-300, -20], [-5, 0], [10, 20.5]], np.float32)
    np.testing.assert_allclose(for_i3d(flow), [[-1, -1], [-0.25, 0], [0.5, 1]])


@pytest.mark.parametrize(
    "field", [{"time_step": 0.3}, {"scale_step": 1.0}, {"warps": 0}, {"tolerance": -1.0}, {"median_size": 4}]
)
def test_impossible_options_are_named(field):
    with pytest.raises(UserError, match=next(iter(field))):
        FlowOptions(**field)


def test_frames_too_small_for_a_level_are_refused():
    with pytest.raises(UserError, match="16 x 16"):
        optical_flow(np.zeros((1, 15, 40), np.float32), np.zeros((1, 15, 40), np.float32))
