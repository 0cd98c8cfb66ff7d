"""Whatever decides something asks for full float32 products: no backend may round key frames, memory or ranks."""

import functools

import jax
import jax.numpy as jnp
import pytest

from avx.core.types import HashCodes
from avx.hashing import hamming_index
from avx.keyframes import adaptive_k, centroids, frame_difference, quality, shot_boundary, skm, uniform
from avx.losses import pairs
from avx.memory import bank
from avx.retrieval import index

FULL = (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)
FRAMES, MASK = jnp.ones((12, 5)), jnp.ones(12, bool)
ROWS = {"video": jnp.ones((3, 4)), "audio": jnp.ones((3, 6))}
MEMORY = bank.empty(2, {"video": 4, "audio": 6})
THREE = jnp.ones(3, bool)
CODES = HashCodes(jnp.zeros((9, 1), jnp.uint32), 32)


def select(room, config):
    return functools.partial(room.select, config=config), (FRAMES, MASK)


def write(features):
    return bank.write(MEMORY, features, jnp.ones(3), THREE, THREE, bank.MemoryOptions(2), train=True)


def search(queries, gallery):
    best = (jnp.zeros((2, 3)), jnp.zeros((2, 3), jnp.int32))
    return index._search_block(queries, gallery, 0, 9, best, 3)


DECIDES = {
    "skm": select(skm, skm.SKMConfig(max_clusters=3)),
    "skm, every frame a candidate": select(skm, skm.SKMConfig(max_clusters=3, swap_candidates=0)),
    "skm, online map": select(skm, skm.SKMConfig(max_clusters=3, sofm_form="online")),
    "centroids": select(centroids, centroids.CentroidsConfig(max_key_frames=3)),
    "frame difference": select(frame_difference, frame_difference.FrameDifferenceConfig(max_key_frames=3)),
    "shot boundary": select(shot_boundary, shot_boundary.ShotBoundaryConfig(max_key_frames=3)),
    "uniform": select(uniform, uniform.UniformConfig(max_key_frames=3)),
    "number of clusters": (lambda rows: adaptive_k.adaptive_k(rows, MASK, max_clusters=3), (FRAMES,)),
    "quality": (
        lambda rows: quality.measure(rows, MASK, jnp.zeros(2, int), jnp.ones(2, bool), quality.VIDEO),
        (FRAMES,),
    ),
    "memory write": (write, (ROWS,)),
    "memory read": (lambda rows: bank.cosines(MEMORY, "video", rows), (ROWS["video"],)),
    "search": (search, (jnp.ones((2, 4)), jnp.ones((9, 4)))),
    "rerank": (
        lambda queries, vectors: hamming_index.rerank(queries, vectors, jnp.zeros((2, 3), jnp.int32), 2),
        (jnp.ones((2, 4)), jnp.ones((9, 4))),
    ),
    "loss distances": (pairs.squared_euclidean_distances, (jnp.ones((2, 4)), jnp.ones((3, 4)))),
}


def products(jaxpr):
    """All matrix products of a program, those of its loops, branches and calls included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for value in jax.tree.leaves(
            equation.params, is_leaf=lambda part: hasattr(part, "eqns") or hasattr(part, "jaxpr")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.mark.parametrize("name", DECIDES)
def test_products_that_decide_run_at_full_precision(name):
    function, arguments = DECIDES[name]
    found = list(products(jax.make_jaxpr(function)(*arguments).jaxpr))
    assert found, "a program without products would pass whatever it does"
    for equation in found:
        assert equation.params["precision"] == FULL, f"{name}: {equation.source_info.traceback}"


def test_a_plain_product_inside_a_loop_would_be_noticed():
    def body(_, rows):
        return rows @ rows

    jaxpr = jax.make_jaxpr(lambda rows: jax.lax.fori_loop(0, 2, body, rows))(jnp.ones((2, 2))).jaxpr
    assert [equation.params["precision"] for equation in products(jaxpr)] == [None]
