"""The scores of two searches made into one ranking."""

import math
from collections.abc import Mapping


def lexical_weight(known_share: float) -> float:
    """Return how much the lexical score counts, 0 to 0.5, for the share of a question's idf mass that the index knows.

    A question that shares no vocabulary with the documents (English over Korean) gets lexical scores from names and
    numbers alone; half of the square root of the share keeps them from drowning the dense ones.
    """
    return 0.5 * math.sqrt(known_share)


def fuse(dense: Mapping[int, float], lexical: Mapping[int, float], weight: float) -> dict[int, float]:
    """Return ordinal → fused score in 0..1 over the keys of both.

    A convex combination of per-query normalised scores (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for
    Hybrid Retrieval", ACM TOIS 2023): dense scores by minimum and maximum, lexical scores, whose least value is known
    to be 0, by maximum. A passage that a search did not return has the least score of that search.
    """
    low, high = min(dense.values(), default=0.0), max(dense.values(), default=0.0)
    top = max(lexical.values(), default=0.0)
    return {
        key: (1 - weight) * ((dense.get(key, low) - low) / (high - low) if high > low else 1.0)
        + weight * (lexical.get(key, 0.0) / top if top else 0.0)
        for key in dense.keys() | lexical.keys()
    }
