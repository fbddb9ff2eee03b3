"""The report: one self-contained page, in which no figure stands without what it compares to."""

import re
from html.parser import HTMLParser

import pytest

from engine.errors import EngineError
from engine.observe.report import evaluations_path, write_report
from engine.tasks.flight import ProposalRow
from engine.tasks.store import TaskStore
from engine.wire import RunDir, append_jsonl
from engine.wire.messages import MAIN_KINDS, Kind

CONFIG = {"engine": {"model": "a-model", "seeds": "starter"}, "sandbox": {}, "trainer": {}}


def probe_row(version, temperature, new, *, samples=100):
    return {
        "version": version, "temperature": temperature, "samples": samples, "valid": new + 5,
        "new": new, "fates": {"new": new}, "seconds": 1.0,
    }  # fmt: skip


def exam_row(version, kind, right):
    return {"version": version, "kind": kind.value, "rows": 8, "right": right, "baseline": 3}


def evaluation(version, *, new, right):
    return {
        "time": 0.0,
        "version": version,
        "seconds": 1.0,
        "probe": [probe_row(version, 0.5, new), probe_row(version, 1.0, new // 2)],
        "exam": [exam_row(version, kind, right) for kind in MAIN_KINDS],
    }


def round_of(number, kind):
    return {
        "event": "round", "time": 0.0, "round": number, "kind": kind.value, "version": number // 3,
        "round/seconds": 1.0, "proposer/rollouts": 4, "proposer/valid": number % 3,
        "proposer/reward_mean": 0.1, "proposer/tokens": 9, "solver/rollouts": 8, "solver/right": 2,
        "solver/reward_mean": -0.2, "solver/tokens": 9, "fates": {},
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of a run that was measured twice and doubled its new proposals."""
    run = make_run(tmp_path_factory.mktemp("report"))
    measure(run, evaluation(0, new=20, right=2), evaluation(9, new=40, right=4))
    return page_of(run)


def make_run(directory):
    run = RunDir(directory / "run").create()
    run.write_run(CONFIG)
    with TaskStore(run.tasks_db) as store:
        for number in range(6):
            row = ProposalRow(
                kind=Kind.DEDUCTION, version=number // 2, fate="admitted" if number % 2 else "cut",
                detail="", text=f"def f(x):\n    return x < {number}\n<script src=//evil.example>",
                reward=0.5, solve_rate=0.5 if number % 2 else None,
            )  # fmt: skip
            store.commit_round(number, tasks=[], proposals=[row], groups=[], solved=[])
    for number in range(6):
        append_jsonl(run.engine_metrics, round_of(number, list(MAIN_KINDS)[number % 3]))
        append_jsonl(
            run.trainer_metrics,
            {"step": number + 1, "policy/entropy": 1.0, "policy/age_steps_mean": 0.5,
             "time/step_s": 3.0, "time/forward_s": 2.0, "time/wait_s": 1.0},
        )  # fmt: skip
    return run


def measure(run, *evaluations):
    for row in evaluations:
        append_jsonl(evaluations_path(run), row)


def page_of(run):
    path = write_report(run)
    assert path == run.report
    return path.read_text("utf-8")


def words(page):
    """The page's text without tags, white space squeezed."""
    return " ".join(re.sub(r"<(style|svg)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split())


class Links(HTMLParser):
    """Everything in a page that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.fetched = []
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            is_link = name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster")
            if is_link and not (value or "").startswith("#"):
                self.fetched.append((tag, value))


def test_the_page_is_self_contained(page):
    links = Links()
    links.feed(page)
    assert links.fetched == []
    assert not links.tags & {"script", "link", "iframe", "img", "object", "embed", "base"}
    style = "".join(re.findall(r"<style.*?</style>", page, flags=re.DOTALL))
    assert "@import" not in style
    assert re.findall(r"url\((?!#)", page) == []
    namespaces = re.findall(r'(?:xmlns(?::\w+)?|rdf:\w+|xlink:\w+)="(https?://[^"]*)"', page)
    metadata = re.findall(r"<metadata>.*?</metadata>", page, flags=re.DOTALL)
    elsewhere = page
    for part in metadata:
        elsewhere = elsewhere.replace(part, "")
    assert set(re.findall(r"https?://[^\"'<> ]*", elsewhere)) <= set(namespaces)


def test_what_a_model_wrote_is_shown_as_text(run):
    measure(run, evaluation(0, new=20, right=2))
    page = page_of(run)
    assert "&lt;script src=//evil.example&gt;" in page
    assert "<script" not in page


def test_the_probe_table_has_every_temperature_before_and_after(page):
    text = words(page)
    for row in ("0 0.5 100 25 20 20 %", "0 1.0 100 15 10 10 %", "9 0.5 100 45 40 40 %"):
        assert row in text
    assert "13 to 29 %" in text, "Wilson's interval of 20 in 100"


def test_the_verdict_is_a_ratio_with_its_interval(page):
    text = words(page)
    # 2 exp(-+ 1.96 sqrt(0.6 / 40 + 0.8 / 20))
    assert "x 2.00, 95 % interval 1.26 to 3.17; the interval excludes 1: a clear gain" in text
    assert "20 % (T = 0.5) before, 40 % (T = 0.5) after" in text


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (20, 22, "the interval includes 1: no clear change"),
        (40, 10, "x 0.25, 95 % interval 0.13 to 0.47; the interval excludes 1: a clear loss"),
        (0, 10, "a ratio has no interval where a count is zero"),
    ],
)
def test_the_verdict_claims_no_more_than_the_interval(run, before, after, said):
    measure(run, evaluation(0, new=before, right=0), evaluation(1, new=after, right=0))
    assert said in words(page_of(run))


def test_each_version_is_compared_at_its_own_best_temperature(run):
    early = evaluation(0, new=10, right=0) | {
        "probe": [probe_row(0, 0.5, 10), probe_row(0, 1.0, 30)]
    }
    measure(run, early, evaluation(9, new=40, right=0))
    text = words(page_of(run))
    assert "30 % (T = 1) before, 40 % (T = 0.5) after" in text


def test_the_trivial_answer_stands_beside_every_solve_rate(page):
    text = words(page)
    for kind in MAIN_KINDS:
        # rows, trivial answer, before, after
        assert f"{kind.value} 8 38 % 25 % 50 %" in text
    assert "held-out deduction: trivial answer" in page, "and in the figure"


def test_one_measurement_has_nothing_to_compare(run):
    measure(run, evaluation(0, new=20, right=2))
    text = words(page_of(run))
    assert "there is nothing to compare yet" in text
    assert " x " not in text.partition("Curves")[0]


def test_a_run_that_measured_and_played_nothing_has_a_page(tmp_path):
    run = RunDir(tmp_path / "run").create()
    run.write_run(CONFIG)
    TaskStore(run.tasks_db).close()
    assert "No probe was taken." in words(page_of(run))


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(EngineError, match="expected a run"):
        write_report(RunDir(tmp_path))
