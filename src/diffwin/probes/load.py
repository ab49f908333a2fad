"""From names to probes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diffwin.errors import BadInput
from diffwin.paths import data_folder
from diffwin.probes.base import Probe
from diffwin.probes.colour import ColourProbe
from diffwin.probes.definition import DEFAULT_CLIP, Definition, load_definition
from diffwin.probes.own import load_installed
from diffwin.probes.truth import TruthProbe
from diffwin.process.base import Process
from diffwin.process.choices import pick_device

if TYPE_CHECKING:
    from diffwin.probes.encoder import ImageEncoder
    from diffwin.probes.pretrained import Pretrained
    from diffwin.probes.zero_shot import ZeroShotEncoder


def load_probes(names: Sequence[str], process: Process, *, device: str = "auto") -> list[Probe]:
    """A probe for each name: a shipped definition, a FILE.toml, what an installed package offers, `truth:FEATURE`, or
    `truth` for every feature that the process knows exactly.

    Without names a world reads its own truth; for a trained model the caller names the probes of its card.
    Raises BadInput for an unknown name, a bad definition, and two probes of one feature.
    """
    if not names and not process.feature_labels:
        raise BadInput(f"{process.name} brings no probes of its own", where="--probe", cure="name one or more")
    probes = list(_Loader(process, pick_device(device)).load(names or ["truth"]))
    _check_features(probes)
    return probes


def load_defined(name: str, *, device: str = "auto") -> Probe:
    """The probe of a definition by itself, with no model at hand; BadInput for one of exact labels."""
    if (own := load_installed(name)) is not None:
        return own
    definition = load_definition(name)
    if definition.kind == "truth":
        raise BadInput("a truth probe reads the model itself", where=f"probe {name}", cure="give one of pictures")
    return _Loader(None, pick_device(device)).defined(definition)


def encoder_of(
    model: str | None, pretrained: str | None, *, device: str = "auto"
) -> tuple[tuple[str, str | None], ImageEncoder]:
    """An open_clip model, the usual one if none is named, with what a definition of a probe by it would say."""
    from diffwin.probes.encoder import load_encoder

    name = DEFAULT_CLIP if model is None else (model, pretrained)
    folder = next((place for place in (Path(name[0]), data_folder("assets") / name[0]) if place.is_dir()), None)
    if folder is not None and folder == Path(name[0]):
        name = str(folder.resolve()), None  # wherever the definition will stand
    return name, load_encoder(*name, folder, device=pick_device(device))


def _check_features(probes: Sequence[Probe]) -> None:
    reads: dict[str, str] = {}
    for probe in probes:
        if probe.feature in reads:
            raise BadInput(
                f"{reads[probe.feature]} and {probe.name} both read {probe.feature}",
                where="--probe",
                cure="keep one, or give the feature of one another name in a definition of your own",
            )
        reads[probe.feature] = probe.name


class _Loader:
    """Makes probes; those that compare pictures with words by one model share its encoder.

    open_clip and transformers are imported when a probe needs them: each takes seconds.
    """

    def __init__(self, process: Process | None, device: str) -> None:
        self._process, self.device = process, device
        self._encoders: dict[tuple[str, str | None], ImageEncoder] = {}
        self._zero_shot: dict[Pretrained, ZeroShotEncoder] = {}

    @property
    def process(self) -> Process:
        assert self._process is not None  # probes of exact labels are not loaded without one
        return self._process

    def load(self, names: Sequence[str]) -> Iterator[Probe]:
        for name in names:
            if name == "truth":
                yield from self._truths()
            elif name.startswith("truth:"):
                yield TruthProbe(self.process, name.removeprefix("truth:"))
            else:
                yield load_installed(name) or self.defined(load_definition(name))

    def _truths(self) -> Iterator[Probe]:
        if not self.process.feature_labels:
            raise BadInput(
                f"{self.process.name} knows no labels exactly",
                where="--probe truth",
                cure="truth probes read mixtures and image sets only",
            )
        yield from (TruthProbe(self.process, feature) for feature in self.process.feature_labels)

    def defined(self, definition: Definition) -> Probe:
        match definition.kind:
            case "truth":
                return TruthProbe(self.process, definition.feature, name=definition.name)
            case "colour":
                return ColourProbe(definition)
            case "classifier":
                from diffwin.probes.classifier import ClassifierProbe

                return ClassifierProbe(definition, device=self.device)
            case "identity":
                from diffwin.probes.identity import IdentityProbe

                return IdentityProbe(definition, device=self.device)
            case "linear":
                from diffwin.probes.linear import LinearProbe

                return LinearProbe(definition, self._encoder(definition))
            case "clip":
                from diffwin.probes.clip import ClipProbe

                return ClipProbe(definition, self._encoder(definition))
            case "zero-shot":
                from diffwin.probes.clip import ClipProbe

                return ClipProbe(definition, self._zero_shot_encoder(definition))
            case "vqa":
                from diffwin.probes.vqa import VqaProbe

                return VqaProbe(definition, device=self.device)

    def _encoder(self, definition: Definition) -> ImageEncoder:
        from diffwin.probes.encoder import load_encoder

        model, pretrained = definition.clip_model
        if (model, pretrained) not in self._encoders:
            folder = definition.locate(model)
            self._encoders[model, pretrained] = load_encoder(model, pretrained, folder, device=self.device)
        return self._encoders[model, pretrained]

    def _zero_shot_encoder(self, definition: Definition) -> ZeroShotEncoder:
        from diffwin.probes.pretrained import Pretrained
        from diffwin.probes.zero_shot import ZeroShotEncoder

        source = Pretrained.of(definition)
        if source not in self._zero_shot:
            self._zero_shot[source] = ZeroShotEncoder(source, device=self.device)
        return self._zero_shot[source]
