"""Kept files that once ended a run, filled the memory, hung or were believed: each is refused in one sentence."""

import time

import pytest

from avx.core.errors import UserError
from avx.data.sets.vectors import read_features
from avx.hashing.codes_file import read_items
from avx.nn.pretrained.readers import read_weights

FILES = {
    "codes_bits_inf.npz": (read_items, "bits are no length of a code"),
    "codes_class_names_0d.npz": (read_items, "which is no list"),
    "codes_labels_float.npz": (read_items, "labels of float64, which are no integers"),
    "codes_labels_text.npz": (read_items, "labels of <U1, which are no integers"),
    "codes_repeated_ids_accepted.npz": (read_items, "has the item .* twice"),
    "empty_codes_EOFError.npz": (read_items, "is no codes file"),
    "h5_hang.h5": (read_weights, "processor time"),
    "npy_renamed_TypeError.npz": (read_items, "is no codes file"),
    "tf_TypeError.index": (read_weights, "no intact TensorFlow checkpoint"),
    "tf_parts_2e40.index": (read_weights, "no intact TensorFlow checkpoint"),
    "tf_v1_OverflowError.ckpt": (read_weights, "no intact TensorFlow checkpoint"),
    "torch_legacy_MemoryError.bin": (read_weights, "another length"),
    "torch_shape_OverflowError.pt": (read_weights, "out of all proportion"),
    "torch_stride0_4GiB.pt": (read_weights, "out of all proportion"),
    "torch_stride0_MemoryError.pt": (read_weights, "out of all proportion"),
    "torch_zip_encrypted_RuntimeError.pt": (read_weights, "is encrypted"),
    "torch_zlib_error.pth": (read_weights, "no intact"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_kept_file_is_refused_in_one_sentence(real_data, name):
    read, message = FILES[name]
    path = real_data / "hostile_files" / name
    started = time.process_time()
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    told = str(raised.value)
    assert str(path) in told and told.endswith(".") and told.isprintable() and len(told) < 700
    assert time.process_time() - started < 10
    if name.endswith(".npz"):  # As weights, and as one's own features, too, it is read whole or refused.
        for read in (read_weights, read_features):
            try:
                read(path)
            except UserError as error:
                assert name in str(error)
