"""Agreement with people: worked examples, the published CUS figures of a real video, and SumMe's users."""

import re

import jax
import numpy as np
import pytest
import scipy.io
from PIL import Image

from avx.core.errors import UserError
from avx.keyframes.agreement import cut_score, summary_f_score, user_agreement
from avx.signal.colour import hue_histogram


def test_each_key_frame_is_matched_once():
    one, two, three = np.eye(3)
    found = user_agreement(np.stack([one, one, two]), np.stack([one, three, two, three]))
    assert (found.accuracy, found.error) == (2 / 4, 1 / 4)


def test_the_nearest_free_key_frame_is_taken():
    automatic = np.array([[0.5, 0.5], [0.25, 0.75]])
    user = np.array([[0.375, 0.625], [0.5, 0.5]])
    assert user_agreement(automatic, user, threshold=0.3).accuracy == 1.0
    assert user_agreement(automatic, user, threshold=0.25).accuracy == 0.5, "a distance of the threshold is no match"


def test_by_default_a_match_lies_below_half_the_manhattan_distance():
    """Histograms that share .8 are .4 apart, those that share .7 are .6 apart (de Avila et al. 2011 take .5)."""
    user = np.array([[1.0, 0.0]])
    assert user_agreement(np.array([[0.8, 0.2]]), user).accuracy == 1
    assert user_agreement(np.array([[0.7, 0.3]]), user).accuracy == 0


def test_no_user_key_frame_is_refused():
    with pytest.raises(UserError, match="no key frame"):
        user_agreement(np.eye(3), np.zeros((0, 3)))


def test_published_figures_of_a_real_video(real_data):
    """Every line of the original program's output, which has two decimals."""
    folder = real_data / "vsumm_cus"
    hues = jax.jit(hue_histogram)

    def histograms(name):
        files = sorted((folder / "video1" / name).glob("*.jpeg"), key=lambda file: int(file.stem.removeprefix("Frame")))
        return np.stack([hues(np.asarray(Image.open(file).convert("RGB"))) for file in files])

    number = r"([\d.]+)"
    pattern = re.compile(rf"(?:UserSummary(\d)_)?Approach(\d) -> CUSa = {number} CUSe = {number}")
    lines = pattern.findall((folder / "expected_cus.txt").read_text())
    assert len(lines) == 12
    for user, approach, accuracy, error in lines:
        users = [user] if user else "12345"
        found = [user_agreement(histograms(f"VSUMM{approach}"), histograms(f"user{name}")) for name in users]
        assert round(np.mean([one.accuracy for one in found]), 2) == float(accuracy), (user, approach)
        assert round(np.mean([one.error for one in found]), 2) == float(error), (user, approach)


def test_f_score_of_a_worked_example():
    selected = np.array([1, 1, 1, 0, 0, 0])
    users = np.array([[0, 0, 2, 2, 2, 0], [1, 1, 1, 3, 3, 3], [0, 0, 0, 1, 1, 0]]).T
    found = summary_f_score(selected, users)
    np.testing.assert_allclose(found.of_users, [2 * 1 / 6, 2 * 3 / 9, 0])
    np.testing.assert_allclose([found.mean, found.best], [1 / 3, 2 / 3])
    assert summary_f_score(0 * selected, users).best == 0
    with pytest.raises(UserError, match="6 frames"):
        summary_f_score(selected, users[:5])


def test_f_score_of_real_summaries(real_data):
    """A user against all users, and the users' mean score, which the data set states for every frame."""
    truth = scipy.io.loadmat(real_data / "summe_gt" / "GT" / "Jumps.mat")
    users = truth["user_score"]
    np.testing.assert_allclose((users > 0).mean(1), truth["gt_score"][:, 0], atol=1e-6)
    found = summary_f_score(users[:, 3], users)
    assert found.best == found.of_users[3] == 1.0
    for number, score in enumerate(found.of_users):
        shared = np.sum((users[:, 3] > 0) & (users[:, number] > 0))
        precision, recall = shared / np.sum(users[:, 3] > 0), shared / np.sum(users[:, number] > 0)
        np.testing.assert_allclose(score, 2 * precision * recall / max(precision + recall, 1e-9))
    assert 0.2 < found.mean < 1


def test_cuts_are_paired_once_within_the_tolerance():
    found = cut_score(np.array([31, 100, 29, 180]), np.array([30, 182, 394]), tolerance=1)
    assert (found.precision, found.recall, found.f_score) == (1 / 4, 1 / 3, 2 / 7)
    assert cut_score(np.array([31, 100, 29, 180]), np.array([30, 182, 394]), tolerance=2).recall == 2 / 3
    assert cut_score(np.array([]), np.array([3])) == cut_score(np.array([3]), np.array([]))


def test_pairing_in_order_is_the_largest_possible():
    """Taking the nearest first would pair 10 with 11 and leave 12 alone."""
    assert cut_score(np.array([8, 10]), np.array([9, 11]), tolerance=1).recall == 1.0
