"""Still pictures: orientation, depth, alpha, damage."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from avx.core.errors import UserError
from avx.media.images import encode_image, read_image, write_image
from avx.media.limits import Limits
from avx.media.quarantine import MediaProblem, Reason

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_png_is_exact_and_jpeg_is_close(tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)
    smooth = np.add.outer(np.arange(16), np.arange(24))[..., np.newaxis] * np.array([4, 2, 1])
    write_image(tmp_path / "a.jpg", smooth.astype(np.uint8))
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").astype(int), smooth, atol=4)
    np.testing.assert_array_equal(read_image(encode_image(PIXELS[..., 0], ".png")), PIXELS[..., :1].repeat(3, -1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.png"]


# The EXIF standard's table: where the stored first row and first column belong in the upright picture.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(content.getvalue()), UPRIGHT[orientation](PIXELS))


def test_alpha_lies_over_black_and_deep_grey_keeps_its_high_byte():
    content = io.BytesIO()
    alpha = np.array([[0, 51, 255]], np.uint8)
    Image.fromarray(np.dstack([np.full((1, 3, 3), 200, np.uint8), alpha])).save(content, "PNG")
    np.testing.assert_array_equal(read_image(content.getvalue())[0, :, 0], [0, 40, 200])
    content = io.BytesIO()
    Image.fromarray(np.array([[0, 256 * 7 + 255, 65535]], np.uint16)).save(content, "PNG")
    np.testing.assert_array_equal(read_image(content.getvalue())[0, :, 1], [0, 7, 255])


def test_bad_files_are_named(tmp_path):
    whole = encode_image(PIXELS, ".png")
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        with pytest.raises(MediaProblem) as problem:
            read_image(content)
        assert problem.value.reason is Reason.UNREADABLE
    with pytest.raises(MediaProblem) as problem:
        read_image(tmp_path / "none.png")
    assert problem.value.reason is Reason.MISSING_FILE
    with pytest.raises(UserError, match="suffix"):
        write_image(tmp_path / "a.tiff", PIXELS)
    with pytest.raises(UserError, match="uint8"):
        write_image(tmp_path / "a.png", PIXELS.astype(np.float32))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [2**24, 2**31 - 1])
def test_a_chunk_takes_no_more_memory_than_there_is_of_it(tmp_path, length):
    """Found by a mutant: a chunk of pixels that states two gigabytes, in a file of two hundred bytes."""
    whole = encode_image(PIXELS, ".png")
    place = whole.index(b"IDAT") - 4
    path = tmp_path / "long.png"
    path.write_bytes(whole[:place] + length.to_bytes(4, "big") + whole[place + 4 :])
    tracemalloc.start()
    try:
        with contextlib.suppress(MediaProblem):
            read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_larger_than_any_picture_is_not_read():
    with pytest.raises(MediaProblem) as problem:
        read_image(encode_image(PIXELS, ".png") + bytes(300), Limits(pixels=35))
    assert problem.value.reason is Reason.TOO_LARGE and "larger than any picture" in problem.value.detail
