import pytest

from index.fusion import fuse, lexical_weight


@pytest.mark.parametrize(("known_share", "weight"), [(0, 0), (0.25, 0.25), (1, 0.5)])
def test_lexical_weight_is_half_the_root_of_the_known_share(known_share, weight):
    assert lexical_weight(known_share) == weight


def test_fusion_is_the_convex_combination_of_normalised_scores():
    # Dense by minimum 0.5 and maximum 0.9: 1, 0.5, 0; lexical by maximum 8: 0, 0.5, 1.
    fused = fuse({1: 0.9, 2: 0.7, 3: 0.5}, {2: 4.0, 3: 8.0}, weight=0.25)
    assert fused == pytest.approx({1: 0.75, 2: 0.5, 3: 0.25})


def test_a_passage_that_only_one_search_found_has_the_least_score_of_the_other():
    assert fuse({1: 0.9, 2: 0.5}, {3: 2.0}, weight=0.5) == pytest.approx({1: 0.5, 2: 0.0, 3: 0.5})


@pytest.mark.parametrize(
    ("dense", "lexical", "fused"),
    [({}, {}, {}), ({1: 0.7}, {}, {1: 0.5}), ({1: 0.7, 2: 0.7}, {1: 3.0}, {1: 1.0, 2: 0.5})],
)
def test_equal_or_missing_scores_divide_by_nothing(dense, lexical, fused):
    assert fuse(dense, lexical, weight=0.5) == pytest.approx(fused)
