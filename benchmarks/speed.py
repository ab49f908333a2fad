"""What a window costs: the published protocol, the strongest loop over diffusers' pipelines, and diffwin, side by side.

python benchmarks/speed.py
python benchmarks/speed.py --quick            (a few steps of a few images: shows that everything runs)
python benchmarks/speed.py --prompt "a cook" --contenders c d

emoji-sd on the CPU, at one prompt that leaves the four emoji features open. Each contender works in a process of its
own, from the loaded model to what the probes read:

    a    one image at a time through the pipelines, at every level; timed on a part of the design, since every image
         takes as long as another
    a'   the design of (a) by diffwin: tells how wide its intervals are
    b    StableDiffusionImg2ImgPipeline, prompt embeddings made once, latents in and out, one batch a level
    c    diffwin on an even grid: the same trials as (b)
    d    diffwin, levels and bases chosen as it goes
    e    the same with --screen, which reads regenerations before their end; told beneath the table

(b), (c) and (d) are run with as many seeds as --seeds says, since one seed's half-widths scatter by a tenth or more.
Intervals come from one estimator. A contender's cost at equal half-width is its own cost times
(its half-width / that of d)^2, the half-width being the root mean square over the decision points of all features that
every contender located. Seconds are wall time; where other work shares the machine, read the processor seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MEASURED = ("rows", "calls", "designed", "seconds", "cpu", "outside", "outside_cpu", "memory")
SPENT = {"rows": "network rows", "cpu": "processor seconds"}
CONTENDERS = ("a", "a'", "b", "c", "d", "e")
SEEDED = ("b", "c", "d")
NAMES = {
    "a": "published protocol, batch 1",
    "b": "img2img pipeline, batch a level",
    "c": "diffwin, even grid",
    "d": "diffwin, adaptive",
}


@dataclass
class Clock:
    """Seconds inside the forward passes, by wall and processor, and in all since `start`."""

    wall: float = 0.0
    cpu: float = 0.0
    rows: int = 0
    calls: int = 0
    begun: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))

    def start(self) -> None:
        self.wall, self.cpu, self.rows, self.calls = 0.0, 0.0, 0, 0
        self.begun = time.perf_counter(), time.process_time()

    def around(self, owner: Any, name: str, *, counts: bool = False) -> None:
        """Time every call of a method; `counts` counts them, and adds up the rows of their first argument."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **given: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return inner(*args, **given)
            finally:
                self.wall += time.perf_counter() - wall
                self.cpu += time.process_time() - cpu
                if counts:
                    self.rows, self.calls = self.rows + len(args[0]), self.calls + 1

        setattr(owner, name, timed)

    def told(self) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]
        return {
            "rows": self.rows,
            "calls": self.calls,
            "seconds": wall,
            "cpu": cpu,
            "outside": 1 - self.wall / wall,
            "outside_cpu": 1 - self.cpu / cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
        }


def plan_of(contender: str, size: argparse.Namespace) -> Any:
    """The diffwin plan of a contender; (a) and (b) take model and probes from theirs."""
    from diffwin.plan import Plan

    designs: dict[str, dict[str, Any]] = {
        "a": {"levels": size.steps, "repeats": 1, "bases": size.bases},
        "b": {"levels": size.levels, "repeats": size.repeats, "bases": size.bases},
        "d": {"budget": size.budget},
        "e": {"budget": size.budget, "screen": True},
    }
    chosen = designs[{"a'": "a", "c": "b"}.get(contender, contender)]
    return Plan.make(prompts=[size.prompt], steps=size.steps, seed=size.seed, device="cpu", slots=32, **chosen)


def work(contender: str, size: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One contender from the loaded model to its readings, and the half-widths of its decision points."""
    from diffwin.job import prepare

    plan, clock = plan_of(contender, size), Clock()
    job = prepare(plan)
    network, decoder = job.process.engine.network.module, job.process._decoder.vae
    clock.around(network, "forward", counts=True)
    clock.around(decoder, "decode")
    for encoder in {id(each.encoder): each.encoder for each in job.probes}.values():
        clock.around(encoder.model, "encode_image")
    through_pipelines = contender in ("a", "b")
    observations, told = official(contender, job, size, clock) if through_pipelines else ours(job, folder, clock)
    found = decisions(observations, job)
    places = {feature: at for feature, (at, _) in found.items()}
    return told | {"widths": {feature: half for feature, (_, half) in found.items()}, "decisions": places}


def ours(job: Any, folder: Path, clock: Clock) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Through diffwin, with its ledger and pictures; the report, which (a) and (b) do not have, is left out."""
    from diffwin.ledger import Ledger
    from diffwin.screen import Screened
    from diffwin.work import Work

    with Ledger.writing(folder) as ledger:
        ledger.claim(job.identity)
        ledger.put(record=job.record(None))
        clock.start()
        Work(job, ledger, lambda done, total: None).do()
        told = clock.told()
        screened = Screened.of(ledger.screened(), ledger.looks(), len(ledger.samples().query("level > 0")))
        return ledger.observations(), told | {"designed": told["rows"], "screen": screened.as_dict()}


def official(contender: str, job: Any, size: argparse.Namespace, clock: Clock) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Through the pipelines; of (a), a part."""
    from transformers import CLIPTextModel, CLIPTokenizer

    from diffwin.models import describe
    from official import Official

    process, levels = job.process, sorted(job.first[size.prompt].levels)
    bases = min(size.part, size.bases) if contender == "a" else size.bases
    repeats = 1 if contender == "a" else size.repeats
    model = describe(None).path
    scheduler = json.loads((model / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    loop = Official(
        process.engine.network.module,
        process._decoder.vae,
        CLIPTextModel.from_pretrained(model / "text_encoder").eval(),
        CLIPTokenizer.from_pretrained(model / "tokenizer"),
        scheduler,
        size.prompt,
        size.steps,
        process.guidance,
        batch=1 if contender == "a" else bases * repeats,
        seed=size.seed,
        decoded_at_once=32,
    )
    clock.start()
    clean = loop.bases(bases)
    read = list(read_all(loop, job, clean, [(base, 0, 0) for base in range(bases)]))
    for level in levels:
        again = loop.regenerate(clean.repeat_interleave(repeats, dim=0), level)
        read += read_all(loop, job, again, [(b, level, r) for b in range(bases) for r in range(repeats)])
    told = clock.told()
    whole = size.bases * (size.steps + repeats * sum(levels))
    table = pd.DataFrame(read, columns=["prompt", "base", "level", "repeat", "feature", "label", "probabilities"])
    return table, told | {"designed": whole}


def read_all(loop: Any, job: Any, latents: Any, addresses: list[tuple[int, int, int]]) -> Iterable[tuple[Any, ...]]:
    """What the probes say of some latents, in rows of a ledger's table."""
    for start in range(0, len(latents), loop.batch):
        shown = loop.decode(latents[start : start + loop.batch])
        here = addresses[start : start + loop.batch]
        for probe in job.probes:
            for address, row in zip(here, probe.read(shown), strict=True):
                label = float(np.argmax(row)) if np.isfinite(row).all() else np.nan
                yield (loop.prompt, *address, probe.feature, label, row.tobytes())


def decisions(observations: pd.DataFrame, job: Any) -> dict[str, tuple[float, float]]:
    """Each decision point that was located and the half-width of its 95 % interval, in log-SNR."""
    from diffwin.correction import corrections_of
    from diffwin.estimate import estimate
    from diffwin.survival import readings_of
    from diffwin.trials import ALL

    grid, labels = job.process.grid, {each.feature: each.labels for each in job.probes}
    corrections = corrections_of(job.record(None))
    found = {}
    for each in readings_of(observations, labels, list(grid.log_snr)):
        located = estimate(each, grid, corrections.get(each.feature), seed=0, groups=[ALL]).located[ALL]
        if (decision := located.window.decision) is not None and np.isfinite(decision.high - decision.low):
            found[each.feature] = float(decision.log_snr), float(decision.high - decision.low) / 2
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """Each contender at the half-width of (d): its own rows and seconds, scaled; `results` has a run a seed."""
    located = [set(run["widths"]) for contender, runs in results.items() if contender != "a" for run in runs]
    shared = sorted(set.intersection(*located))

    def variance(contender: str) -> float:
        runs = results["a'" if contender == "a" else contender]
        return float(np.mean([run["widths"][feature] ** 2 for run in runs for feature in shared]))

    lines = []
    for key, name in NAMES.items():
        if not results[key]:
            continue
        told = {what: np.mean([run[what] for run in results[key]]) for what in MEASURED}
        scale = variance(key) / variance("d") * told["designed"] / told["rows"]
        lines.append(
            {
                "": f"({key}) {name}",
                "half-width": np.sqrt(variance(key)),
                "rows for that of d": told["rows"] * scale,
                "rows a network call": told["rows"] / told["calls"],
                "ms a row": 1000 * told["seconds"] / told["rows"],
                "cpu ms a row": 1000 * told["cpu"] / told["rows"],
                "seconds": told["seconds"] * scale,
                "cpu seconds": told["cpu"] * scale,
                "outside %": 100 * told["outside"],
                "outside % of cpu": 100 * told["outside_cpu"],
                "GiB": told["memory"],
            }
        )
    made = pd.DataFrame(lines).set_index("")
    of_d = made.loc["(d) " + NAMES["d"]]
    made["rows / d"] = made["rows for that of d"] / of_d["rows for that of d"]
    made["row's time / d"] = made["cpu ms a row"] / of_d["cpu ms a row"]
    made["cost / d"] = made["cpu seconds"] / of_d["cpu seconds"]
    print(f"prompt features located by all: {', '.join(shared) or 'none'}")
    return made


def row_ratios(results: dict[str, list[dict[str, Any]]]) -> str:
    """Rows of (c) over those of (d) at equal half-width, seed by seed, over the features that both located."""
    ratios = []
    for c, d in zip(results["c"], results["d"], strict=True):
        shared = c["widths"].keys() & d["widths"].keys()
        of_c, of_d = (run["rows"] * sum(run["widths"][feature] ** 2 for feature in shared) for run in (c, d))
        ratios.append(f"{of_c / of_d:.2f}" if shared else "-")
    return f"rows of (c) / rows of (d), seed by seed: {', '.join(ratios)}"


def screen_told(results: dict[str, list[dict[str, Any]]]) -> Iterable[str]:
    """What the screen did to the design of (d) at the same seed: its cost, and how far it moved each decision."""
    from diffwin.screen import words

    for plain, screened in zip(results["d"], results["e"], strict=False):
        both = plain["decisions"].keys() & screened["decisions"].keys()
        moved = {feature: screened["decisions"][feature] - plain["decisions"][feature] for feature in sorted(both)}
        told = ", ".join(f"{feature} {by:+.2f} (+-{plain['widths'][feature]:.2f})" for feature, by in moved.items())
        cost = ", ".join(f"{screened[what]:,.0f} {name} for {plain[what]:,.0f}" for what, name in SPENT.items())
        yield f"(e) {words(screened['screen'])}\n    {cost}; moved: {told}"


def apart(contender: str, args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """A contender in a process of its own, so that its peak of memory is its own."""
    told = [f"--{name}={getattr(args, name)}" for name in ("prompt", "steps", "bases", "repeats", "levels")]
    told += [f"--{name}={getattr(args, name)}" for name in ("budget", "part")]
    told.append(f"--seed={seed}")
    command = [sys.executable, __file__, f"--only={contender}", *told]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", default="a person", help="a prompt that leaves features open")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--bases", type=int, default=92, help="bases of the designs of (a), (b) and (c)")
    parser.add_argument("--repeats", type=int, default=2, help="repeats of (b) and (c)")
    parser.add_argument("--levels", type=int, default=9, help="levels of (b) and (c)")
    parser.add_argument("--budget", type=int, default=25_000, help="network rows of (d), those of a run not told")
    parser.add_argument("--part", type=int, default=2, help="bases on which (a) is timed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (b), (c) and (d) are run with")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS, help="d is always run")
    parser.add_argument("--out", type=Path, help="write all figures here as JSON")
    parser.add_argument("--quick", action="store_true", help="a few steps of a few images")
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.steps, args.bases, args.repeats, args.levels, args.part, args.budget = 5, 8, 1, 3, 1, 500
        args.seeds = 1
    return args


def main() -> None:
    args = arguments()
    if args.only:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(work(args.only, args, Path(folder))))
        return
    results: dict[str, list[dict[str, Any]]] = {each: [] for each in CONTENDERS}
    for seed in range(args.seed, args.seed + args.seeds):
        chosen = {*args.contenders, "d"} | ({"a'"} if "a" in args.contenders else set())
        for each in (each for each in (CONTENDERS if seed == args.seed else SEEDED) if each in chosen):
            results[each].append(apart(each, args, seed))
            print(f"seed {seed}, {each:3} {results[each][-1]['seconds']:7.1f} s", flush=True)
            if args.out:
                args.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(
            table(results).T.to_string(float_format=lambda value: f"{value:,.3g}" if value < 100 else f"{value:,.0f}")
        )
    if results["c"]:
        print(row_ratios(results))
    print(*screen_told(results), sep="\n")


if __name__ == "__main__":
    main()
