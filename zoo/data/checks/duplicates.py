"""Find images that show the same picture, although their pixels differ: resized, re-encoded or brightened copies.

    thumbnails ──► projection ──► k-d tree ──► candidates ──► difference of thumbnails ──► pairs ──► groups
                                                                     ▲ limit, estimated from the data

The difference of two thumbnails is 1 minus the correlation of their pixels: 0 for the same picture, also if brightness
or contrast changed, and about 1 for unrelated pictures. Cropped, rotated or mirrored copies count as other pictures.

No pair is missed among the candidates, because a projection on principal axes never increases a distance
(C. Faloutsos, M. Ranganathan, Y. Manolopoulos, "Fast Subsequence Matching in Time-Series Databases", 1994).

How much copies may differ depends on the data, because handwritten digits resemble each other and photographs do not:
the smallest difference between two of 398 photographs is 0.064, between two of 70,000 MNIST digits 0.0055; JPEG
(quality 30, or half the size at 75) changes a photograph by at most 0.0014. So similar pictures are counted at a
difference that copies do not reach, and the limit is set where 0.1 pairs of different pictures are expected: within a
distance r their number grows as a power of r (E. Levina, P. Bickel, "Maximum Likelihood Estimation of Intrinsic
Dimension", 2004).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from scipy.spatial import KDTree

#: Height and width of a thumbnail, in pixels.
SIDE = 32

#: Bounds of the limit: JPEG of quality 50 stays below the lower, different pictures begin above the upper.
LOWEST, HIGHEST = 0.001, 0.016

#: Similar pictures differ by HIGHEST to 2 * HIGHEST; of these pairs, one in 2**POWER remains when the difference is
#: halved. Measured between 0.008 and 0.032: a power of 4.3 on MNIST, 3.8 on Fashion-MNIST, 3.5 on digits.
POWER = 4
EXPECTED = 0.1

#: Images that are sampled to count similar pictures and to compute the principal axes.
SAMPLE = 2_000

#: Dimensions of the tree, and nearest neighbours of an image that become candidates.
AXES, NEIGHBOURS = 24, 16

#: Standard deviation of grey levels below which a thumbnail is too uniform to compare.
FLAT = 2.0

#: Thumbnails or pairs per block: 16 MiB of float32.
BLOCK = 4_096


def near_pairs(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of images that show the same picture.

    Takes 0.4 kB of memory per image beside the thumbnails. Of an image with more than NEIGHBOURS copies, the nearest
    copies are found.

    Args:
        thumbnails: uint8 ``(count, SIDE, SIDE)``, of images with different pixels.

    Returns:
        int64 ``(pairs, 2)`` indices, the smaller first, and float32 ``(pairs,)`` differences, at most HIGHEST.
    """
    deviations = [block.reshape(len(block), -1).std(axis=1) for block in _blocks(thumbnails)]
    compared = np.flatnonzero(np.concatenate(deviations) >= FLAT) if deviations else np.empty(0, np.int64)
    if len(compared) < 2:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    pictures = thumbnails if len(compared) == len(thumbnails) else thumbnails[compared]
    sample = np.sort(np.random.default_rng(0).permutation(len(pictures))[:SAMPLE])
    points = _project(pictures, sample)
    tree = KDTree(points)
    limit = _limit(_count_similar(pictures, points, tree, sample), len(sample), len(pictures))
    candidates: list[np.ndarray] = []
    for start in range(0, len(points), BLOCK):
        _, near = tree.query(points[start : start + BLOCK], k=NEIGHBOURS + 1, distance_upper_bound=_radius(limit))
        own = np.arange(start, start + len(near))[:, None]
        rows, columns = np.nonzero((near != own) & (near < len(points)))  # the tree fills missing neighbours with count
        candidates.append(np.sort(np.stack([rows + start, near[rows, columns]], axis=1), axis=1))
    pairs = np.unique(np.concatenate(candidates), axis=0)
    differences = _differences(pictures, pairs)
    same = differences <= limit
    return compared[pairs[same]], differences[same]


def groups(pairs: np.ndarray) -> list[list[int]]:
    """Join pairs, int64 ``(pairs, 2)``, into groups of connected images: ascending indices, ordered by the first."""
    images = DisjointSet(pairs.ravel().tolist())
    for first, second in pairs.tolist():
        images.merge(first, second)
    return sorted(sorted(group) for group in images.subsets())


def _limit(similar: int, sampled: int, count: int) -> float:
    """Return the difference below which EXPECTED pairs of different pictures are expected.

    Args:
        similar: neighbours of the sampled images that differ by HIGHEST to 2 * HIGHEST.
        sampled: number of sampled images.
        count: number of all images.
    """
    # Each pair is counted from both ends. One more, because a sample without similar pictures does not exclude them.
    pairs = (similar + 1) * count / sampled / 2
    expected = pairs / (2**POWER - 1)  # below HIGHEST
    return float(np.clip(HIGHEST * (EXPECTED / expected) ** (1 / POWER), LOWEST, HIGHEST))


def _count_similar(pictures: np.ndarray, points: np.ndarray, tree: KDTree, sample: np.ndarray) -> int:
    """Count the neighbours of sampled pictures that differ by HIGHEST to 2 * HIGHEST."""
    total = 0
    for start in range(0, len(sample), 100):
        chosen = sample[start : start + 100]
        near = tree.query_ball_point(points[chosen], _radius(2 * HIGHEST), return_sorted=False)
        lengths = [len(indices) for indices in near]
        pairs = np.stack([np.repeat(chosen, lengths), np.concatenate(near).astype(np.int64)], axis=1)
        differences = _differences(pictures, pairs)
        total += int(((differences > HIGHEST) & (differences <= 2 * HIGHEST)).sum())
    return total


def _project(pictures: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Project normalised pictures on the principal axes of a sample; float32 ``(count, AXES)``."""
    vectors = _normalise(pictures[sample])
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.concatenate([_normalise(block) @ axes[:, -AXES:] for block in _blocks(pictures)])


def _differences(pictures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return 1 minus the correlation of each pair of pictures; float32 ``(pairs,)``."""
    differences = [
        1 - np.einsum("ij,ij->i", _normalise(pictures[block[:, 0]]), _normalise(pictures[block[:, 1]]))
        for block in _blocks(pairs)
    ]
    return np.concatenate(differences) if differences else np.empty(0, np.float32)


def _normalise(pictures: np.ndarray) -> np.ndarray:
    """Return the pictures as vectors of mean 0 and length 1; float32 ``(count, SIDE * SIDE)``."""
    vectors = pictures.reshape(len(pictures), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _radius(difference: float) -> float:
    """Return the distance of two normalised pictures with this difference, plus a margin for rounding."""
    return float(np.sqrt(2 * difference)) + 1e-4


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))
