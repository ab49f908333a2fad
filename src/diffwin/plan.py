"""The plan of a run. The command line, TOML files and Python all make one."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from diffwin.additions import Addition, additions_of
from diffwin.defaults import MODEL, SEED
from diffwin.errors import BadInput
from diffwin.trials import Mode

# These decide every number of a run. A folder keeps to one choice of them; all the rest may grow.
IDENTITY = (
    "model",
    "revision",
    "mode",
    "solver",
    "eta",
    "steps",
    "guidance",
    "negative_prompt",
    "size",
    "lora",
    "embedding",
    "vae",
    "seed",
    "dtype",
    "screen",
)

_BESIDE_PRECISION = ("precision_edges", "precision_groups")

LONGEST_PROMPT = 100_000

Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
"""Several, or one by itself."""


class Plan(BaseModel):
    """What to run. None means the model's own choice, filled in when the model's card is read.

    `levels` or `repeats` ask for an even grid: `bases` images a prompt, regenerated `repeats` times from each of
    `levels` noise levels; `regenerated` of them where that is named, and the rest show shares alone. Without levels
    and repeats regenerations go where they narrow the intervals most, until every decision point is known to a
    half-width of `precision` in log-SNR (the edges to `precision_edges`, the decision of every label to
    `precision_groups`), or until `budget` network rows are spent; `bases` then is the most there may be. `screen` reads
    regenerations before their end where that seldom changes what is read (screen.py). `lora`, `embedding` and `vae`
    are laid over the model (additions.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: tuple[str, ...] = ()
    model: str = MODEL
    revision: str | None = None
    probes: tuple[str, ...] = ()
    mode: Mode = Mode.RENOISE
    solver: str | None = None
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    negative_prompt: str = ""
    size: Annotated[str, Field(pattern=r"^[1-9]\d{0,4}(x[1-9]\d{0,4})?$")] | None = None
    lora: Names = ()
    embedding: Names = ()
    vae: str | None = None
    bases: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    regenerated: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    repeats: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    levels: Annotated[int, Field(ge=1, le=1000)] | None = None
    precision: Annotated[float, Field(gt=0, le=10)] | None = None
    precision_edges: Annotated[float, Field(gt=0, le=10)] | None = None
    precision_groups: Annotated[float, Field(gt=0, le=10)] | None = None
    budget: Annotated[int, Field(ge=1, le=10**12)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = SEED
    device: str = "auto"
    dtype: str = "auto"
    slots: Annotated[int, Field(ge=1, le=65_536)] | None = None
    compile: bool = False
    screen: bool = False

    @field_validator("prompts")
    @classmethod
    def _readable(cls, prompts: tuple[str, ...]) -> tuple[str, ...]:
        for prompt in prompts:
            if not prompt.strip():
                raise ValueError("a prompt is empty; give it some words, or leave --prompt out for a model without")
            if "\0" in prompt:
                raise ValueError("a prompt holds a NUL character; take it out")
            if not prompt.isprintable() and any("\ud800" <= c <= "\udfff" for c in prompt):
                raise ValueError("a prompt is not valid Unicode; check the terminal's encoding")
            if len(prompt) > LONGEST_PROMPT:
                raise ValueError(f"a prompt has {len(prompt)} characters; {LONGEST_PROMPT} are read at most")
        return tuple(dict.fromkeys(prompts))

    @model_validator(mode="after")
    def _one_way(self) -> Plan:
        adaptive = [name for name in ("precision", *_BESIDE_PRECISION, "budget") if getattr(self, name) is not None]
        if adaptive and not self.adaptive:
            option = adaptive[0].replace("_", "-")
            raise ValueError(f"--{option} chooses the levels by itself; leave --levels and --repeats out, or it")
        if self.regenerated is not None and self.adaptive:
            raise ValueError("--regenerated belongs to an even grid; give --levels or --repeats too")
        alone = [name for name in _BESIDE_PRECISION if getattr(self, name) is not None and self.precision is None]
        if alone:
            raise ValueError(f"--{alone[0].replace('_', '-')} goes with --precision; give both")
        return self

    @property
    def additions(self) -> tuple[Addition, ...]:
        """What is laid over the model; BadInput for a name without a sense."""
        return additions_of(self.lora, self.embedding, self.vae)

    @property
    def adaptive(self) -> bool:
        """Whether levels and bases are chosen as the run goes."""
        return self.levels is None and self.repeats is None

    @classmethod
    def make(cls, **fields: Any) -> Plan:
        """A plan, or BadInput with the first field that cannot be used."""
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"][:1])
            option = {"prompts": "--prompt", "": "the plan"}.get(field, "--" + field.replace("_", "-"))
            message = str(first["msg"]).removeprefix("Value error, ")
            given = "" if field in ("prompts", "") else f" (given: {str(first['input'])[:60]})"
            raise BadInput(f"{message}{given}", where=option) from None

    def identity(self) -> dict[str, Any]:
        """The fields that a run folder keeps to."""
        return {name: self.model_dump(mode="json")[name] for name in IDENTITY}

    def default_folder(self) -> Path:
        """runs/MODEL-PROMPT-HASH: the same command finds the same folder again, another plan another one."""
        words = "-".join(re.findall(r"[a-z0-9]+", " ".join(self.prompts).lower()))[:40].strip("-")
        name = re.sub(r"[^A-Za-z0-9.]+", "-", Path(self.model).stem or self.model).strip("-.") or "model"
        told = json.dumps([self.identity(), self.prompts], sort_keys=True)
        digest = hashlib.blake2b(told.encode(), digest_size=3).hexdigest()
        return Path("runs") / "-".join(part for part in (name, words, digest) if part)
