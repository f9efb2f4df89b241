"""The page of a report: its structure as a parser and a browser read it, on results that are made up."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser

import fabricated
import paper_fixture
import pytest

from repro.display import report
from repro.types import Grouping, Split

VOID = {"meta", "br", "hr", "img", "link"}
HOSTILE = "<script>alert(\"1\")</script> & 'x'"


class Page(HTMLParser):
    """Every element with its attributes, its words, and the path of open elements; an end tag without its start is a fault."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append((self.open[-1] if self.open else "", data))

    def text(self) -> str:
        return "".join(data for tag, data in self.words if tag not in ("style", "script"))

    def of(self, name: str, value: str | None = None) -> list[str]:
        """The values of an attribute, or the elements that have it with this value."""
        return [attrs[name] if value is None else tag for tag, attrs in self.seen if name in attrs and value in (None, attrs[name])]


@pytest.fixture
def filled(monkeypatch, home_store, tmp_path):
    monkeypatch.chdir(tmp_path)
    paper_fixture.use_tables(monkeypatch)
    paper_fixture.fill(home_store)


def written(call, *arguments: str) -> str:
    code, _, err = call("report", "--out", "page.html", *arguments)
    assert (code, err) == (0, "")
    with open("page.html", encoding="utf-8") as file:
        return file.read()


def test_a_page_of_everything_that_was_measured(filled, call):
    assert call("report") == (0, "report.html: papers' tables 1, benchmarks' tables 2, runs 19\n", "")
    page = Page(written(call))
    assert page.open == []
    count = Counter(tag for tag, _ in page.seen)
    assert [data for tag, data in page.words if tag == "h2"] == ["Papers’ tables", "Benchmarks", "Costs", "Environments"]
    assert page.of("class").count("repro-table") == 3
    told = "cells of the paper's table, rows of the benchmarks', the fold of what was not measured, the paper's figures, three of trainings"
    assert count["details"] == 30 + 4 + 1 + 1 + 3, told
    assert "viewport" in page.of("name") and "prefers-color-scheme: dark" in "".join(data for tag, data in page.words if tag == "style")
    assert "TINY" not in page.text()


def test_every_link_leads_to_one_place_of_the_page(filled, call):
    page = Page(written(call))
    ids = Counter(page.of("id"))
    assert set(ids.values()) == {1}
    links = [target for target in page.of("href") if target.startswith("#")]
    assert len(links) >= 30 + 9 and {link[1:] for link in links} <= set(ids)


def test_nothing_comes_from_elsewhere(filled, call):
    page = Page(written(call))
    asked = [value for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset") for value in page.of(name)]
    assert asked and all(value.startswith("#") for value in asked)
    assert {tag for tag, _ in page.seen} & {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video"} == set()
    styles = "".join(data for tag, data in page.words if tag == "style") + "".join(page.of("style"))
    assert "@import" not in styles and "url(http" not in styles and "//" not in styles
    assert [policy for policy in page.of("content") if "default-src 'none'" in policy]


def test_a_cell_opens_what_is_behind_it(filled, call):
    text = written(call, "made-up/main")
    found = re.search(r'<details id="cell-1-0-1"><summary>(.*?)</summary>(.*?)</details>', text, re.S)
    assert Page(found[1]).text() == "FT – Living-17 OOD: 77.7 ± 0.5 (0.2), reported 77.8 (0.7), within noise"
    behind = Page(found[2]).text()
    for part in (
        "77.8 (0.7) ci90, 3 seeds, verified, table main, living17 ood_test accuracy",
        "77.7, verified, table slides",
        "p = 0.97",
        "lr=0.001",
        "a made-up device",
        "Together 30 s",
        "moco-v2-resnet50",
        "tables/living17.toml: made-up ft",
        "selected-on-reported: ",
    ):
        assert part in behind
    living = paper_fixture.planned(paper_fixture.described("living17"), "ft")
    keys = [run.key for run in living if run.recipe.lr == 1e-3]
    assert len(keys) == 3 and all(key in behind for key in keys)
    assert "77.50" in behind and "77.90" in behind and "77.80" in behind
    failed = Page(re.search(r'<details id="cell-1-1-2">.*?</details>', text, re.S)[0]).text()
    assert "RuntimeError: made up" in failed


def test_a_verdict_is_a_word_and_a_colour(filled, call):
    text = written(call, "made-up/main")
    for verdict, style in {"match": "good", "within noise": "fair", "above": "bad", "failed": "bad", "not comparable": "dim"}.items():
        assert f'<div class="{style}">{verdict}</div>' in text and f'<strong class="{style}">{verdict}</strong>' in text


def test_costs_and_environments(filled, call):
    text = Page(written(call)).text()
    assert "entity30" in text.partition("Costs")[2] and "together193 min0.05" in text
    assert "a made-up device" in text.partition("Environments")[2] and "not recorded" in text.partition("Environments")[2]


def test_only_what_is_named(filled, call):
    page = Page(written(call, "living17"))
    assert page.of("class").count("repro-table") == 1 and "Entity-30" not in page.text()
    page = Page(written(call, "made-up"))
    assert page.of("class").count("repro-table") == 2 and "Fixture: numbers fabricated" in page.text()


def test_a_paper_is_all_of_its_tables_and_several_names_are_one_page(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Page(written(call, "lp-ft", "flyp/few-shot", "lp-ft/2"))
    assert [target for target in page.of("href") if target.startswith("#table-")] == [
        "#table-1-lp-ft-1",
        "#table-2-lp-ft-2",
        "#table-3-flyp-few-shot",
    ]
    assert page.open == [] and page.of("class").count("repro-table") == 3


def test_hostile_names_stay_text(home_store, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = (HOSTILE, "</details></table>")
    splits = (*fabricated.SPLITS[:3], *(Split(name=name, role="ood_test", column="OOD") for name in names))
    of = fabricated.benchmark(name="digits", title=f"digits {HOSTILE}", splits=splits)
    run = fabricated.run("ft", of=of)
    run = run.model_copy(update={"provenance": {**run.provenance, "lr": HOSTILE}, "recipe": run.recipe.model_copy(update={"lr": 0.125})})
    metrics = {split.name: {"accuracy": 0.5} for split in splits if split.role != "train"}
    point = fabricated.checkpoint().model_copy(update={"metrics": metrics})
    told = {"device_name": HOSTILE, "python": HOSTILE, "repro": HOSTILE, "packages": {"torch": HOSTILE}, "precision": HOSTILE}
    fabricated.finish(home_store, run, point, environment=told)
    text = written(call)
    page = Page(text)
    assert page.open == [] and [tag for tag, _ in page.seen].count("script") == 1
    assert "<script>alert" not in text and page.text().count(HOSTILE) >= 9
    assert [attrs for tag, attrs in page.seen if any(name.startswith("on") for name in attrs)] == []


def test_tiny_results_say_so_and_stand_alone(home_store, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for tiny in (False, True):
        fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits(tiny=tiny)), fabricated.checkpoint())
    assert "TINY" not in Page(written(call)).text()
    page = Page(written(call, "--tiny"))
    assert page.of("class", "tiny") == ["p"] and report.TINY in page.text()
    assert "(TINY)" in next(data for tag, data in page.words if tag == "title")
    assert "1 finished runs" not in page.text() and "1 finished run," in page.text()


def test_mistakes(filled, mistake, tmp_path):
    assert mistake("report", "--tiny") == (
        "there are no results on tiny subsets yet",
        f"looked in {tmp_path}/home/runs",
        "repro run digits --tiny",
    )
    assert mistake("report", "fmow")[0] == "there are no results of fmow yet"
    assert mistake("report", "made-up/mian")[1] == "did you mean 'made-up/main'?"


def test_without_matplotlib_a_sentence_stands_for_the_figure(filled, call, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    page = Page(written(call))
    assert "No figure: figures cannot be drawn, the package matplotlib is not installed." in page.text()
    assert not [tag for tag, _ in page.seen if tag == "svg"]


def test_figures_are_drawings_in_the_page(filled, call):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    text = written(call)
    page = Page(text)
    assert [tag for tag, _ in page.seen].count("svg") == 4 + 2, (
        "ID against OOD and trainings of two benchmarks, and of the paper's runs on one"
    )
    assert "OOD: accuracy in % (ood_test)" in page.text() and "Losses and metrics per epoch" in page.text()
    assert set(Counter(page.of("id")).values()) == {1}


def test_curves_over_alpha_and_groups_are_drawn_where_there_are_some(home_store, call, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    monkeypatch.chdir(tmp_path)
    grouped = Grouping(name="region", values=("here", "there"))
    of = fabricated.benchmark(name="digits", groupings=(grouped,))
    for seed in range(2):
        points = [
            fabricated.checkpoint(f"alpha-{alpha}", sketch=0.4 + alpha / 10).model_copy(update={"epoch": None}) for alpha in (0.0, 0.5, 1.0)
        ]
        fabricated.finish(home_store, fabricated.run("wise-ft", seed, of=of), *map(_by_region, points))
    page = Page(written(call))
    titles = [
        title for title in ("Mixtures of weights over α", "Accuracy of each group", "Losses and metrics per epoch") if title in page.text()
    ]
    assert titles == ["Mixtures of weights over α", "Accuracy of each group"]
    assert [tag for tag, _ in page.seen].count("svg") == 3 and "α = 1" in page.text() and "here" in page.text()


def _by_region(point):
    return point.model_copy(
        update={"metrics": {split: {**own, "region=here": 0.9, "region=there": 0.4} for split, own in point.metrics.items()}}
    )


def test_more_rows_than_a_figure_can_tell_apart_are_said(home_store, call, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    monkeypatch.chdir(tmp_path)
    for size in range(25):
        fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits(), batch_size=size + 1), fabricated.checkpoint())
    page = Page(written(call))
    assert "No figures: 25 rows are more than a figure can tell apart" in page.text() and "svg" not in [tag for tag, _ in page.seen]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_opens_what_a_link_leads_to(filled, call, tmp_path):
    written(call)
    for target, opened in {"cell-1-0-1": ["cell-1-0-1"], "cell-1-4-0": [None, "cell-1-4-0"]}.items():
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        done = subprocess.run([*command, f"{(tmp_path / 'page.html').as_uri()}#{target}"], capture_output=True, text=True, timeout=120)
        page = Page(done.stdout)
        assert page.of("class").count("repro-table") == 3
        assert [attrs.get("id") for tag, attrs in page.seen if tag == "details" and "open" in attrs] == opened
