"""Probes fitted to, and checked on, pictures whose labels are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy.special import expit

from command import diffwin
from diffwin.errors import BadInput
from diffwin.paths import data_folder
from diffwin.probes.base import Probe
from diffwin.probes.checking import check, tally
from diffwin.probes.fitting import cross_validate, fit
from diffwin.probes.labelled import Labelled, in_batches, read_labelled
from diffwin.probes.load import load_defined
from diffwin.worlds.file import read_toml
from diffwin.worlds.image_files import read_npz

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 210)}


def write(folder: Path, count: int, seed: int = 0) -> Path:
    """Noisy flat pictures of two sizes, a folder a colour."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            side = 64 if i % 2 else 48
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_the_head_is_the_law_that_made_the_labels() -> None:
    """Labels drawn from a logistic law: the fitted log-odds are its own, up to the ridge and the draw."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(20_000, 3))
    truth = (rng.random(len(features)) < expit(features @ np.array([2.0, -1.0, 0.0]))).astype(np.int64)
    head = fit(features, truth, 2)
    np.testing.assert_allclose(head.weight[1] - head.weight[0], [2.0, -1.0, 0.0], atol=0.12)
    np.testing.assert_allclose(head.probabilities(features).sum(axis=1), 1)


def test_cross_validation_does_not_see_what_it_reads() -> None:
    """Labels without any relation to many features: a head fits them, and its measured error stays that of chance."""
    rng = np.random.default_rng(2)
    features, truth = rng.normal(size=(200, 150)), np.arange(200) % 2
    given = Labelled(("a", "b"), tuple(np.zeros((1, 1, 3), np.uint8) for _ in truth), truth)
    assert tally(given.labels, truth, fit(features, truth, 2).probabilities(features)).trace() > 180
    checked = cross_validate(features, given, "nothing", "a test")
    assert abs(checked.accuracy - 0.5) < 4 * np.sqrt(0.25 / 200)
    assert checked.counts.sum(axis=1).tolist() == [100, 100]


def test_a_fitted_probe_reads_what_it_was_fitted_to_read(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt, held_out = write(tmp_path / "learnt", 12), write(tmp_path / "held-out", 6, seed=9)
    args = ("--feature", "colour", "--model", str(tiny_clip), "--device", "cpu", "--out", str(tmp_path / "own"))
    assert diffwin(monkeypatch, "fit-probe", str(learnt), *args) == 0
    definition = tmp_path / "own" / "colour.toml"
    told = capsys.readouterr().out
    assert str(definition) in told
    assert "of 36 pictures read rightly" in told
    probe = load_defined(str(definition), device="cpu")
    assert isinstance(probe, Probe)
    assert probe.labels == ("blue", "green", "red")
    assert probe.confusion is not None
    assert probe.confusion.counts == (12, 12, 12)
    checked = check(probe, read_labelled(held_out), "a test")
    assert checked.accuracy == 1.0
    assert diffwin(monkeypatch, "check-probe", str(definition), str(held_out), "--out", str(tmp_path / "c.json")) == 0
    assert json.loads((tmp_path / "c.json").read_text())["colour"]["counts"] == [6, 6, 6]
    assert "100.0% of 18 pictures read rightly" in capsys.readouterr().out


EMOJI = ["occupation", "gender", "skin-tone", "background"]


def told_by_the_card(feature: str) -> float:
    """The share of held-out drawings that emoji-clip reads rightly, zero-shot, by its card."""
    card = (data_folder("assets") / "emoji-clip" / "README.md").read_text("utf-8")
    found = re.search(rf"^\| {feature} \| ([\d.]+)% \|", card, re.MULTILINE)
    assert found is not None
    return float(found[1]) / 100


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FEATURE/learnt|held-out/LABEL/*.png of the drawings, each on one of the eight backgrounds in turn."""
    folder = tmp_path_factory.mktemp("emoji")
    world = data_folder("assets") / "noto-emoji"
    drawings = read_npz(world / "drawings.npz")
    colours = read_toml(world / "model.toml")["backgrounds"]
    for i, (drawing, held_out) in enumerate(zip(drawings.pixels, drawings.columns["held_out"], strict=True)):
        labels = {name: str(drawings.columns[name][i]) for name in EMOJI[:-1]} | {"background": list(colours)[i % 8]}
        cover = drawing[..., 3:] / 255
        pixels = drawing[..., :3] * cover + np.array(ImageColor.getrgb(colours[labels["background"]])) * (1 - cover)
        for feature, label in labels.items():
            place = folder / feature / ("held-out" if held_out else "learnt") / label
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return folder


@pytest.mark.parametrize("feature", EMOJI)
def test_a_head_on_emoji_drawings_reads_held_out_ones_as_the_card_of_its_model_does(
    feature: str, emoji: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("--feature", feature, "--model", "emoji-clip", "--device", "cpu", "--out", str(tmp_path))
    assert diffwin(monkeypatch, "fit-probe", str(emoji / feature / "learnt"), *args) == 0
    probe = load_defined(str(tmp_path / f"{feature}.toml"), device="cpu")
    checked = check(probe, read_labelled(emoji / feature / "held-out"), "")
    assert checked.counts.sum() == 45
    card = told_by_the_card(feature)
    assert checked.accuracy >= card - max(1 / 45, np.sqrt(card * (1 - card) / 45))  # a drawing, or a standard error


def test_pictures_of_several_sizes_keep_their_order() -> None:
    pictures = tuple(np.full((side, side, 3), i, np.uint8) for i, side in enumerate([4, 8, 4, 2, 8]))

    def shade(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        return batch.reshape(len(batch), -1).mean(axis=1)

    assert in_batches(shade, pictures).tolist() == [0, 1, 2, 3, 4]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        read_labelled(tmp_path / "nowhere")
    (tmp_path / "one").mkdir()
    with pytest.raises(BadInput, match="1 folders of pictures here"):
        read_labelled(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(BadInput, match="no pictures here; put some in"):
        read_labelled(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name / "a.png").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match="cannot be read"):
        read_labelled(tmp_path)


def test_a_head_is_never_fitted_where_its_error_cannot_be_measured(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "few", 4)
    args = ("--feature", "colour", "--model", str(tiny_clip), "--device", "cpu", "--out", str(tmp_path / "own"))
    assert diffwin(monkeypatch, "fit-probe", str(folder), *args) == 2
    assert "give 5 or more of each label" in capsys.readouterr().err
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("head = ", "# "), "head is missing, which a probe of kind linear needs; diffwin fit-probe makes one"),
        (("colour.safetensors", "gone.safetensors"), "no file gone.safetensors"),
        (('[[label]]\nname = "red"', ""), "holds 3 labels, not 2"),
    ],
)
def test_a_definition_whose_head_is_amiss(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], told: str
) -> None:
    folder, own = write(tmp_path / "learnt", 5), tmp_path / "own"
    args = ("--feature", "colour", "--model", str(tiny_clip), "--device", "cpu", "--out", str(own))
    assert diffwin(monkeypatch, "fit-probe", str(folder), *args) == 0
    path = own / "colour.toml"
    confusion = 'confusion_file = "colour-confusion.json"\n'
    path.write_text(path.read_text().replace(*change).replace(confusion, ""))
    with pytest.raises(BadInput, match=told):
        load_defined(str(path), device="cpu")


def test_labels_of_another_probe_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "colours", 1)
    assert diffwin(monkeypatch, "check-probe", "background-colour", str(folder)) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert "name the folders" in line
