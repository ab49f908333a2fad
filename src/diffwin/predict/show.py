"""A prediction in the terminal: rows for a table, lines for what stands below it, and trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from diffwin.predict.names import decides, node_name, share
from diffwin.predict.prediction import COMPONENTS, EPS, PredictedWindow, Prediction
from diffwin.report.words import one_line
from diffwin.theory.curves import Crossing
from diffwin.theory.spectrum import spectral_log_snr, spectral_time
from diffwin.theory.subpopulations import Threshold
from diffwin.theory.tree import Node
from diffwin.trials import ALL
from diffwin.window import Status, Window
from diffwin.worlds.image_set import ImageSet

Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]
"""Head and rows."""

_LONGEST = 40


def title(prediction: Prediction) -> str:
    """The world in a line."""
    world, atoms = prediction.world.world, len(prediction.panorama.world.weights)
    if isinstance(world, ImageSet):
        return f"{prediction.world.name}: {_count(atoms, 'image')} under their ideal score"
    return f"{prediction.world.name}: {_count(atoms, 'Gaussian component')} in {_count(world.dimension, 'dimension')}"


def tables(prediction: Prediction, measured: Sequence[Window] | None = None) -> Iterator[Table]:
    """Windows in the order in which they are decided, then what else there is to say; levels are log-SNR."""
    yield _without_empty(_windows(prediction) if measured is None else _beside(prediction, measured))
    if prediction.pair is not None:
        told = prediction.pair.conventions
        pairs = [(each.name, _plain(each.log_snr), f"{each.ou_time:.4f}", each.source) for each in told]
        yield ("two components", "log-SNR", "OU time", "source"), pairs
    if prediction.critical:
        found = prediction.critical.items()
        labels = [
            (one_line(f"{feature} {label}", _LONGEST), _threshold(w.after), _threshold(w.before))
            for (feature, label), w in found
        ]
        yield (f"by total variation, eps {EPS:g}", "T_after", "T_before"), labels


def _windows(prediction: Prediction) -> Table:
    """A row a feature, then the image itself."""
    rows = []
    for feature in prediction.features:
        at = spectral_log_snr(feature.eigenvalue)
        rows.append(_row(feature.name, feature.whole, "-" if at is None else _plain(at)))
    if prediction.image is not None:
        rows.append(_row(prediction.image[1].feature, prediction.image[1], "-"))
    return ("feature", "status", "onset", "decision", "end", "spectral", "because"), rows


def _without_empty(table: Table) -> Table:
    """Less the last column if nothing stands in it."""
    head, rows = table
    return table if any(row[-1] for row in rows) else (head[:-1], [row[:-1] for row in rows])


def _row(name: str, window: PredictedWindow, spectral: str) -> tuple[str, ...]:
    points = (_point(point) for point in (window.onset, window.decision, window.end))
    return (name, window.status.value, *points, spectral, window.reason)


def _beside(prediction: Prediction, measured: Sequence[Window]) -> Table:
    """Decisions beside those of a run."""
    rows: list[tuple[str, ...]] = []
    found = {window.feature: window for window in measured if window.group == ALL}
    for feature in prediction.features:
        mine, window = feature.whole, found.get(feature.name)
        if window is None:
            rows.append((feature.name, mine.status.value, _point(mine.decision), "not read", "-", ""))
            continue
        decided = window.decision
        at = "-" if decided is None else f"{_plain(decided.log_snr)} ({_plain(decided.low)} to {_plain(decided.high)})"
        because = "" if window.status is Status.FOUND else window.reason
        rows.append((feature.name, mine.status.value, _point(mine.decision), window.status.value, at, because))
    return ("feature", "exact", "decision", "measured", "decision (95 % interval)", "because"), rows


def lines(prediction: Prediction) -> Iterator[str]:
    """Spectrum and collapse, in a sentence each."""
    at = spectral_log_snr(prediction.eigenvalue)
    start = f"top eigenvalue of the data {prediction.eigenvalue:.4g}"
    if at is None:
        yield f"{start}: within the noise of OU time 0, so it predicts nothing"
    else:
        time = float(spectral_time(prediction.eigenvalue))
        yield f"{start}: the first choice is predicted at log-SNR {_plain(at)} (OU time {time:.2f})"
    if prediction.collapse is not None:
        samples, time, level = vars(prediction.collapse).values()
        yield (
            f"a model that has learnt {samples:,} samples by heart falls back on one of them at log-SNR "
            f"{_plain(level)} (OU time {time:.3g})"
        )


def trees(prediction: Prediction) -> RenderableType:
    """Every tree that has a choice, with the log-SNR at which each is made."""
    return Group(*(_tree(prediction, name) for name, root in prediction.trees.items() if root.parts))


def _tree(prediction: Prediction, name: str) -> Tree:
    by = None if name == COMPONENTS else name
    root = prediction.trees[name]
    top = Tree(Text.assemble((name, "bold"), _choice(prediction, root, by)), guide_style="dim")
    _grow(top, prediction, root, by)
    return top


def _grow(branch: Tree, prediction: Prediction, node: Node, by: str | None) -> None:
    for part in node.parts:
        name = one_line(node_name(prediction.panorama, part, node, by) or f"{len(part.columns)} of them", _LONGEST)
        words = Text.assemble(name, (f"  {share(part.weight)}", "dim"), _choice(prediction, part, by))
        _grow(branch.add(words), prediction, part, by)


def _choice(prediction: Prediction, node: Node, by: str | None) -> tuple[str, str]:
    """What a node's choice decides and when, as dim words."""
    if node.choice is None:
        return "", ""
    what = decides(prediction.panorama, node, by) if by is None else ""
    return f"  {what + ' ' if what else ''}at {_point(node.choice.window.decision)}", "dim"


def _point(point: Crossing | None) -> str:
    """A crossing with its numerical error, if that shows in the second decimal."""
    if point is None:
        return "-"
    error = f" ± {point.error:.2f}" if point.error >= 0.005 else ""
    return f"{_plain(point.log_snr)}{error}"


def _threshold(threshold: Threshold | None) -> str:
    """The same of a threshold; "-" where no level satisfies the definition."""
    if threshold is None:
        return "-"
    return _point(Crossing(threshold.log_snr, threshold.standard_error)) if threshold.ou_time > 0 else "even clean"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _plain(value: float) -> str:
    return f"{value:.2f}"
