"""Probes of identity: is this one of these pictures, and which?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.levels import FloatArray
from diffwin.paths import data_folder
from diffwin.probes.defined import DefinedProbe
from diffwin.probes.definition import DEFAULT_CLIP, Definition
from diffwin.probes.likeness import Pixels, Ruler, Space, pixel_distances, structure
from diffwin.worlds.image_files import read_npz


class IdentityProbe(DefinedProbe):
    """The label of the nearest reference picture within the threshold, else `another picture`; 0 or 1.

    A distance is the larger of that in pixels and that in features, each in its unit (`Ruler`). Pictures are compared
    at the references' own size.
    """

    def __init__(self, definition: Definition, *, device: str) -> None:
        self.references, self.owner = _references(definition)
        self.space = Space("structure", structure) if definition.model is None else clip_space(definition, device)
        super().__init__(definition, model=definition.model or "", references=definition.references or "")
        pixel, feature = definition.units or (1.0, 1.0)
        self.ruler = Ruler(pixel, feature, definition.threshold or 0.0, 0.0, 0)
        self._features = self.space.embed(self.references)

    def probabilities(self, pictures: NDArray[np.uint8]) -> FloatArray:
        if pictures.shape[1:] != self.references.shape[1:]:
            made, held = (f"{shape[2]}x{shape[1]}" for shape in (pictures.shape, self.references.shape))
            cure = "give references of the size that the model makes"
            raise BadInput(f"pictures of {made} pixels, references of {held}", where=f"probe {self.name}", cure=cure)
        cosine = self.space.embed(pictures) @ self._features.T
        joint = self.ruler.joint(pixel_distances(pictures, self.references), np.maximum(1 - cosine, 0.0))
        nearest = joint.argmin(axis=1)
        found = joint[np.arange(len(joint)), nearest] <= self.ruler.threshold
        label = np.where(found, self.owner[nearest], len(self.labels) - 1)
        return np.eye(len(self.labels))[label]


def _references(definition: Definition) -> tuple[Pixels, NDArray[np.int64]]:
    """The pictures (n, h, w, 3) that the labels name, and the label of each."""
    name = definition.references or ""
    path = definition.locate(name)
    if path is None:
        raise BadInput(
            f"no file {name}", where=f"probe {definition.name}, references", cure="give an .npz beside the definition"
        )
    pixels = read_npz(path).pixels
    owner = [(index, at) for at, label in enumerate(definition.labels) for index in label.pictures]
    beyond = next((index for index, _ in owner if index >= len(pixels)), None)
    if beyond is not None or pixels.shape[3] == 4:
        what = "pictures with transparency" if beyond is None else f"there is no picture {beyond}"
        raise BadInput(what, where=str(path), cure="correct the definition or its references")
    chosen = pixels[[index for index, _ in owner]]
    return chosen.repeat(3 // chosen.shape[3], axis=3), np.array([at for _, at in owner], np.int64)


def clip_space(definition: Definition | None, device: str) -> Space:
    """The image features of a definition's CLIP model, or of the default one."""
    from diffwin.probes.encoder import load_encoder

    model, pretrained = DEFAULT_CLIP if definition is None else definition.clip_model
    folder = None if definition is None else definition.locate(model)
    encoder = load_encoder(model, pretrained, folder, device=device)
    shipped = folder is None or folder.parent == data_folder("assets")
    return Space(
        f"CLIP, {model}",
        lambda pictures: np.asarray(encoder.embed(pictures).double().numpy()),
        model if shipped else str(folder),
        pretrained,
        lambda texts: np.asarray(encoder.embed_texts(texts).double().numpy()),
    )
