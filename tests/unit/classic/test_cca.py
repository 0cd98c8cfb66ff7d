import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.spatial

from avx.classic import cca
from avx.classic.covariance import CovarianceSums
from avx.core.errors import UserError


def paired(count=200, p=7, q=4, seed=0):
    """Two views of three shared factors, of very different scales and offsets."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(count, 3))
    x = factors @ rng.normal(size=(3, p)) * 10 + 4 * rng.normal(size=(count, p)) + 100
    y = factors @ rng.normal(size=(3, q)) * 0.1 + 0.05 * rng.normal(size=(count, q)) - 3
    return x, y


def generalised_eigen(x, y, dimensions, ridge):
    """CCA as the block problem [0 S_xy; S_yx 0] v = rho blockdiag(S_xx, S_yy) v: other algebra than ours."""
    p = x.shape[1]
    covariance = np.cov(np.hstack([x, y]).T)
    cross, block = covariance.copy(), np.zeros_like(covariance)
    for part in (slice(0, p), slice(p, None)):
        cross[part, part] = 0
        own = covariance[part, part]
        block[part, part] = own + ridge * np.trace(own) / len(own) * np.eye(len(own))
    values, vectors = scipy.linalg.eigh(cross, block)
    values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions] * np.sqrt(2)
    return values, vectors[:p], vectors[p:]


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.3])
def test_agrees_with_the_generalised_eigenproblem(ridge):
    x, y = paired()
    state = cca.fit(x, y, dimensions=3, ridge=ridge)
    correlations, x_weights, y_weights = generalised_eigen(x, y, 3, ridge)
    np.testing.assert_allclose(state.correlations, correlations, rtol=1e-9)
    # Each pair of directions is free to change sign together, not separately.
    signs = np.sign((state.maps.x.weights * x_weights).sum(0))
    np.testing.assert_allclose(state.maps.x.weights, x_weights * signs, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(state.maps.y.weights, y_weights * signs, rtol=1e-7, atol=1e-8)


def test_variates_are_uncorrelated_but_for_their_partner():
    x, y = paired()
    state = cca.fit(x, y, dimensions=4, ridge=0)
    both = np.hstack([cca.transform(state, x, "x"), cca.transform(state, y, "y")])
    expected = np.eye(8)
    expected[:4, 4:] = expected[4:, :4] = np.diag(state.correlations)
    np.testing.assert_allclose(np.cov(both.T), expected, atol=1e-9)
    wrong = cca.fit(x, np.roll(y, 1, 0), dimensions=4, ridge=0)
    assert wrong.correlations[0] < 0.5 < state.correlations[0], "pairs that do not belong together correlate"


def test_relative_ridge_ignores_the_scale_of_the_features():
    x, y = paired()
    small, large = (cca.fit(scale * x, y, dimensions=3, ridge=0.1) for scale in (1.0, 1000.0))
    np.testing.assert_allclose(small.correlations, large.correlations, rtol=1e-9)


def test_correlation_power_weights_the_variates():
    x, y = paired()
    plain, weighted = (cca.fit(x, y, dimensions=3, correlation_power=power) for power in (0.0, 4.0))
    expected = cca.transform(plain, y, "y") * plain.correlations**4
    np.testing.assert_allclose(cca.transform(weighted, y, "y"), expected, atol=1e-12)


def test_streamed_batches_equal_one_fit():
    x, y = paired()
    x = x + 1e6
    mask = np.ones(60, bool)
    mask[40:] = False
    padded = x[150:210]
    padded = np.vstack([padded, np.full((60 - len(padded), x.shape[1]), np.nan)])
    ragged = np.vstack([y[150:190], np.full((20, y.shape[1]), np.inf)])
    sums = CovarianceSums.empty(7, 4).add(x[:1], y[:1]).add(x[1:90], y[1:90])
    sums = sums.merge(CovarianceSums.of(x[90:150], y[90:150])).add(padded, ragged, mask)
    sums = sums.add(x[190:], y[190:])
    whole = CovarianceSums.of(x, y)
    assert sums.count == 200
    np.testing.assert_allclose(sums.scatter_xx, (x - x.mean(0)).T @ (x - x.mean(0)), rtol=1e-7)
    np.testing.assert_allclose(sums.scatter_xy, whole.scatter_xy, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(
        cca.fit_sums(sums, dimensions=4).correlations, cca.fit(x, y, dimensions=4).correlations, rtol=1e-8
    )
    naive = (x.astype(np.float32).T @ x.astype(np.float32)) - 200 * np.outer(x.mean(0), x.mean(0))
    assert np.abs(naive - whole.scatter_xx).max() > 1, "raw sums in float32 must be seen to fail on these offsets"


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), {}, "same item"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), {}, "NaN"),
        (np.ones(3), np.ones((3, 2)), {}, "one row per item"),
        (np.eye(5)[:, :3], np.eye(5)[:, :2], {"dimensions": 3}, r"outside 1\.\.2"),
        (np.ones((3, 2)), np.eye(3), {"dimensions": 1}, "constant"),
        (np.eye(3), np.eye(3), {"dimensions": 1, "ridge": -1.0}, "negative"),
    ],
)
def test_bad_input_is_named(x, y, options, message):
    with pytest.raises(UserError, match=message):
        cca.fit(x, y, **{"dimensions": 1, **options})


def test_transform_refuses_the_other_side():
    x, y = paired()
    state = cca.fit(x, y, dimensions=2)
    with pytest.raises(UserError, match="7 features but was given 4"):
        cca.transform(state, y, "x")
    with pytest.raises(UserError, match="side"):
        cca.transform(state, x, "image")


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def mean_average_precision(scores, query_labels, gallery_labels):
    """Full-list MAP, written out: the mean over relevant places j of (relevant among the first j) / j."""
    values = []
    for row, label in zip(scores, query_labels, strict=True):
        relevant = (gallery_labels == label)[np.argsort(-row, kind="stable")]
        values.append((np.cumsum(relevant) / np.arange(1, len(relevant) + 1))[relevant].mean())
    return float(np.mean(values))


def test_each_side_takes_its_own_ridge():
    """Fails where the ridge of y is that of x, or where the two are exchanged."""
    x, y = paired()
    sums = CovarianceSums.of(x, y)
    state = cca.fit_sums(sums, dimensions=3, ridge=(0.05, 0.4))
    whitened = [
        np.linalg.inv(np.real(scipy.linalg.sqrtm(own + ridge * np.trace(own) / len(own) * np.eye(len(own)))))
        for own, ridge in ((np.cov(x.T), 0.05), (np.cov(y.T), 0.4))
    ]
    cross = np.cov(np.hstack([x, y]).T)[:7, 7:]
    expected = np.linalg.svd(whitened[0] @ cross @ whitened[1], compute_uv=False)[:3]
    np.testing.assert_allclose(state.correlations, expected, rtol=1e-8)
    for wrong in (0.05, 0.4, (0.4, 0.05)):
        assert abs(cca.fit_sums(sums, dimensions=3, ridge=wrong).correlations - expected).max() > 1e-3


@pytest.mark.parametrize(("normalise", "expected"), [(False, (0.2451, 0.1929)), (True, (0.2514, 0.1995))])
def test_wikipedia_retrieval_figures(real_data, normalise, expected):
    folder = real_data / "wikipedia_xmodal"
    arrays = scipy.io.loadmat(folder / "raw_features.mat")
    labels = np.loadtxt(folder / "testset_txt_img_cat.list", dtype=str, delimiter="\t")[:, 2].astype(int)
    names = ("I_tr", "T_tr", "I_te", "T_te")
    images, texts, test_images, test_texts = (unit(arrays[n]) if normalise else arrays[n] for n in names)
    state = cca.fit(images, texts, dimensions=5, ridge=1e-3)
    image_side = unit(cca.transform(state, test_images, "x"))
    text_side = unit(cca.transform(state, test_texts, "y"))
    image_to_text = mean_average_precision(image_side @ text_side.T, labels, labels)
    text_to_image = mean_average_precision(text_side @ image_side.T, labels, labels)
    np.testing.assert_allclose((image_to_text, text_to_image), expected, atol=5e-4)
    distances = scipy.spatial.distance.cdist(
        cca.transform(state, test_images, "x"), cca.transform(state, test_texts, "y")
    )
    assert mean_average_precision(-distances, labels, labels) < expected[0] - 0.01, (
        "cosine matters (docs/methods.md 2.2)"
    )
