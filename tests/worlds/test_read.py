"""World files: what they make, and the one line that each fault gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffwin.errors import BadInput
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import LabelledWorld, read_world
from worlds import SET, TWO, write


def mixture(folder: Path, text: str) -> tuple[LabelledWorld, GaussianMixture]:
    made = read_world(write(folder, text))
    assert isinstance(made.world, GaussianMixture)
    return made, made.world


def labels(made: LabelledWorld) -> dict[str, tuple[str, ...]]:
    return {name: feature.labels for name, feature in made.features.items()}


def test_a_mixture_file(tmp_path: Path) -> None:
    made, world = mixture(tmp_path, TWO)
    np.testing.assert_array_equal(world.means, [[8, 0], [-8, 0]])
    np.testing.assert_array_equal(world.weights, [0.25, 0.75])
    assert (world.largest_std, world.smallest_std) == (1.0, 0.5)
    assert labels(made) == {"colour": ("red", "blue")}
    assert made.name == "world"
    assert made.solver is None
    assert made.provenance["kind"] == "gaussian-mixture"
    assert len(made.provenance["content"]) == 64


def test_the_grid_reaches_from_forgetting_to_a_twentieth_of_the_least_std(tmp_path: Path) -> None:
    grid = mixture(tmp_path, TWO)[0].grid()
    assert np.exp(grid.log_snr[-1] / 2) * 16 == pytest.approx(0.05)
    assert np.exp(-grid.log_snr[1] / 2) == pytest.approx(0.5 / 20)
    assert grid.top == np.ceil(4 * (grid.log_snr[1] - grid.log_snr[-1]))


def test_a_grid_of_ones_own_and_steps_from_outside(tmp_path: Path) -> None:
    path = write(tmp_path, TWO + "[grid]\nmin_log_snr = -9\nmax_log_snr = 3.0\nsteps = 7\n")
    np.testing.assert_allclose(read_world(path).grid().log_snr[1:], np.linspace(3, -9, 7))
    assert read_world(path).grid(12).top == 12


def test_a_component_that_is_never_drawn_is_left_out(tmp_path: Path) -> None:
    made, _ = mixture(tmp_path, TWO.replace("weight = 1.0", "weight = 0"))
    assert labels(made) == {"colour": ("blue",)}


def test_a_shared_covariance_and_one_of_a_components_own(tmp_path: Path) -> None:
    text = TWO.replace("dimension = 2", "dimension = 2\ncovariance = [[2.0, 0.5], [0.5, 1.0]]")
    _, world = mixture(tmp_path, text)
    x = world.place(np.zeros(20_000, np.int64), np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(x.T), [[2, 0.5], [0.5, 1]], atol=0.08)
    assert world.smallest_std == 0.5
    assert world.largest_std == pytest.approx(np.sqrt(np.linalg.eigvalsh([[2, 0.5], [0.5, 1]])[1]))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('kind = "gaussian-mixture"', "", "kind: kind is missing; choose one of gaussian-mixture, image-set"),
        ("gaussian-mixture", "cauchy", "unknown kind 'cauchy'"),
        ("dimension = 2", "", "dimension: field required; add it"),
        ("dimension = 2", "dimension = 0", "dimension: input should be greater"),
        ("dimension = 2", 'dimension = "2"', "dimension: input should be a valid integer"),
        ("dimension = 2", "dimension = 2\ncolour = 1", "colour: extra inputs are not permitted; leave it out"),
        ("weight = 3", "weight = -3", r"component\[1\]\.weight: input should be greater"),
        ("weight = 3", "weight = nan", r"component\[1\]\.weight"),
        ("weight = 3", "weight = inf", r"component\[1\]\.weight"),
        ("[8.0, 0.0]", "[8.0]", r"component\[0\]\.mean: 1 numbers in 2 dimensions; give 2 numbers"),
        ("[8.0, 0.0]", "[8.0, nan]", r"component\[0\]\.mean\[1\]"),
        ("mean = [8.0, 0.0]", "", r"component\[0\]: a component needs mean or axis"),
        ("weight = 3", "weight = 3\nmean = [1, 1]", r"component\[1\]: a component needs mean or axis, not both"),
        ("{0 = -8.0}", "{2 = -8.0}", r"component\[1\]\.axis: no axis '2'; count the axes from 0 to 1"),
        ("{0 = -8.0}", "{-1 = -8.0}", r"component\[1\]\.axis: no axis '-1'"),
        ("{0 = -8.0}", "{00 = -8.0}", r"component\[1\]\.axis: no axis '00'"),
        ("std = 0.5", "std = 0", r"component\[1\]\.std"),
        ("std = 0.5", "covariance = [[1, 2], [2, 1]]", r"component\[1\]\.covariance: not positive definite"),
        ("std = 0.5", "covariance = [[1, 0], [0, 0]]", r"component\[1\]\.covariance: not positive definite"),
        ("std = 0.5", "covariance = [[1, 0.2], [0, 1]]", r"component\[1\]\.covariance: not symmetric"),
        ("std = 0.5", "covariance = [[1]]", r"component\[1\]\.covariance: not 2 rows of 2 numbers"),
        ("std = 0.5", "std = 0.5\ncovariance = [[1, 0], [0, 1]]", "std and covariance are both given"),
        ('labels = {colour = "blue"}', "", r"component\[1\]\.labels: field required"),
        ('{colour = "blue"}', "{}", r"component\[1\]\.labels"),
        ('{colour = "blue"}', '{colour = ""}', r"component\[1\]\.labels\.colour"),
        ('{colour = "blue"}', '{shape = "disc"}', r"component\[1\]\.labels: its features \(shape\) are not those"),
        ("weight = 3", "weight = 3\nweight = 4", "not TOML"),
        ("axis = {0 = -8.0}\nstd = 0.5", "mean = [8.0, 0.0]\nstd = 1e-6", "below a millionth"),
    ],
)
def test_every_fault_of_a_mixture_file_is_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in TWO
    with pytest.raises(BadInput, match=line) as caught:
        read_world(write(tmp_path, TWO.replace(old, new)))
    assert str(tmp_path / "world.toml") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[grid]\nsteps = 1", r"grid\.steps"),
        ("[grid]\nmin_log_snr = 4\nmax_log_snr = -4", "grid: the ends are 4 and -4"),
        ("[grid]\nmin_log_snr = nan", r"grid\.min_log_snr"),
        ("[grid]\nlevels = 4", r"grid\.levels"),
    ],
)
def test_a_bad_grid_is_refused(tmp_path: Path, table: str, line: str) -> None:
    with pytest.raises(BadInput, match=line):
        read_world(write(tmp_path, TWO + table))


def test_repeated_components_and_weights_that_are_all_zero_are_refused(tmp_path: Path) -> None:
    part = '[[component]]\nweight = 1\nmean = [1.0]\nlabels = {a = "b"}\n'
    head = 'kind = "gaussian-mixture"\ndimension = 1\n'
    with pytest.raises(BadInput, match=r"component\[1\]: the same as component\[0\]"):
        read_world(write(tmp_path, head + part + part.replace("weight = 1", "weight = 2")))
    with pytest.raises(BadInput, match="every weight is zero"):
        read_world(write(tmp_path, head + part.replace("weight = 1", "weight = 0")))


def save(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "set.npz", **arrays)  # type: ignore[arg-type]
    return write(folder, SET)


def greys(count: int = 3, channels: int = 0) -> np.ndarray:
    shape = (count, 4, 5, channels) if channels else (count, 4, 5)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def images(path: Path) -> tuple[LabelledWorld, ImageSet]:
    made = read_world(path)
    assert isinstance(made.world, ImageSet)
    return made, made.world


def test_columns_that_are_not_text_are_ignored_unless_named(tmp_path: Path) -> None:
    arrays = {"kind": np.array(["a", "b", "a"]), "held": np.array([True, False, True]), "other": np.array(["x"])}
    path = save(tmp_path, images=greys(channels=3), **arrays)
    assert labels(read_world(path)) == {"kind": ("a", "b")}
    named = read_world(write(tmp_path, SET + 'labels = ["held"]\n'))
    assert labels(named) == {"held": ("True", "False")}


def test_every_image_stands_on_every_background(tmp_path: Path) -> None:
    save(tmp_path, images=greys(channels=4), kind=np.array(["a", "b", "a"]))
    made, world = images(write(tmp_path, SET + '[backgrounds]\nred = "#ff0000"\nblue = "#0000ff"\n'))
    assert labels(made) == {"kind": ("a", "b"), "background": ("red", "blue")}
    assert world.weights.shape == (6,)
    rgba = greys(channels=4)[1].astype(float)
    on_blue = rgba[..., :3] * rgba[..., 3:] / 255 + np.array([0, 0, 255]) * (1 - rgba[..., 3:] / 255)
    image = (world.offsets + world.centre)[3].reshape(3, 4, 5).transpose(1, 2, 0)
    np.testing.assert_allclose((image + 1) * 127.5, on_blue, atol=0.51)


def test_equal_images_become_one_that_shares_its_labels_by_weight(tmp_path: Path) -> None:
    pixels = greys()
    pixels[2] = pixels[0]
    made, world = images(
        save(tmp_path, images=pixels, kind=np.array(["a", "b", "c"]), weights=np.array([3.0, 2.0, 1.0]))
    )
    np.testing.assert_allclose(world.weights, [2 / 3, 1 / 3])
    np.testing.assert_allclose(made.features["kind"].table, [[0.75, 0, 0.25], [0, 1, 0]])


def test_an_image_of_weight_zero_is_left_out_with_its_label(tmp_path: Path) -> None:
    path = save(tmp_path, images=greys(), kind=np.array(["a", "b", "c"]), weights=np.array([1.0, 0.0, 1.0]))
    made = read_world(path)
    assert labels(made) == {"kind": ("a", "c")}


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"kind": np.array(["a", "b", "a"])}, "no array `images`"),
        ({"images": greys().astype(float), "kind": np.array(["a", "b", "a"])}, "no array `images`"),
        ({"images": greys()[:0], "kind": np.array([], dtype=str)}, "no array `images`"),
        ({"images": greys(channels=2), "kind": np.array(["a", "b", "a"])}, "2 channels"),
        ({"images": greys(channels=4), "kind": np.array(["a", "b", "a"])}, "4 channels, 0 backgrounds"),
        ({"images": greys()}, "no labels"),
        ({"images": greys(), "kind": np.array(["a", "b"])}, "no labels"),
        ({"images": greys(), "kind": np.array(["a", "", "b"])}, "image 1 has no kind"),
        ({"images": greys(), "kind": np.array(["a"] * 3), "weights": np.array([1, -1, 1.0])}, "weights"),
        ({"images": greys(), "kind": np.array(["a"] * 3), "weights": np.zeros(3)}, "weights"),
        ({"images": greys(), "kind": np.array(["a"] * 3), "weights": np.array(["x"] * 3)}, "weights"),
        ({"images": greys(), "kind": np.array([{}, {}, {}], dtype=object)}, "cannot be read"),
    ],
)
def test_every_fault_of_an_image_file_is_one_line(tmp_path: Path, arrays: dict[str, np.ndarray], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        read_world(save(tmp_path, **arrays))
    assert "set.npz" in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04torn"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        read_world(write(tmp_path, SET))


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ('labels = ["hue"]', "no labels hue; name some of kind"),
        ('[backgrounds]\nred = "red"', r"backgrounds\.red"),
        ('[backgrounds]\nred = "#ff0000"\nrosso = "#FF0000"', "two backgrounds have one colour"),
    ],
)
def test_faults_of_an_image_set_in_the_world_file(tmp_path: Path, extra: str, line: str) -> None:
    save(tmp_path, images=greys(channels=4), kind=np.array(["a", "b", "a"]))
    with pytest.raises(BadInput, match=line):
        read_world(write(tmp_path, SET + extra))


def test_a_label_called_background_beside_backgrounds_is_refused(tmp_path: Path) -> None:
    save(tmp_path, images=greys(channels=4), background=np.array(["a", "b", "a"]))
    with pytest.raises(BadInput, match="background is a label already"):
        read_world(write(tmp_path, SET + '[backgrounds]\nred = "#ff0000"\n'))


def folder_world(tmp_path: Path, table: str = "file,kind\na.png,x\nb.png,y\n") -> Path:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(greys()[0]).save(tmp_path / "pictures" / "a.png")
    Image.fromarray(greys(channels=3)[1]).save(tmp_path / "pictures" / "b.png")
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
    return write(tmp_path, 'kind = "image-set"\nimages = "pictures"\n')


def test_a_folder_of_pictures_with_a_table_of_labels(tmp_path: Path) -> None:
    made = read_world(folder_world(tmp_path))
    assert labels(made) == {"kind": ("x", "y")}
    assert made.shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("file,kind\na.png,x\n", "b.png is not one file in one row"),
        ("file,kind\na.png,x\nb.png,y\nc.png,z\n", "c.png is not one file in one row"),
        ("file,kind\na.png,x\na.png,x\nb.png,y\n", "a.png is not one file in one row"),
        ("file,kind\n", "a.png is not one file"),
        ("name,kind\na.png,x\n", "is not one file in one row"),
        ("file,kind\na.png,x\nb.png\n", "image 1 has no kind"),
    ],
)
def test_a_table_that_does_not_fit_the_folder_is_refused(tmp_path: Path, table: str, line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        read_world(folder_world(tmp_path, table))
    assert "labels.csv" in str(caught.value)


def test_faults_of_a_folder(tmp_path: Path) -> None:
    path = folder_world(tmp_path)
    Image.fromarray(greys()[0, :3]).save(tmp_path / "pictures" / "b.png")
    with pytest.raises(BadInput, match=r"\(5, 3\) beside \(5, 4\) pixels"):
        read_world(path)
    (tmp_path / "pictures" / "b.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match="cannot be read"):
        read_world(path)
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(BadInput, match=r"no labels\.csv"):
        read_world(path)
    with pytest.raises(BadInput, match="there are no images here"):
        read_world(write(tmp_path, 'kind = "image-set"\nimages = "elsewhere"\n'))
