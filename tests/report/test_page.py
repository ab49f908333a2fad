"""The page and its Markdown: whole, self-contained, and safe with whatever a user typed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from diffwin.order import Pair
from diffwin.report.findings import Findings
from diffwin.report.page import write_report
from diffwin.report.pictures import Thumbnails, albums
from diffwin.version import VERSION
from diffwin.window import Status, Window

Maker = Callable[..., Findings]
GOLDEN = Path(__file__).parent / "golden" / "report.md"
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)> ${{7*7}} {{7*7}}',
    "| a | b |\n# `heading` <b>*",
    "x" * 10_000,
    "שלום $\\frac{1}{0$ 👩🏽‍🍳 \x00\u202e",
)
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """Elements, attributes, script texts, visible text; complains of tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in ("p", "li"):
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> while <{self.open[-1]}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def written(make_findings: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ordinary report on two prompts, with pictures."""
    folder = tmp_path_factory.mktemp("written")
    findings = make_findings(prompts=("a cook", "a person"), levels=(4, 20, 25), bases=3, pictures=folder)
    write_report(folder, findings)
    return folder


@pytest.fixture(scope="module")
def attacked(make_findings: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on `hostile_findings`."""
    folder = tmp_path_factory.mktemp("attacked")
    write_report(folder, hostile_findings(make_findings))
    return folder


def read(path: Path) -> tuple[str, Page]:
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def hostile_findings(make: Maker) -> Findings:
    """Two bases of findings in which every text that a user may choose is an attack."""
    findings = make(prompts=HOSTILE, features=("background",), levels=(12,), bases=2, repeats=1)
    bad = HOSTILE[1]
    trials = findings.trials.assign(label=HOSTILE[0], base_label=HOSTILE[2], feature=bad)
    labelled = findings.curves.assign(feature=bad)
    labelled["group"] = labelled["group"].where(labelled["group"] == "all", labelled["group"] + HOSTILE[4])
    return replace(
        findings,
        title=HOSTILE[0],
        model=bad,
        features=[bad],
        labels={bad: HOSTILE},
        sensitive=frozenset({bad}),
        windows=[replace(window, feature=bad, reason=HOSTILE[0]) for window in findings.windows],
        information=[replace(each, feature=bad) for each in findings.information],
        fitted=findings.fitted.assign(feature=bad),
        curves=labelled,
        trials=trials,
        missing=pd.DataFrame(
            [{"prompt": HOSTILE[0], "base": 0, "level": 3, "repeat": 0, "feature": bad, "reason": HOSTILE[2]}]
        ),
        settings=dict.fromkeys(HOSTILE[:3], HOSTILE[0]),
        caveats=list(HOSTILE),
    )


def test_a_whole_report(written: Path) -> None:
    text, page = read(written / "report.html")
    assert "emoji-sd decides the background first" in page.words
    assert "then the perceived gender" in page.words
    assert "The occupation is fixed by the prompt." in page.words
    for title in ("The timeline", "How often each feature survives", "See it happen", "All the numbers", "How to cite"):
        assert title in page.words
    assert text.count('<img src="data:image/webp;base64,') == 2 * 3 * (1 + 3 * 2)
    assert len(text) < 1_000_000
    for stem in ("timeline-1", "survival-2", "groups-1-1-background"):
        assert (written / "figures" / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        ElementTree.fromstring((written / "figures" / f"{stem}.svg").read_text(encoding="utf-8"))
        assert f"figures/{stem}.png" in (written / "report.md").read_text(encoding="utf-8")


def test_the_page_loads_nothing(written: Path) -> None:
    text, page = read(written / "report.html")
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "srcset", "action", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/")) or (tag == "a" and value.startswith("https://arxiv.org/"))
    assert all(address.startswith(("data:image/", "#")) for address in re.findall(r"url\(\s*[\"']?([^)\"']+)", text))
    assert "@import" not in text
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base"}


def test_ids_are_unique_and_references_hold(written: Path) -> None:
    text, page = read(written / "report.html")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [a.get("href") or a.get("xlink:href") or "" for tag, a in page.tags if tag == "use"]
    clips = re.findall(r"url\(#([^)]+)\)", text)
    assert {reference.removeprefix("#") for reference in references} | set(clips) <= set(ids)


def test_nothing_a_user_typed_becomes_markup(attacked: Path) -> None:
    text, page = read(attacked / "report.html")
    assert len(page.scripts) == 1
    assert "alert(1)" not in page.scripts[0]
    assert not any(attributes.get("src") == "x" for _, attributes in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "</script><script>alert(1)</script>" in page.words
    assert "${{7*7}} {{7*7}}" in page.words
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "x" * 10_000 in page.words
    assert text.count("x" * 10_000) == 2  # the whole prompt, and a caveat


def test_hostile_text_stays_text_in_figures(attacked: Path) -> None:
    drawn = list((attacked / "figures").iterdir())
    assert {path.suffix for path in drawn} == {".svg", ".png"}
    for path in drawn:
        assert re.fullmatch(r"[a-z0-9-]+\.(svg|png)", path.name)
        if path.suffix == ".svg":
            tags = {element.tag for element in ElementTree.fromstring(path.read_text(encoding="utf-8")).iter()}
            assert not {tag for tag in tags if tag.endswith(("script", "foreignObject", "}b", "}img"))}


def test_markdown_cells_and_lines_hold(attacked: Path) -> None:
    lines = (attacked / "report.md").read_text(encoding="utf-8").splitlines()
    allowed = re.compile(r"<details><summary>The whole prompt, [\d,]+ characters</summary>|</details>")
    assert not [line for line in lines if re.search(r"<\w|</", allowed.sub("", line))]
    widths = []
    for before, line in zip(["", *lines], lines, strict=False):
        cells = len(re.findall(r"(?<!\\)\|", line))
        if line.startswith("|"):
            widths.append((cells, before.startswith("|"), line))
    assert widths
    width = 0
    for cells, goes_on, line in widths:
        assert not goes_on or cells == width, line
        width = cells
    assert sum(line.startswith("#") for line in lines) == 9 + len(HOSTILE)


def test_the_policy_admits_the_one_script(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    script = text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text or f"script-src 'sha256-{digest}'" in text


@pytest.mark.parametrize("status", list(Status))
def test_every_status_makes_a_report(make_findings: Maker, tmp_path: Path, status: Status) -> None:
    findings = make_findings(features=("background",), levels=(12, 20), bases=2, repeats=1)
    windows = [Window("a cook", "background", "all", status, "for some reason", None)]
    _, page = read(write_report(tmp_path, replace(findings, windows=windows, order=[], information=[])))
    assert "For some reason." in page.words


EMPTY_TRIALS = [
    "prompt",
    "base",
    "level",
    "repeat",
    "feature",
    "label",
    "base_label",
    "survived",
    "probability",
    "image",
]


def no_features(make: Maker, _: Path) -> Findings:
    return make(features=(), levels=(12,), bases=1)


def one_level(make: Maker, _: Path) -> Findings:
    return make(levels=(25,), repeats=1)


def one_base(make: Maker, folder: Path) -> Findings:
    return make(bases=1, repeats=1, pictures=folder)


def two_level_grid(make: Maker, _: Path) -> Findings:
    return replace(make(levels=(1,), bases=2), steps=1, level_log_snr=[float("inf"), -5.0])


def no_prompts(make: Maker, _: Path) -> Findings:
    findings = make(levels=(12,), bases=1)
    return replace(
        findings,
        prompts=[],
        windows=[],
        order=[],
        information=[],
        trials=findings.trials[:0],
        curves=findings.curves[:0],
    )


def all_missing(make: Maker, _: Path) -> Findings:
    findings = make(levels=(12,), bases=1)
    windows = [Window("a cook", name, "all", Status.TOO_FEW, "0 bases", None) for name in findings.features]
    columns = [*EMPTY_TRIALS, "base_image"]
    lost = findings.trials[["prompt", "base", "level", "repeat"]].drop_duplicates()
    return replace(
        findings,
        windows=windows,
        order=[],
        information=[],
        fitted=findings.fitted[:0],
        trials=pd.DataFrame(columns=columns),
        curves=findings.curves.assign(survival=float("nan"), low=float("nan"), high=float("nan"), floor=float("nan")),
        missing=lost.assign(feature="all", reason="the picture is not finite"),
    )


def pictures_gone(make: Maker, _: Path) -> Findings:
    findings = make(levels=(12, 20), bases=1, repeats=1)
    return replace(findings, trials=findings.trials.assign(image="images/gone.png", base_image="images/gone.png"))


def nine_features(make: Maker, _: Path) -> Findings:
    findings = make(features=("background",), levels=(12, 20), bases=2, repeats=1)
    names = [f"feature-{at}" for at in range(9)]
    return replace(
        findings,
        features=names,
        windows=[replace(window, feature=name) for name in names for window in findings.windows],
        order=[Pair("a cook", a, b, 0.5, 0.0, -1.0, 1.0, False) for a in names for b in names if a != b],
        information=[replace(each, feature=name) for name in names for each in findings.information],
        fitted=pd.concat([findings.fitted.assign(feature=name) for name in names], ignore_index=True),
        trials=pd.concat([findings.trials.assign(feature=name) for name in names], ignore_index=True),
        curves=pd.concat([findings.curves.assign(feature=name) for name in names], ignore_index=True),
    )


@pytest.mark.parametrize(
    "odd",
    [no_features, one_level, one_base, two_level_grid, no_prompts, all_missing, pictures_gone, nine_features],
)
def test_odd_runs_still_make_a_report(
    make_findings: Maker, tmp_path: Path, odd: Callable[[Maker, Path], Findings]
) -> None:
    _, page = read(write_report(tmp_path, odd(make_findings, tmp_path)))
    assert "The timeline" in page.words
    assert "nan" not in page.words.lower().split()
    assert (tmp_path / "report.md").stat().st_size > 0


def test_a_world_of_points_has_marks_and_no_pictures(make_findings: Maker, tmp_path: Path) -> None:
    text, page = read(write_report(tmp_path, make_findings(prompts=("",))))
    assert "<img" not in text
    assert "What came back" in page.words
    assert "Without a prompt, " in page.words
    assert any("lost" in (attributes.get("class") or "").split() for _, attributes in page.tags)


def test_the_bases_seen_at_the_most_levels_are_shown(make_findings: Maker, tmp_path: Path) -> None:
    findings = make_findings(features=("background",), levels=(4, 12, 20), bases=9, repeats=1)
    trials = findings.trials
    kept = trials[(trials["level"] == 0) | (trials["base"] >= 4) | (trials["level"] == 12)]
    shown = albums(replace(findings, trials=kept), Thumbnails(tmp_path))
    assert [album.base for album in shown] == [0, 4, 5, 6, 7, 8]
    assert [len(album.columns) for album in shown] == [1, 3, 3, 3, 3, 3]


def test_the_same_findings_give_the_same_bytes(make_findings: Maker, tmp_path: Path) -> None:
    findings = make_findings(levels=(12, 25), bases=2, repeats=1, pictures=tmp_path)

    def once() -> dict[str, bytes]:
        write_report(tmp_path, findings)
        return {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert once() == once()


def test_a_prediction_stands_in_the_table_and_its_error_in_the_words(make_findings: Maker, tmp_path: Path) -> None:
    for folder, theory in (("without", False), ("with", True)):
        (tmp_path / folder).mkdir()
        write_report(tmp_path / folder, make_findings(features=("background",), levels=(4, 12, 20), theory=theory))
    without, _ = read(tmp_path / "without" / "report.html")
    assert "predict" not in without.split("</style>")[1].lower()
    text, page = read(tmp_path / "with" / "report.html")
    told = [value.replace("\xa0", " ") for value in re.findall(r'class="n predicted">([^<]*)<', text)]
    # a logistic rise through -3.5, so its quarters lie ln 3 apart; .004 / .8 over slopes of 1/4 and 3/16
    assert told[:3] == ["−4.60 ± 0.03", "−3.50 ± 0.02", "−2.40 ± 0.03"]
    assert "standard error is at most 0.4 points" in page.words
    assert "−3.50\xa0±\xa00.02 |" in (tmp_path / "with" / "report.md").read_text(encoding="utf-8")


def test_the_matrix_of_the_order_stands_beside_the_timeline(written: Path) -> None:
    text, page = read(written / "report.html")
    assert "How sure is the order?" in page.words
    assert "All 3 pairs are settled." in page.words
    assert "5 of 6 pairs are settled." in page.words
    assert text.index('id="timeline"') < text.index("How sure is the order?") < text.index('id="curves"')
    assert (written / "figures" / "order-1.png").is_file()


def test_each_feature_has_a_sentence_on_its_information(written: Path) -> None:
    _, page = read(written / "report.html")
    words = page.words.replace("\xa0", " ")
    told = "are decided before its window, 50 % inside it and 30 % after it."
    assert f"to name the background, 20 % {told}" in words
    assert "Its curve has several rises" in words


def test_markdown_golden(make_findings: Maker, tmp_path: Path) -> None:
    findings = make_findings(
        prompts=("a cook", "a | person"),
        features=("background", "occupation", "skin-tone"),
        missing=pd.DataFrame(
            [{"prompt": "a cook", "base": 1, "level": 4, "repeat": 1, "feature": "all", "reason": "a black picture"}]
        ),
    )
    write_report(tmp_path, findings)
    told = (tmp_path / "report.md").read_text(encoding="utf-8").replace(VERSION, "VERSION")
    assert told == GOLDEN.read_text(encoding="utf-8")
