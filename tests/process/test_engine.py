"""The loop: rows of different levels in one batch, refilled, with noise that belongs to the row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import pytest
import torch

from diffwin.keys import Key
from diffwin.levels import vp_grid
from diffwin.process.base import Generation, Process, Samples, State
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Engine, Row, Settings
from diffwin.process.solvers import SOLVERS, Table, Walk, build
from diffwin.queue import Queue
from diffwin.trials import Base, Mode, Trial

STEPS, SHAPE = 8, (2, 3)
GRID = vp_grid(-8, 6, STEPS)
TRIALS = [Trial("", base, level, repeat) for base, level, repeat in product(range(4), (1, 2, 4, 6, 8), range(3))]
PROMPTED = [Trial("2", *each) for each in product(range(3), (1, 3, 8), range(2))]
Walker = Callable[..., dict[Trial, torch.Tensor]]


class Spy:
    """A network that mixes sample, time and condition, and remembers the size of every call."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.conditions: list[list[int]] = []

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        self.conditions.append(condition.tolist())
        shift = (time + condition).reshape(-1, 1, 1)
        return (torch.tanh(x + x.roll(1, dims=2)) + torch.sin(shift)).to(x)


class Toy(Diffusion):
    """Points, shown as they are; a prompt is the number of its condition."""

    takes_prompt = True

    def condition(self, prompt: str) -> int:
        return int(prompt or 0)

    def render(self, states: Sequence[State]) -> Samples:
        return torch.stack(list(states)).numpy()


def table(solver: str = "ddpm", eta: float = 0.0) -> Table:
    return build(GRID, solver, "v_prediction", eta=eta)


def process(
    solver: str = "ddpm",
    *,
    seed: int = 3,
    network: Spy | None = None,
    prior_scale: float = 1.0,
    guidance: float = 1.0,
    **settings: object,
) -> Toy:
    made = Settings(SHAPE, **settings)  # type: ignore[arg-type]
    walk = Walk(solver, GRID, table(solver), prior_scale)
    return Toy(Identity("toy"), walk, network or Spy(), made, seed=seed, guidance=guidance)


def test_a_family_must_say_how_its_states_are_shown() -> None:
    assert isinstance(process(), Process)
    with pytest.raises(TypeError, match="render"):
        Diffusion(Identity("toy"), Walk("ddpm", GRID, table()), Spy(), Settings(SHAPE), seed=0)  # type: ignore[abstract]


def clean(trial: Trial) -> torch.Tensor:
    return torch.full(SHAPE, float(trial.base) - 1.5)


def regenerate(made: Diffusion, trials: Iterable[Trial]) -> dict[Trial, torch.Tensor]:
    return dict(made.regenerate(trials, clean, Mode.RENOISE))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[Key, str, int], bytes]:
    """The bytes of every draw, by address."""
    record: dict[tuple[Key, str, int], bytes] = {}
    original = Key.noise

    def noise(key: Key, purpose: str, step: int, shape: tuple[int, ...]) -> np.ndarray:
        made = original(key, purpose, step, shape)  # type: ignore[arg-type]
        record[key, purpose, step] = made.tobytes()
        return made

    monkeypatch.setattr(Key, "noise", noise)
    return record


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("slots", [7, 64])
def test_a_trial_is_the_same_alone_and_in_any_batch(
    solver: str, slots: int, drawn: dict[tuple[Key, str, int], bytes]
) -> None:
    alone = regenerate(process(solver, slots=1), TRIALS)
    first = dict(drawn)
    drawn.clear()
    together = regenerate(process(solver, slots=slots), TRIALS)
    assert drawn == first
    assert alone.keys() == together.keys() == set(TRIALS)
    for trial in TRIALS:
        torch.testing.assert_close(together[trial], alone[trial], rtol=0, atol=1e-4)


def test_the_order_of_trials_does_not_matter() -> None:
    forward = regenerate(process(slots=5), TRIALS)
    backward = regenerate(process(slots=5), TRIALS[::-1])
    for trial in TRIALS:
        torch.testing.assert_close(forward[trial], backward[trial], rtol=0, atol=1e-4)


def test_another_seed_gives_another_result() -> None:
    one, other = (regenerate(process(seed=seed), TRIALS[:1]) for seed in (3, 4))
    assert not torch.allclose(one[TRIALS[0]], other[TRIALS[0]])


def test_a_finished_row_leaves_and_a_waiting_one_takes_its_slot() -> None:
    spy = Spy()
    regenerate(process(slots=5, network=spy), TRIALS)
    assert sum(spy.sizes) == sum(trial.level for trial in TRIALS)
    # every slot is full until nothing waits any more; then the last rows, of 8 steps at most, run out
    full = [size == 5 for size in spy.sizes]
    assert all(full[: -max(trial.level for trial in TRIALS)])
    assert spy.sizes == sorted(spy.sizes, reverse=True)


def test_bases_and_regenerations_share_slots_and_are_what_they_are_alone() -> None:
    """One stream, in which each regeneration waits for its base."""
    spy, bases = Spy(), [Base("", i) for i in range(7)]
    alone = {each.base: each for each in process().sample(bases, keep=(2,))}
    again = dict(process().regenerate(TRIALS, lambda trial: alone[trial.of].state, Mode.RENOISE))
    finished: dict[Base, torch.Tensor] = {}
    waiting = sorted(TRIALS, key=lambda trial: -trial.level)

    def stream() -> Iterator[Base | Trial | None]:
        yield from bases
        while waiting:
            ready = next((trial for trial in waiting if trial.of in finished), None)
            if ready is not None:
                waiting.remove(ready)
            yield ready

    made = process(slots=5, network=spy)
    for each in made.make(stream(), lambda trial: finished[trial.of], Mode.RENOISE, keep=(2,)):
        if isinstance(each, Generation):
            finished[each.base] = each.state
            torch.testing.assert_close(each.state, alone[each.base].state, rtol=0, atol=1e-5)
            torch.testing.assert_close(each.passed[2], alone[each.base].passed[2], rtol=0, atol=1e-5)
        else:
            torch.testing.assert_close(each[1], again.pop(each[0]), rtol=0, atol=1e-4)
    assert not again
    assert len(finished) == len(bases)
    # five bases finish at once, and regenerations ride with the other two: slots run out only at the end
    assert all(size == 5 for size in spy.sizes[: -max(trial.level for trial in TRIALS)])


def test_a_stream_with_nothing_for_now_is_asked_again_while_rows_are_under_way() -> None:
    told: list[Base | None] = [Base("", 0), None, None, Base("", 1), None]
    asked = iter(told)
    made = process(slots=4)
    first = list(made.make(asked, clean, Mode.RENOISE))
    assert [each.base.index for each in first if isinstance(each, Generation)] == [0, 1]
    assert list(asked) == []
    assert list(made.make(iter([None, Base("", 2)]), clean, Mode.RENOISE)) == []  # nothing is under way: it ends


def test_trials_are_taken_only_as_slots_come_free() -> None:
    taken = []

    def stream() -> Iterable[Trial]:
        for trial in TRIALS:
            taken.append(trial)
            yield trial

    finished = process(slots=4).regenerate(stream(), clean, Mode.RENOISE)
    next(finished)
    assert len(taken) == 4


@pytest.mark.parametrize("mode", list(Mode))
def test_level_zero_is_the_identity_and_costs_nothing(mode: Mode) -> None:
    made = process(slots=2)
    trials = [Trial("", base, 0, 0) for base in range(5)]
    for trial, state in made.regenerate(trials, clean, mode):
        torch.testing.assert_close(state, clean(trial), rtol=0, atol=0)
    assert made.evaluations == made.cost(0) == 0


def test_level_zero_passes_through_full_slots() -> None:
    mixed = [Trial("", 0, level, repeat) for repeat in range(3) for level in (8, 0)]
    assert regenerate(process(slots=1), mixed).keys() == set(mixed)


def test_nothing_to_do_gives_nothing() -> None:
    made = process()
    assert list(made.sample([])) == []
    assert list(made.regenerate([], clean, Mode.BRANCH)) == []


def test_erasing_follows_the_grid_and_is_the_same_again() -> None:
    made, trial = process(), Trial("", 1, 5, 2)
    state = torch.full(SHAPE, 2.0)
    noise = Key.of_trial(3, trial).noise("erase", 5, SHAPE)
    expected = GRID.alpha[5] * 2.0 + GRID.sigma[5] * noise
    np.testing.assert_allclose(made.erase(state, trial).numpy(), expected, atol=1e-6)
    torch.testing.assert_close(made.erase(state, trial), made.erase(state, trial), rtol=0, atol=0)
    torch.testing.assert_close(made.erase(state, Trial("", 1, 0, 2)), state, rtol=0, atol=0)


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "euler"])
def test_kept_states_are_the_ones_the_generation_passed_through(solver: str) -> None:
    """Carried on from a kept state with the noise of the base itself, a generation ends as it did."""
    made = process(solver, slots=3)
    for generation in made.sample([Base("", i) for i in range(5)], keep=(1, 4, STEPS)):
        assert set(generation.passed) == {1, 4, STEPS}
        for level, state in generation.passed.items():
            row = Row(generation.base, Key.of_base(3, generation.base), level, 0, start=state)
            [(_, finished)] = made.engine.walk([row])
            torch.testing.assert_close(finished, generation.state, rtol=0, atol=1e-5)


def test_a_branch_starts_from_the_state_it_is_given() -> None:
    """At level 1 nothing is drawn any more, so the branch is one step of the table and no other noise."""
    made, start = process(), torch.ones(SHAPE)
    [(_, state)] = made.regenerate([Trial("", 0, 1, 0)], lambda trial: start, Mode.BRANCH)
    rows, time = table(), torch.tensor([GRID.time[1]])
    x0 = rows.a[1] * start + rows.b[1] * Spy()(start[None], time, torch.zeros(1))[0]
    torch.testing.assert_close(state, rows.c_x[1] * start + rows.c_first[1] * x0, rtol=0, atol=1e-5, check_dtype=False)


def test_evaluations_count_network_rows() -> None:
    made, spy = process(slots=6), Spy()
    list(made.sample([Base("", i) for i in range(7)]))
    assert made.evaluations == 7 * STEPS == 7 * made.cost(STEPS)
    regenerate(made, TRIALS)
    assert made.evaluations == 7 * STEPS + sum(made.cost(trial.level) for trial in TRIALS)
    guided = process(slots=6, guidance=3.0, network=spy)
    regenerate(guided, PROMPTED)
    assert guided.evaluations == sum(spy.sizes) == 2 * sum(trial.level for trial in PROMPTED)
    assert guided.cost(5) == guided.cost(5, "2") == 10
    assert process().cost(5) == 5


def test_a_row_without_a_prompt_costs_one_network_row_in_a_guided_batch() -> None:
    spy, plain = Spy(), process(guidance=1.0)
    guided = process(slots=7, guidance=3.0, network=spy)
    found = regenerate(guided, [*PROMPTED, *TRIALS])
    assert guided.evaluations == sum(spy.sizes) == sum(guided.cost(each.level, each.prompt) for each in found)
    assert guided.cost(5, "") == 5
    for trial, state in regenerate(process(guidance=3.0, slots=1), PROMPTED).items():
        torch.testing.assert_close(found[trial], state, rtol=0, atol=1e-4)
    for trial, state in regenerate(plain, TRIALS).items():
        torch.testing.assert_close(found[trial], state, rtol=0, atol=1e-4)


def test_rows_of_different_guidance_share_a_batch() -> None:
    key, start = Key(0, "", 0, 0, 0), torch.ones(SHAPE)
    rows = [Row(weight, key, STEPS - i, 4, start, guidance=weight) for i, weight in enumerate((1.0, 2.0, 3.5))]
    spy = Spy()
    together = {row.job: state for row, state in Engine(spy, table(), Settings(SHAPE)).walk(rows)}
    assert spy.sizes[0] == 5
    for row in rows:
        [(_, alone)] = Engine(Spy(), table(), Settings(SHAPE)).walk([row])
        torch.testing.assert_close(together[row.job], alone, rtol=0, atol=1e-5)


def walk_one(settings: Settings, network: Spy, condition: int = 4, guidance: float = 1.0) -> torch.Tensor:
    engine = Engine(network, table("euler"), settings)
    row = Row("job", Key(0, "", 0, 0, 0), STEPS, condition, torch.ones(SHAPE), guidance=guidance)
    [(_, state)] = engine.walk([row])
    return state


def test_a_guidance_pair_is_the_unconditional_and_the_conditional_row() -> None:
    spy = Spy()
    walk_one(Settings(SHAPE), spy, guidance=2.0)
    assert spy.conditions == [[0, 4]] * STEPS


def test_guidance_extrapolates_from_the_unconditional_output() -> None:
    class Constant(Spy):
        def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return torch.ones_like(x) * condition.reshape(-1, 1, 1)

    guided = walk_one(Settings(SHAPE), Constant(), condition=4, guidance=2.5)
    torch.testing.assert_close(guided, walk_one(Settings(SHAPE), Constant(), condition=10))


def test_clip_bounds_the_estimate() -> None:
    class Loud(Spy):
        def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return 100 * torch.sign(x)

    assert walk_one(Settings(SHAPE), Loud()).abs().max() > 1.5
    assert walk_one(Settings(SHAPE, clip=1.0), Loud()).abs().max() <= 1.0 + 1e-6


def test_the_prior_scale_is_that_of_the_noisiest_level() -> None:
    made = process(prior_scale=14.0)
    [one] = made.sample([Base("", 0)], keep=(STEPS,))
    [unit] = process().sample([Base("", 0)], keep=(STEPS,))
    torch.testing.assert_close(one.passed[STEPS], 14.0 * unit.passed[STEPS])


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("solver", ["ddpm", "sde-dpmpp-2m"])
def test_a_run_that_meets_full_memory_ends_with_the_numbers_of_one_that_does_not(
    solver: str, guidance: float, drawn: dict[tuple[Key, str, int], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    class Small(Spy):
        def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            if len(x) > 6:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return super().__call__(x, time, condition)

    trials = [*PROMPTED, *TRIALS]
    whole = process(solver, guidance=guidance, slots=16)
    expected, noise = regenerate(whole, trials), dict(drawn)
    drawn.clear()
    small = process(solver, guidance=guidance, slots=16, network=Small())
    found = regenerate(small, trials)
    assert drawn == noise
    assert found.keys() == expected.keys()
    for trial in trials:
        torch.testing.assert_close(found[trial], expected[trial], rtol=0, atol=1e-4)
    assert small.evaluations == whole.evaluations
    assert "network: 16 rows do not fit in memory, going on with 8 at a time" in caplog.text or guidance > 1


def test_a_compiled_network_sees_one_number_of_rows() -> None:
    spy = Spy()
    found = regenerate(process(slots=8, network=spy, even=True), TRIALS)
    assert set(spy.sizes) == {8}
    for trial, state in regenerate(process(slots=8), TRIALS).items():
        torch.testing.assert_close(found[trial], state, rtol=0, atol=1e-4)


@pytest.mark.parametrize("steps_late", [0, 1, 3])
def test_noise_drawn_on_a_thread_and_rows_handed_over_late_change_nothing(steps_late: int) -> None:
    here, beside = process(slots=7), process(slots=7)
    beside.engine.draws_beside, beside.engine.steps_late = True, steps_late
    found, expected = regenerate(beside, TRIALS), regenerate(here, TRIALS)
    assert list(found) == list(expected)
    for trial in TRIALS:
        assert torch.equal(found[trial], expected[trial])
    late, prompt = (dict(_passed(made)) for made in (beside, here))
    assert late == prompt


@pytest.mark.parametrize("steps_late", [0, 1, 3])
def test_what_waits_for_rows_handed_over_late_is_begun_all_the_same(steps_late: int) -> None:
    """All bases leave the slots at one step; nothing else is in them when they are handed over."""
    made, bases = process(slots=4), [Base("", index) for index in range(4)]
    made.engine.steps_late = steps_late
    queue, states, back = Queue(bases, TRIALS), dict[Base, torch.Tensor](), []
    for each in made.make(queue, lambda trial: states[trial.of], Mode.RENOISE):
        if isinstance(each, Generation):
            states[each.base] = each.state
            queue.on_record(each.base, lost=False)
        else:
            back.append(each[0])
    assert sorted(back) == sorted(TRIALS)


def _passed(made: Diffusion) -> Iterable[tuple[Base, list[tuple[int, list[float]]]]]:
    for each in made.sample([Base("", i) for i in range(9)], keep=(0, 3, STEPS)):
        yield each.base, [(level, state.flatten().tolist()) for level, state in sorted(each.passed.items())]


def test_a_walk_that_is_given_up_leaves_no_thread_behind() -> None:
    made = process(slots=2)
    made.engine.draws_beside = True
    walk = made.regenerate(TRIALS, clean, Mode.RENOISE)
    next(walk)
    assert [thread for thread in threading.enumerate() if thread.name.startswith("noise")]
    walk.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("noise")]
