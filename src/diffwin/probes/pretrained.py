"""transformers models that probes read by: from a folder or the hub, safetensors only, no code of a model's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.models import split_hub_id
from diffwin.probes.defined import fingerprint
from diffwin.probes.definition import Definition
from diffwin.probes.quiet import brief, quietly
from diffwin.process.hub import ONE_MODEL, fetch
from diffwin.process.memory import Portions
from diffwin.process.streams import beside
from diffwin.process.weights import load_part, quiet

CHUNK = 64
"""Pictures in one forward pass."""

Classes = Mapping[str, str | tuple[str, ...]]
"""For each kind of model, the class of transformers that reads it for one task, or several."""


@dataclass(frozen=True)
class Pretrained:
    """The files of one model; `weights` says which they are, by content, or by commit if they are from the hub."""

    name: str
    folder: Path
    weights: str

    @classmethod
    def of(cls, definition: Definition) -> Pretrained:
        """Those that a definition names; BadInput if there are none, here or on the hub."""
        name = definition.model or ""
        folder = definition.locate(name)
        if folder is not None:
            whole = folder / "model.safetensors"
            return cls(name, folder, fingerprint(whole) if whole.is_file() else "")
        if (place := split_hub_id(name)) is None:
            raise BadInput(
                f"no model {name!r}",
                where=f"probe {definition.name}",
                cure="name a shipped model, a folder, or a hub id owner/name or owner/name@revision",
            )
        snapshot = fetch(*place, layout=ONE_MODEL)
        return cls(name, snapshot.folder, snapshot.commit)

    def model(self, classes: Classes, task: str, *, device: str) -> Any:
        """The model in float32, in evaluation mode; BadInput unless it is one of `classes` with all its weights."""
        kind = getattr(transformers, self._class(classes, task))
        with quietly():
            return load_part(kind, self.folder, "", torch.float32, "model").to(device)

    def part(self, auto: Any) -> Any:
        """The tokenizer or image processor, by its Auto class."""
        try:
            with quietly(), quiet():
                return auto.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # tokenizers raise bare Exception, and ImportError for a library that they need
            raise BadInput(
                f"{auto.__name__} cannot read it ({brief(error)})",
                where=self.name,
                cure="install what it asks for, or name a model that is whole",
            ) from error

    def _class(self, classes: Classes, task: str) -> str:
        config = self._config()
        kind = config.get("model_type")
        known = classes.get(str(kind), ())
        names = (known,) if isinstance(known, str) else known
        if not names:
            raise BadInput(
                f"is of the kind {kind}, which is no model for {task}",
                where=self.name,
                cure=f"name one of the kinds {', '.join(sorted(classes)[:12])}",
            )
        return next((name for name in config.get("architectures") or () if name in names), names[0])

    def _config(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "config.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(
                f"its config.json cannot be read ({brief(error)})",
                where=self.name,
                cure="name the folder or hub id of a transformers model",
            ) from None


class PictureReader:
    """Prepares pictures as a model's own image processor does and puts them through it, as many as memory holds.

    They stay uint8 arrays until the processor has them: it makes the same of those as of PIL's, without the detour.
    """

    def __init__(self, processor: Any, what: str, *, device: str) -> None:
        """`what` is named where memory runs out."""
        self.processor, self.device = processor, device
        self._portions = Portions(what, CHUNK)

    @torch.inference_mode()
    def __call__(self, run: Callable[..., torch.Tensor], pictures: NDArray[np.uint8]) -> torch.Tensor:
        """What `run` makes of the processor's tensors, given by their names, for pictures (n, h, w, channels)."""
        return torch.cat([self._read(run, pictures[i : i + CHUNK]) for i in range(0, len(pictures), CHUNK)])

    def prepare(self, pictures: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
        made = self.processor(images=list(pictures), input_data_format="channels_last", return_tensors="pt")
        return {name: torch.as_tensor(made[name]) for name in made}

    def _read(self, run: Callable[..., torch.Tensor], pictures: NDArray[np.uint8]) -> torch.Tensor:
        inputs = self.prepare(pictures)

        def named(*tensors: torch.Tensor) -> torch.Tensor:
            return run(**dict(zip(inputs, tensors, strict=True))).cpu()

        with beside(self.device):
            return self._portions(named, *(tensor.to(self.device) for tensor in inputs.values()))
