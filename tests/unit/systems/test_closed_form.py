"""Every closed-form system: fitted from streamed batches it equals the classic method on the whole matrix.

The classic functions are the reference, float64 on the host; they are held to other libraries in tests/parity. Tests
name the wrong formula that they fail.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io

from avx.classic import cca, cvh, kcca, pca, semantic_matching, smfh, smfh_nonnegative
from avx.core.errors import UserError
from avx.core.types import Batch, Padded
from avx.retrieval.metrics import evaluate
from avx.systems import projection_hashing as hashing
from avx.systems import projections, semantic_spaces
from avx.systems.closed_form import paired_rows

CLASSES, ITEMS = 3, 90
SIDES = ("image", "text")
SMFH = {
    "classes": CLASSES, "bits": 6, "balance": 0.4, "prediction": 1.0, "graph": 0.1, "penalty": 0.01, "max_sweeps": 4,
    "tolerance": 0.0, "neighbours": 4, "predictor_graph": 1e-3, "orthogonality": 1e-4, "samples": 30, "seed": 2,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A system, the classic fit (x, y, labels) and transform that it must equal, and how the sides are compared."""

    build: object
    options: object
    fit: object
    transform: object
    kind: str = "cosine"


def indicators(labels):
    return np.eye(CLASSES)[labels]


def kernel_case(first, second, tolerance=1e-3):
    options = projections.KCCAOptions(3, (first, second), 0.02, 60, tolerance)
    return Case(
        projections.build_kcca,
        options,
        lambda x, y, labels: kcca.fit(
            x, y, dimensions=3, kernel=(first, second), ridge=0.02, max_rank=60, tolerance=tolerance
        ),
        kcca.transform,
    )


def semantic_case(distance, **canonical):
    options = {"classes": CLASSES, "penalty": 0.02, "max_iterations": 50, "distance": distance} | canonical
    fitted = {"penalty": 0.02, "max_iterations": 50} | canonical
    return Case(
        semantic_spaces.build_scm if canonical else semantic_spaces.build_sm,
        (semantic_spaces.SCMOptions if canonical else semantic_spaces.SMOptions)(**options),
        lambda x, y, labels: semantic_matching.fit(x, y, labels, num_classes=CLASSES, **fitted),
        semantic_matching.transform,
        distance,
    )


def smfh_case(form, module, *fields):
    shared = ("bits", "balance", "prediction", "graph", "penalty", "max_sweeps", "tolerance", "seed")
    fitted = {field: SMFH[field] for field in (*shared, *fields)}
    return Case(
        hashing.build_smfh,
        hashing.SMFHOptions(form=form, **SMFH),
        lambda x, y, labels: module.fit(x, y, indicators(labels), **fitted),
        smfh.transform,
        "hash",
    )


CASES = {
    "pca": Case(
        projections.build_pca,
        projections.PCAOptions(4, "joint"),
        lambda x, y, labels: pca.fit(x, y, dimensions=4),
        pca.transform,
    ),
    "pca_independent": Case(
        projections.build_pca,
        projections.PCAOptions(3, "independent"),
        lambda x, y, labels: pca.fit(x, y, dimensions=3, mode="independent"),
        pca.transform,
    ),
    "cca": Case(
        projections.build_cca,
        projections.CCAOptions(3, 0.02, 1.5),
        lambda x, y, labels: cca.fit(x, y, dimensions=3, ridge=0.02, correlation_power=1.5),
        cca.transform,
    ),
    "kcca_rbf": kernel_case("rbf", "rbf"),
    "kcca_chi2_intersection": kernel_case("chi2", "intersection"),
    "kcca_linear_rbf": kernel_case("linear", "rbf", tolerance=0.0),
    "cvh_linear": Case(
        hashing.build_cvh_linear,
        hashing.CVHLinearOptions(bits=20, ridge=0.02, seed=4),
        lambda x, y, labels: cvh.fit_linear(x, y, bits=20, ridge=0.02, seed=4),
        cvh.transform,
        "hash",
    ),
    "cvh_anchors": Case(
        hashing.build_cvh_anchors,
        hashing.CVHAnchorsOptions(bits=8, anchors=15, ridge=0.02, seed=4),
        lambda x, y, labels: cvh.fit_anchor(x, y, bits=8, anchors=15, ridge=0.02, seed=4),
        cvh.transform,
        "hash",
    ),
    "smfh": smfh_case("tip", smfh, "neighbours"),
    "smfh_nonnegative": smfh_case("ijcai", smfh_nonnegative, "predictor_graph", "orthogonality", "samples"),
    "sm": semantic_case("cosine"),
    "sm_correlation": semantic_case("correlation"),
    "sm_kl": semantic_case("kl"),
    "sm_l1": semantic_case("l1"),
    "scm": semantic_case("cosine", dimensions=2, ridge=0.05),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def items(seed=0, count=ITEMS):
    """Features of at least 0, of different widths, scales and offsets, that follow three classes; float32 values."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    shared = rng.normal(size=(count, 2))
    mixing = np.random.default_rng(100)
    x = indicators(labels) @ mixing.random((CLASSES, 7)) * 2 + 0.3 * shared @ mixing.normal(size=(2, 7)) + 3
    y = indicators(labels) @ mixing.random((CLASSES, 4)) * 0.2 + 0.03 * shared @ mixing.normal(size=(2, 4)) + 0.5
    x, y = x + 0.3 * rng.random(x.shape), y + 0.02 * rng.random(y.shape)
    return x.astype(np.float32), y.astype(np.float32), labels


def streamed(x, y, labels, size, missing=()):
    """Starts passes over batches of `size` rows: garbage in the second, masked step and in the rows that fill up.

    Args:
      missing: (side, row) pairs that are not there.
    """

    def batches():
        for start in range(0, len(labels), size):
            rows = np.arange(start, start + size)
            real = rows < len(labels)
            modalities = {}
            for name, values in zip(SIDES, (x, y), strict=True):
                steps = np.full((size, 2, values.shape[1]), np.nan, np.float32)
                steps[real, 0] = values[rows[real]]
                mask = np.zeros((size, 2), bool)
                mask[:, 0] = [(name, row) not in missing for row in rows]
                modalities[name] = Padded(steps, mask)
            label = np.where(real, labels[np.minimum(rows, len(labels) - 1)], 0).astype(np.int32)
            yield Batch(modalities, label, rows.astype(np.int32), real)

    return batches


def fitted(case, *arguments, **options):
    system = case.build(case.options)
    params, model_state = system.fit(streamed(*arguments, **options), jax.random.key(7))
    return system, params, model_state


def embedded(system, params, model_state, x, y, labels, **options):
    (batch,) = streamed(x, y, labels, len(labels), **options)()
    return jax.jit(system.embed)(params, model_state, batch)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def reference_scores(case, queries, gallery):
    if case.kind == "cosine" and case.transform is not semantic_matching.transform:
        return unit(queries) @ unit(gallery).T
    if case.kind == "hash":
        codes = [np.where(side >= 0, 1, -1) for side in (queries, gallery)]
        return codes[0] @ codes[1].T / queries.shape[1]
    return semantic_matching.score(queries, gallery, case.kind)


def aligned(found, expected):
    """`found` with the sign of each column that fits `expected` best: the sign of a pair of directions is free."""
    return found * np.where((found * expected).sum(0) >= 0, 1, -1)


@pytest.mark.parametrize("size", [90, 32, 7])
def test_streamed_fit_equals_the_classic_method_on_the_whole_matrix(case, size):
    """90 rows in one batch, in ragged batches of 32 and of 7. Fails where filler rows count, where the mean is left
    out, where side y is given the map of x, where the threshold of SMFH or the bias of SM is dropped."""
    x, y, labels = items()
    system, params, model_state = fitted(case, x, y, labels, size)
    state = case.fit(x, y, labels)
    fresh = items(seed=1, count=23)
    found = embedded(system, params, model_state, *fresh)
    expected = {name: case.transform(state, fresh[i], "xy"[i]) for i, name in enumerate(SIDES)}
    for name in SIDES:
        if case.kind == "hash":
            near_zero = np.abs(expected[name]) < 1e-4 * np.abs(expected[name]).max()
            real = aligned(np.asarray(found[name].real), unit(expected[name]))
            np.testing.assert_allclose(real, unit(expected[name]), atol=1e-5)
            assert near_zero.mean() < 0.02
            signs = aligned(np.asarray(found[name].vectors), np.where(expected[name] >= 0, 1, -1))
            np.testing.assert_array_equal(signs[~near_zero] > 0, expected[name][~near_zero] >= 0)
        elif case.transform is semantic_matching.transform:
            np.testing.assert_allclose(found[name].posterior, expected[name], atol=1e-5)
        else:
            vectors = aligned(np.asarray(found[name].vectors), unit(expected[name]))
            np.testing.assert_allclose(vectors, unit(expected[name]), atol=1e-5)
    for query, gallery in (SIDES, SIDES[::-1]):
        scores = system.score(params, model_state, found[query], found[gallery])
        reference = reference_scores(case, expected[query], expected[gallery])
        np.testing.assert_allclose(scores, reference, atol=1e-5)
        if system.factored:
            products = found[query].vectors @ found[gallery].vectors.T
            np.testing.assert_allclose(products, scores, atol=1e-5)


def test_items_without_a_side_are_left_out_of_the_fit_and_marked(case):
    """Fails where an absent side enters as a vector of zeros."""
    x, y, labels = items()
    missing = {("image", 3), ("text", 40), ("text", 89)}
    present = np.setdiff1d(np.arange(ITEMS), [3, 40, 89])
    system, params, model_state = fitted(case, x, y, labels, 16, missing=missing)
    _, clean, _ = fitted(case, x[present], y[present], labels[present], 16)
    for found, expected in zip(jax.tree.leaves(params), jax.tree.leaves(clean), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * max(1, np.abs(expected).max()))
    everything = fitted(case, x, y, labels, 16)[1]
    assert any(
        one.shape != other.shape or not np.allclose(one, other, rtol=1e-3)
        for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(everything), strict=True)
    ), "leaving three items out must be seen"
    found = embedded(system, params, model_state, x, y, labels, missing=missing)
    assert not found["image"].present[3] and not found["text"].present[40] and found["text"].present[3]
    if case.kind != "hash":
        np.testing.assert_array_equal(found["text"].vectors[40], 0)
        np.testing.assert_allclose(np.linalg.norm(found["image"].vectors[present], axis=1), 1, rtol=1e-5)


def test_parameters_survive_flat_names_in_an_archive(case, tmp_path):
    """Nested dicts of float32 arrays under names without a slash: what a bundle stores and a step replicates."""
    x, y, labels = items()
    system, params, model_state = fitted(case, x, y, labels, 32)
    flat = {}
    for side, arrays in params.items():
        assert side in SIDES
        for name, array in arrays.items():
            assert isinstance(array, np.ndarray) and array.dtype == np.float32 and "/" not in name
            flat[f"{side}/{name}"] = array
    np.savez(tmp_path / "params.npz", **flat)
    restored = {side: {} for side in params}
    with np.load(tmp_path / "params.npz", allow_pickle=False) as archive:
        for key in archive.files:
            side, name = key.split("/")
            restored[side][name] = archive[key]
    before, after = (embedded(system, tree, model_state, x, y, labels) for tree in (params, restored))
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(one, other)


def test_system_states_what_it_is(case):
    system = case.build(case.options, ("audio", "video"))
    assert system.sides == {"audio": ("audio",), "video": ("video",)}
    assert system.reads == "vectors" and system.loss is None
    assert system.factored == (case.kind not in ("kl", "l1"))


def test_titles_tell_the_forms_apart():
    titles = {name: case.build(case.options).title for name, case in CASES.items()}
    assert titles["pca"] == "PCA" and titles["pca_independent"] == "PCA (unaligned)"
    assert titles["smfh"] == "SMFH" and titles["smfh_nonnegative"] == "SMFH (non-negative)"
    assert (titles["cvh_linear"], titles["cvh_anchors"]) == ("CVH (linear)", "CVH (anchors)")


def test_a_large_offset_costs_no_digits():
    """Fails where the mean is subtracted after the product, or where its rounding error is dropped."""
    x, y, labels = items()
    x, y = (x + 2000).astype(np.float32), (y + 300).astype(np.float32)
    for name in ("cca", "kcca_linear_rbf", "kcca_rbf"):
        case = CASES[name]
        system, params, model_state = fitted(case, x, y, labels, 32)
        state = case.fit(x, y, labels)
        found = embedded(system, params, model_state, x, y, labels)
        for side, values, letter in (("image", x, "x"), ("text", y, "y")):
            expected = unit(case.transform(state, values, letter))
            np.testing.assert_allclose(aligned(np.asarray(found[side].vectors), expected), expected, atol=1e-5)


def test_an_unlabelled_item_has_no_edges_in_the_label_graph():
    """Fails where label -1 indexes the last class."""
    x, y, labels = items()
    unlabelled = np.where(np.arange(ITEMS) == 5, -1, labels)
    graph = indicators(labels)
    graph[5] = 0
    case = CASES["smfh"]
    _, params, _ = fitted(case, x, y, unlabelled, 32)
    fields = ("bits", "balance", "prediction", "graph", "penalty", "max_sweeps", "tolerance", "seed", "neighbours")
    state = smfh.fit(x, y, graph, **{field: SMFH[field] for field in fields})
    np.testing.assert_allclose(params["image"]["weights"], state.maps.x.weights, rtol=1e-4, atol=1e-6)


def test_semantic_fit_leaves_unlabelled_items_out():
    x, y, labels = items()
    case = CASES["sm"]
    some = np.where(np.arange(ITEMS) % 4 == 0, -1, labels)
    found = fitted(case, x, y, some, 32)[1]
    expected = fitted(case, x[some >= 0], y[some >= 0], some[some >= 0], 32)[1]
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    with pytest.raises(UserError, match="No training item has a class"):
        fitted(case, x, y, np.full(ITEMS, -1), 32)


def test_a_split_without_pairs_is_named():
    x, y, labels = items()
    batches = streamed(x, y, labels, 32, missing={("text", row) for row in range(ITEMS)})
    for name in ("cca", "smfh"):
        with pytest.raises(UserError, match="No training item has both image and text"):
            CASES[name].build(CASES[name].options).fit(batches, jax.random.key(0))
    with pytest.raises(UserError, match="No training item has both"):
        paired_rows(lambda: iter(()), SIDES)


def test_anchors_are_at_most_one_per_pair():
    x, y, labels = items(count=30)
    options = hashing.CVHAnchorsOptions(bits=4, anchors=500, ridge=0.02, seed=0)
    params, _ = hashing.build_cvh_anchors(options).fit(streamed(x, y, labels, 16), jax.random.key(0))
    assert params["image"]["points"].shape == (30, 7)


PCA, CCA = {"dimensions": 2, "mode": "joint"}, {"dimensions": 2, "ridge": 0.1, "correlation_power": 0.0}
KCCA = {"dimensions": 2, "kernels": ("rbf", "rbf"), "ridge": 0.1, "max_rank": 9, "tolerance": 0.0}
LINEAR, ANCHORS = {"bits": 4, "ridge": 0.1, "seed": 0}, {"bits": 4, "anchors": 9, "ridge": 0.1, "seed": 0}
SM = {"classes": 3, "penalty": 0.1, "max_iterations": 9, "distance": "cosine"}


@pytest.mark.parametrize(
    ("options", "valid", "change", "message"),
    [
        (projections.PCAOptions, PCA, {"dimensions": 0}, r"model\.dimensions = 0 "),
        (projections.PCAOptions, PCA, {"mode": "separate"}, r"model\.mode = 'separate'"),
        (projections.CCAOptions, CCA, {"ridge": -0.1}, r"model\.ridge = -0\.1 "),
        (projections.CCAOptions, CCA, {"ridge": float("nan")}, r"model\.ridge = nan "),
        (projections.CCAOptions, CCA, {"correlation_power": -1.0}, r"model\.correlation_power = -1\.0 "),
        (projections.KCCAOptions, KCCA, {"ridge": 0.0}, r"model\.ridge = 0\.0 "),
        (projections.KCCAOptions, KCCA, {"kernels": ("rbf", "poly")}, r"model\.kernels = 'poly'"),
        (projections.KCCAOptions, KCCA, {"kernels": ("rbf",)}, r"model\.kernels = \('rbf',\) "),
        (projections.KCCAOptions, KCCA, {"max_rank": 1}, r"model\.max_rank = 1 "),
        (projections.KCCAOptions, KCCA, {"tolerance": 1.0}, r"model\.tolerance = 1\.0 "),
        (hashing.CVHLinearOptions, LINEAR, {"bits": 0}, r"model\.bits = 0 "),
        (hashing.CVHAnchorsOptions, ANCHORS, {"anchors": 3}, r"model\.anchors = 3 .*model\.bits = 4"),
        (hashing.SMFHOptions, SMFH | {"form": "tip"}, {"form": "other"}, r"model\.form = 'other'"),
        (hashing.SMFHOptions, SMFH | {"form": "tip"}, {"balance": 1.0}, r"model\.balance = 1\.0 "),
        (hashing.SMFHOptions, SMFH | {"form": "tip"}, {"penalty": 0.0}, r"model\.penalty = 0\.0 "),
        (hashing.SMFHOptions, SMFH | {"form": "tip"}, {"neighbours": 0}, r"model\.neighbours = 0 "),
        (semantic_spaces.SMOptions, SM, {"distance": "l2"}, r"model\.distance = 'l2'"),
        (semantic_spaces.SMOptions, SM, {"classes": 1}, r"model\.classes = 1 "),
        (
            semantic_spaces.SCMOptions,
            SM | {"dimensions": 2, "ridge": 0.1},
            {"penalty": -1.0},
            r"model\.penalty = -1\.0",
        ),
        (semantic_spaces.SCMOptions, SM | {"dimensions": 2, "ridge": 0.1}, {"dimensions": 0}, r"model\.dimensions = 0"),
    ],
)
def test_impossible_options_are_named(options, valid, change, message):
    options(**valid)
    with pytest.raises(UserError, match=message):
        options(**(valid | change))


@pytest.mark.parametrize(("normalise", "expected"), [(False, (0.2451, 0.1929)), (True, (0.2514, 0.1995))])
def test_wikipedia_figures_of_cca(real_data, normalise, expected):
    """CCA with k = 5, relative ridge 1e-3 and cosine scores, test items against test items, full list."""
    folder = real_data / "wikipedia_xmodal"
    arrays = scipy.io.loadmat(folder / "raw_features.mat")
    labels = np.loadtxt(folder / "testset_txt_img_cat.list", dtype=str, delimiter="\t")[:, 2].astype(int)
    names = ("I_tr", "T_tr", "I_te", "T_te")
    x, y, test_x, test_y = (unit(arrays[name]) if normalise else arrays[name] for name in names)
    system = projections.build_cca(projections.CCAOptions(5, 1e-3, 0.0))
    params, model_state = system.fit(streamed(x, y, np.zeros(len(x), int), 256), jax.random.key(0))
    found = embedded(system, params, model_state, test_x, test_y, labels)
    relevant = labels[:, None] == labels
    figures = [
        evaluate(np.asarray(system.score(params, model_state, found[query], found[gallery])), relevant)["map"]
        for query, gallery in (SIDES, SIDES[::-1])
    ]
    np.testing.assert_allclose(figures, expected, atol=5e-5)  # half a unit of the last digit stated
    vectors = jnp.asarray(found["image"].vectors)
    np.testing.assert_allclose(jnp.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
