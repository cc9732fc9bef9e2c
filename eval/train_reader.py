"""Train the reader: LoRA adapters and a head for the bundled encoder, from question-answering sets in SQuAD's form.

Files that hold the same questions in several languages also give questions in one language over passages in another.
Nothing of the articles of the fold `HELD_OUT` is trained on.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from eval.datasets import load_squad
from eval.reader_examples import GOLD, Group, ReadingExample, gold_reading_examples, make_group, reading_examples
from eval.training_corpora import (
    HELD_OUT,
    SOURCE_DOCS,
    RememberingEmbedder,
    open_corpus,
    open_folder,
    with_parallel,
)
from index.bundled_model import bundled_model_folder
from index.embedding import BUNDLED, load_embedder
from index.errors import InputError
from index.reader.encoding import EncodedPair, encode_pair
from index.reader.graph import ADAPTER_SCALE, ADAPTERS

FIRST_LAYER = 3
RANK = 48
ADAPTED = (
    "attention.self.query", "attention.self.key", "attention.self.value",
    "attention.output.dense", "intermediate.dense", "output.dense",
)  # fmt: skip
CHANNELS = 4
BATCH = 4
RATE = 6e-4
CROSSED_SHARE = 0.5
GOLD_TIMES = 3
LOG_EVERY, SAVE_EVERY, HELD_OUT_QUESTIONS = 25, 250, 150


# ----- the model -----------------------------------------------------------------------------------------------------


class LowRank(nn.Module):
    """A frozen linear layer with a trained update of low rank (LoRA, Hu et al., 2021): x W + scale (x A) B."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output with the update."""
        update = functional.linear(functional.linear(x, self.down.to(x.dtype)), self.up.to(x.dtype))
        return self.base(x) + ADAPTER_SCALE * update  # type: ignore[no-any-return]  # torch types a call of a module as Any


class ReaderModel(nn.Module):
    """The encoder with adapters, and a head that gives four numbers a token; see `index.reader` for what they mean."""

    def __init__(self, folder: Path, rank: int = RANK, first_layer: int = FIRST_LAYER) -> None:
        super().__init__()
        from transformers import BertModel

        # Without dropout: what is trained is small, the data are read about twice, and attention is twice as fast.
        self.encoder: Any = BertModel.from_pretrained(
            folder, add_pooling_layer=False, dtype=torch.bfloat16, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        self.encoder.requires_grad_(False)
        for layer in self.encoder.encoder.layer[first_layer:]:
            for name in ADAPTED:
                layer.set_submodule(name, LowRank(layer.get_submodule(name), rank))
        self.head = nn.Linear(self.encoder.config.hidden_size, CHANNELS)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, pairs: Sequence[EncodedPair]) -> list[Tensor]:
        """Return float32 (tokens, CHANNELS) for each pair."""
        longest = max(len(pair.token_ids) for pair in pairs)
        ids = torch.ones(len(pairs), longest, dtype=torch.long)
        mask = torch.zeros(len(pairs), longest, dtype=torch.long)
        for row, pair in enumerate(pairs):
            ids[row, : len(pair.token_ids)] = torch.tensor(pair.token_ids)
            mask[row, : len(pair.token_ids)] = 1
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        numbers = self.head(states.float())
        return [numbers[row, : len(pair.token_ids)] for row, pair in enumerate(pairs)]

    def trained(self) -> dict[str, Tensor]:
        """Return what is trained, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}


def sentence_scores(numbers: Tensor, pair: EncodedPair) -> Tensor:
    """Return a logit for each sentence of `pair`, (sentences,); one that was not read has -30."""
    scores = [
        numbers[start:end, 0].mean() + numbers[start:end, 1].max() if end > start else numbers.new_tensor(-30.0)
        for start, end in pair.sentences
    ]
    return torch.stack(scores)


def group_loss(numbers: Sequence[Tensor], group: Group) -> Tensor:
    """Return the loss of one question: that no sentence answers competes with all sentences, at a logit of 0."""
    scores = torch.cat([sentence_scores(n, pair) for n, pair in zip(numbers, group.pairs, strict=True)])
    answers = torch.tensor([answer for of_pair in group.answers for answer in of_pair])
    everything = torch.logsumexp(torch.cat([scores, scores.new_zeros(1)]), 0)
    loss = everything - torch.logsumexp(scores[answers], 0) if answers.any() else everything
    loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(scores, answers.float())
    for n, pair, spans in zip(numbers, group.pairs, group.spans, strict=True):
        if spans:
            first = pair.sentences[0][0]
            for channel, ends in ((2, [start for start, _ in spans]), (3, [end for _, end in spans])):
                logits = functional.log_softmax(n[first:-1, channel], 0)
                loss = loss - 0.3 * torch.logsumexp(logits[torch.tensor(ends) - first], 0)
    return loss


# ----- the training --------------------------------------------------------------------------------------------------

Progress = Callable[[str, int, int], None]


def train_reader(
    files: Sequence[Path], work: Path, start: Path | None, steps: int, rate: float, seed: int, progress: Progress
) -> Path:
    """Train on `files` and the tuning part of the project's own questions; return the file of the adapters.

    It begins with the adapters in `start`, or with none; `rate` is the highest learning rate. Everything that is made
    on the way stays below `work`: a training that was interrupted goes on where it last saved.

    Raises:
        InputError: a file is not of SQuAD's form, or `start` holds no adapters.
    """
    work.mkdir(parents=True, exist_ok=True)
    embedder = RememberingEmbedder(load_embedder(BUNDLED, work))
    examples: list[ReadingExample] = []
    datasets = with_parallel([load_squad(path) for path in files])
    for done, dataset in enumerate(datasets):
        progress("Searching", done, len(datasets))
        retriever = open_corpus(dataset, work / dataset.name.replace(":", "-").replace(" ", "-"), embedder)
        examples += reading_examples(dataset, retriever)
    examples += gold_reading_examples(open_folder(SOURCE_DOCS, work / "gold", embedder))
    progress("Searching", len(datasets), len(datasets))
    training = Training(examples, bundled_model_folder(work), work, steps, rate, seed, start)
    while training.done < steps:
        training.step()
        progress("Training", training.done, steps)
    return training.save_adapters()


class Training:
    """One run over `examples`, from the checkpoint in `work` where there is one."""

    def __init__(
        self,
        examples: Sequence[ReadingExample],
        encoder: Path,
        work: Path,
        steps: int,
        rate: float = RATE,
        seed: int = 1,
        start: Path | None = None,
    ) -> None:
        torch.manual_seed(seed)
        rng = random.Random(seed)  # noqa: S311 - not for secrets
        self.done = 0
        self._work = work
        self._tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        self._model = ReaderModel(encoder)
        self._trained = self._model.trained()
        if start:
            load_adapters(self._model, start)
        self._optimizer = torch.optim.AdamW(self._trained.values(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
        warm_up = max(1, steps // 30)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))
        )
        self._held_out = [example for example in examples if example.fold == HELD_OUT]
        rng.shuffle(self._held_out)
        learning = mixture([example for example in examples if example.fold != HELD_OUT], rng)
        self._batches = batches(learning, self._tokenizer, seed)
        self._losses: list[float] = []
        self._restore()

    def step(self) -> None:
        """Learn from one batch; write the log and the checkpoint when it is time."""
        groups = next(self._batches)
        self._model.train()
        numbers = iter(self._model([pair for group in groups for pair in group.pairs]))
        loss = torch.stack([group_loss([next(numbers) for _ in group.pairs], group) for group in groups]).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self._trained.values(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self.done += 1
        self._losses.append(loss.item())
        if self.done % LOG_EVERY == 0:
            entry = {"step": self.done, "loss": round(float(np.mean(self._losses)), 4)}
            self._losses.clear()
            if self.done % SAVE_EVERY == 0:
                entry |= held_out_figures(self._model, self._tokenizer, self._held_out[:HELD_OUT_QUESTIONS])
                self._save()
            with (self._work / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")

    def save_adapters(self) -> Path:
        """Write what was trained, in half precision, and return the file."""
        target = self._work / ADAPTERS.name
        save_file({name: p.detach().half().contiguous() for name, p in self._trained.items()}, target)
        return target

    @property
    def _checkpoint(self) -> Path:
        return self._work / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "trained": dict(self._trained), "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(), "done": self.done,
        }  # fmt: skip
        aside = self._checkpoint.with_suffix(".aside")
        torch.save(state, aside)
        aside.replace(self._checkpoint)

    def _restore(self) -> None:
        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, weights_only=True)
        self._model.load_state_dict(state["trained"], strict=False)
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.done = state["done"]
        for _ in range(self.done):
            next(self._batches)


def load_adapters(model: ReaderModel, path: Path) -> None:
    """Put the adapters of `path` into `model`.

    Raises:
        InputError: it holds none, or those of another form.
    """
    try:
        tensors = load_file(path)
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: not a file of adapters: {str(error).splitlines()[0]}") from error
    if unexpected or model.trained().keys() & set(missing):
        raise InputError(f"{path}: not the adapters of this reader")


def mixture(examples: Sequence[ReadingExample], rng: random.Random) -> list[ReadingExample]:
    """Return half of the questions over another language, the project's own three times, and no fewer written apart.

    Questions that were not written from the sentences that answer them are few and teach most: they are repeated until
    they are half of all or more.
    """
    apart = [example for example in examples if example.written_apart]
    others = [e for e in examples if not e.written_apart and (" over " not in e.source or rng.random() < CROSSED_SHARE)]
    others += [example for example in examples if example.source == GOLD] * (GOLD_TIMES - 1)
    return others + apart * max(1, math.ceil(len(others) / max(1, len(apart))))


def batches(examples: Sequence[ReadingExample], tokenizer: Tokenizer, seed: int) -> Iterator[list[Group]]:
    """Yield batches of questions without end, of like length so that little is padded; the order follows `seed`."""
    epoch = 0
    while True:
        rng = random.Random(f"{seed} {epoch}")  # noqa: S311 - not for secrets
        order = list(examples)
        rng.shuffle(order)
        for start in range(0, len(order), 16 * BATCH):
            made = [make_group(example, tokenizer, rng) for example in order[start : start + 16 * BATCH]]
            groups = sorted((g for g in made if g), key=lambda g: max(len(pair.token_ids) for pair in g.pairs))
            cut = [groups[at : at + BATCH] for at in range(0, len(groups), BATCH)]
            rng.shuffle(cut)
            yield from cut
        epoch += 1


def held_out_figures(model: ReaderModel, tokenizer: Tokenizer, examples: Sequence[ReadingExample]) -> dict[str, float]:
    """Return how often the best sentence of four passages answers, and the AUROC with those that do hidden, if any."""
    model.eval()
    first, full, near = [], [], []
    with torch.no_grad():
        for example in examples:
            passages = example.passages[:4]
            pairs = [encode_pair(tokenizer, example.question, labelled.passage) for labelled in passages]
            scores = [sentence_scores(n, pair) for n, pair in zip(model(pairs), pairs, strict=True)]
            answers = [answer for labelled in passages for answer in labelled.answers]
            if any(answers):
                everything = torch.cat(scores)
                first.append(answers[int(everything.argmax())])
                full.append(everything.max().item())
            hidden = [s.max().item() for s, labelled in zip(scores, passages, strict=True) if not any(labelled.answers)]
            if hidden:
                near.append(max(hidden))
    if not full or not near:
        return {}
    area = roc_auc_score([1] * len(full) + [0] * len(near), full + near)
    return {"first": round(float(np.mean(first)), 4), "auroc_near": round(float(area), 4)}
