"""Fits what decides whether a written sentence is supported: `python -m eval.fit_support [--write]`.

`support_claims.jsonl` holds sentences of notices as agencies write them, each with claims that it supports and claims
that it doesn't: with an altered fact, another predicate or subject, something added, or something else altogether. The
documents of the split "tune" are fitted on, and set the threshold; those of "test" are only measured.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eval.training_corpora import open_folder
from index.embedding import BUNDLED, load_embedder
from server.answerers.evidence import sentence_candidates
from server.answerers.verification import FEATURES, WEIGHTS_FILE, Support, Verifier
from server.settings import Settings

CLAIMS = Path(__file__).with_name("support_claims.jsonl")
# Of the unsupported claims that are fitted on, how many may be shown. They are as near to their sources as such can be.
FALSE_SHARE = 0.05
# Where the rules alone hold to that: of the supported ones that they let pass, how many may be held back as too far.
HELD_BACK_SHARE = 0.05
# What tells how near a sentence is: a Korean one to Korean sources, one in another language to sources in the same, and
# one in another than its sources, where no words are shared but names and numbers, which were checked before.
TELLING = {
    "korean": ("coverage", "aligned"),
    "same": ("coverage", "aligned", "worst_similar"),
    "other": ("aligned", "worst_similar"),
}
# More than what rounding the weights can do to a logit.
ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about one source, and what the verifier found."""

    split: str
    language: str
    kind: str
    text: str
    is_supported: bool
    support: Support


def main() -> None:
    """Fit, print figures of both splits, and with --write store the weights."""
    claims = list(weigh_claims())
    weights = {}
    for languages in TELLING:
        chosen = [claim for claim in claims if (claim.language == "ko") == (languages != "other")]
        if languages == "same":
            # The Korean claims stand for those of other languages, which have no rules for words.
            chosen = [_without_words(claim) for claim in chosen]
        weights[languages] = fit([claim for claim in chosen if claim.split == "tune"], TELLING[languages])
        for split in ("tune", "test"):
            print(f"{languages:6} {split:5} {_figures([c for c in chosen if c.split == split], weights[languages])}")
    if "--write" in sys.argv:
        rounded = {group: {name: round(value, 4) for name, value in found.items()} for group, found in weights.items()}
        WEIGHTS_FILE.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def _without_words(claim: Claim) -> Claim:
    """Return a claim as if no rule for words had looked at it: they are asked last, when all is measured."""
    return replace(claim, support=replace(claim.support, problem="")) if any(claim.support.features) else claim


def weigh_claims() -> Iterator[Claim]:
    """Index the sources, a document for each title, and hold each claim to the passages of its document."""
    rows = [json.loads(line) for line in CLAIMS.read_text(encoding="utf-8").splitlines()]
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    with tempfile.TemporaryDirectory(prefix="mundap-support-") as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for title in {row["document"]: None for row in rows}:
            text = "\n\n".join(row["source"] for row in rows if row["document"] == title)
            (source / f"{title}.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
        retriever = open_folder(source, Path(folder) / "data", embedder)
        verifier = Verifier(retriever.index, embedder)
        for row in rows:
            doc_id = f"{row['document']}.md"
            hits = [hit for hit in retriever.search(row["source"], 20).hits if hit.passage.doc_id == doc_id]
            cited = [sentence_candidates("", {}, [hit]) for hit in hits]
            for claim in row["claims"]:
                support = verifier.weigh(claim["text"], claim["lang"], cited)
                yield Claim(row["split"], claim["lang"], claim["kind"], claim["text"], claim["supported"], support)


def fit(claims: Sequence[Claim], telling: Sequence[str]) -> dict[str, float]:
    """Return the weight of each feature, 0 if it isn't `telling`, the bias and the threshold; facts must hold.

    What is held back for its words is fitted on as well. The threshold is the lowest at which no more than
    `FALSE_SHARE` of all unsupported claims are shown; where the rules see to that, it only keeps out what is farthest.
    """
    plausible = [claim for claim in claims if any(claim.support.features)]
    features = np.array([claim.support.features for claim in plausible])
    features *= [name in telling for name in FEATURES]
    supported = np.array([claim.is_supported for claim in plausible])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced")).fit(features, supported)
    scale, regression = model[0], model[1]
    weights = regression.coef_[0] / scale.scale_
    bias = float(regression.intercept_[0] - weights @ scale.mean_)
    passing = np.array([not claim.support.problem for claim in plausible])
    logits = features @ weights + bias
    wrong = np.sort(logits[passing & ~supported])[::-1]
    allowed = int(FALSE_SHARE * sum(not claim.is_supported for claim in claims))
    if len(wrong) > allowed:
        threshold = float(wrong[allowed]) + ROUNDING
    else:
        threshold = float(np.quantile(logits[passing & supported], HELD_BACK_SHARE))
    return dict(zip(FEATURES, map(float, weights), strict=True)) | {"bias": bias, "supported_from": threshold}


def _figures(claims: Sequence[Claim], weights: dict[str, float]) -> str:
    vector = np.array([weights[name] for name in (*FEATURES, "bias")])
    logits = np.array([np.append(claim.support.features, 1.0) @ vector for claim in claims])
    facts_hold = np.array([not claim.support.problem for claim in claims])
    passes = facts_hold & (logits >= weights["supported_from"])
    supported = np.array([claim.is_supported for claim in claims])
    left = set(supported[facts_hold])
    area = roc_auc_score(supported[facts_hold], logits[facts_hold]) if len(left) == 2 else float("nan")
    wrong = Counter(
        claim.kind for claim, passed in zip(claims, passes, strict=True) if passed and not claim.is_supported
    )
    return (
        f"supported shown {passes[supported].sum()} of {supported.sum()}; unsupported held back by facts "
        f"{(~facts_hold[~supported]).sum()}, shown {passes[~supported].sum()} of {(~supported).sum()} {dict(wrong)}; "
        f"AUROC of the rest {area:.3f}"
    )


if __name__ == "__main__":
    main()
