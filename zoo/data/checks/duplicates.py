"""Which of many images show the same picture: thumbnails that differ less than different pictures ever would.

    thumbnails ──► projection ──► k-d tree ──► candidates ──► difference of thumbnails ──► pairs ──► groups
                                                                     ▲ limit, from the data's own look-alikes

The difference of two thumbnails is 1 minus the correlation of their pixels: 0 for the same picture, brighter or of more
contrast too, about 1 for two that have nothing in common. Thumbnails on principal axes are never farther apart than as
a whole (C. Faloutsos, M. Ranganathan, Y. Manolopoulos, "Fast Subsequence Matching in Time-Series Databases", 1994), so
candidates leave no pair out. Copies that are cropped, turned or mirrored are other pictures here.

How much copies may differ depends on the data. Handwritten ones look alike, photographs do not: of 398 photographs no
two differ by less than 0.064, of 70,000 MNIST digits the closest two by 0.0055, and what JPEG makes of a photograph
(quality 30, or half the size at 75) differs from it by 0.0014 at most. So look-alikes are counted where copies are
rare, and from their number the limit is taken below which a tenth of a pair is to be expected by chance: within a
distance r their number grows as a power of r (E. Levina, P. Bickel, "Maximum Likelihood Estimation of Intrinsic
Dimension", 2004).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

#: Height and width of a thumbnail, in pixels.
SIDE = 32

#: Bounds of the limit: JPEG of quality 50 stays below the lowest, different pictures begin above the highest.
LOWEST, HIGHEST = 0.001, 0.016

#: Pairs that differ by HIGHEST to twice as much are look-alikes; halving a difference leaves one in 2**POWER of them.
#: Measured between 0.008 and 0.032: 4.3 on MNIST, 3.8 on Fashion-MNIST, 3.5 on digits.
POWER = 4
EXPECTED = 0.1

#: Images whose look-alikes are counted, and from which the principal axes are taken.
SAMPLE = 2_000

#: Principal axes that the tree holds, and neighbours of an image that are looked at.
AXES, NEIGHBOURS = 24, 16

#: Thumbnails whose grey levels have a smaller standard deviation show nothing that could be compared.
FLAT = 2.0

#: Thumbnails, or pairs of them, that are worked on at a time: 16 MiB of float32 each.
BLOCK = 4_096


def near_pairs(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of images that show the same picture.

    Memory: 0.4 kB an image beside the thumbnails. Of an image with over NEIGHBOURS copies the nearest are found.

    Args:
        thumbnails: uint8 ``(count, SIDE, SIDE)``, each another image.

    Returns:
        int64 ``(pairs, 2)`` indices, the smaller first, and float32 ``(pairs,)`` differences, at most HIGHEST.
    """
    flat = np.concatenate([block.reshape(len(block), -1).std(axis=1) < FLAT for block in _blocks(thumbnails)] or [[]])
    shown = np.flatnonzero(~flat.astype(bool))
    if len(shown) < 2:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    pictures = thumbnails if len(shown) == len(thumbnails) else thumbnails[shown]
    sample = np.sort(np.random.default_rng(0).permutation(len(pictures))[:SAMPLE])
    points = _projected(pictures, sample)
    tree = KDTree(points)
    limit = _limit(_look_alikes(pictures, points, tree, sample), len(sample), len(pictures))
    found: list[np.ndarray] = []
    for start in range(0, len(points), BLOCK):
        _, near = tree.query(points[start : start + BLOCK], k=NEIGHBOURS + 1, distance_upper_bound=_radius(limit))
        own = np.arange(start, start + len(near))[:, None]
        rows, columns = np.nonzero((near != own) & (near < len(points)))  # a place without a neighbour holds the count
        pairs = np.stack([rows + start, near[rows, columns]], axis=1)
        found.append(np.sort(pairs, axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    differences = _differences(pictures, pairs)
    same = differences <= limit
    return shown[pairs[same]], differences[same]


def groups(pairs: np.ndarray, count: int) -> list[np.ndarray]:
    """Join pairs into groups of images that are connected by them.

    Args:
        pairs: int64 ``(pairs, 2)`` indices.
        count: of all images.

    Returns:
        For each group of two images or more its indices, ascending; the groups by their first.
    """
    if len(pairs) == 0:
        return []
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, names = connected_components(graph, directed=False)
    involved = np.unique(pairs)
    order = involved[np.argsort(names[involved], kind="stable")]
    found = np.split(order, np.flatnonzero(np.diff(names[order])) + 1)
    return sorted(found, key=lambda group: int(group[0]))


def _limit(look_alikes: int, sampled: int, count: int) -> float:
    """Return the difference below which EXPECTED pairs of different pictures are to be expected.

    Args:
        look_alikes: neighbours of the sampled images that differ by HIGHEST to twice as much.
        sampled: images whose neighbours were counted.
        count: of all images.
    """
    # Each pair has two ends; one neighbour more, because a sample without any does not prove that there are none.
    pairs = (look_alikes + 1) * count / sampled / 2
    expected = pairs / (2**POWER - 1)  # at HIGHEST
    return float(np.clip(HIGHEST * (EXPECTED / expected) ** (1 / POWER), LOWEST, HIGHEST))


def _look_alikes(pictures: np.ndarray, points: np.ndarray, tree: KDTree, sample: np.ndarray) -> int:
    """Count the neighbours of sampled pictures that differ by HIGHEST to twice as much."""
    total = 0
    for start in range(0, len(sample), 100):
        chosen = sample[start : start + 100]
        near = tree.query_ball_point(points[chosen], _radius(2 * HIGHEST), return_sorted=False)
        lengths = [len(indices) for indices in near]
        pairs = np.stack([np.repeat(chosen, lengths), np.concatenate(near).astype(np.int64)], axis=1)
        differences = _differences(pictures, pairs)
        total += int(((differences > HIGHEST) & (differences <= 2 * HIGHEST)).sum())
    return total


def _projected(pictures: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Return float32 ``(count, AXES)``: normalised pictures on the principal axes of a sample."""
    vectors = _normalised(pictures[sample])
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.concatenate([_normalised(block) @ axes[:, -AXES:] for block in _blocks(pictures)])


def _differences(pictures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return float32 ``(pairs,)``, 1 minus the correlation of each two pictures."""
    parts = [
        1 - np.einsum("ij,ij->i", _normalised(pictures[block[:, 0]]), _normalised(pictures[block[:, 1]]))
        for block in _blocks(pairs)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _normalised(pictures: np.ndarray) -> np.ndarray:
    """Return float32 ``(count, SIDE * SIDE)`` of mean 0 and length 1."""
    vectors = pictures.reshape(len(pictures), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _radius(difference: float) -> float:
    """Return how far apart two normalised pictures of a difference are, a little more for rounding."""
    return float(np.sqrt(2 * difference)) + 1e-4


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))
