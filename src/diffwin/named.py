"""The numbers of a ledger with the names behind them: features and labels in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


class Words:
    """The names behind the numbers of a ledger, as categories, so that a million rows hold each name once."""

    def __init__(self, labels: Mapping[str, Sequence[str]]) -> None:
        self.features = pd.CategoricalDtype(list(labels))
        self.names = pd.CategoricalDtype(list(dict.fromkeys(name for each in labels.values() for name in each)))
        codes = {name: code for code, name in enumerate(self.names.categories)}
        self.codes = np.zeros((len(labels), max(map(len, labels.values()), default=0)), np.int64)
        for row, each in zip(self.codes, labels.values(), strict=True):
            row[: len(each)] = [codes[name] for name in each]

    def named(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """A part of `Ledger.pairs_in_parts` in the columns of `Findings.trials`."""
        rows = pairs.drop(columns=["probabilities", "label", "base_label"])
        rows["feature"] = pairs["feature"].astype(self.features)
        rows["prompt"] = pairs["prompt"].astype("category")
        feature = rows["feature"].cat.codes.to_numpy()
        label, before = pairs["label"].to_numpy(np.int64), pairs["base_label"].to_numpy(np.int64)
        rows["label"] = pd.Categorical.from_codes(self.codes[feature, label], dtype=self.names)
        rows["base_label"] = pd.Categorical.from_codes(self.codes[feature, before], dtype=self.names)
        rows["survived"] = label == before
        rows["probability"] = [
            float(np.frombuffer(packed, "<f8")[at]) for packed, at in zip(pairs["probabilities"], before, strict=True)
        ]
        return rows


def labelled(observations: pd.DataFrame, labels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Observations in words: the label's name, and its probabilities as JSON."""
    told = zip(*(observations[name] for name in ("feature", "label", "probabilities")), strict=True)
    named = [
        (
            labels[feature][int(label)],
            json.dumps(dict(zip(labels[feature], np.frombuffer(p, "<f8").tolist(), strict=True))),
        )
        if p is not None
        else (None, None)
        for feature, label, p in told
    ]
    words = pd.DataFrame(named, columns=["label", "probabilities"], index=observations.index, dtype=object)
    return observations.assign(label=words["label"], probabilities=words["probabilities"])
