"""The graphs: drawn with and without a picture, and what is said when the libraries are missing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.zflood.test_memory import ROW
from zflood.memory import SampleFile

PLOT = [sys.executable, "-c", "from zflood.cli import main; main()", "plot"]


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A file of ten minutes."""
    path = tmp_path / "mem.tsv"
    with path.open("a+") as file:
        rows = SampleFile(file)
        for minute in range(11):
            rows.append(ROW._replace(unix_s=60 * minute, rss_kb=30_000 + 10 * minute, connections=10_000))
    return path


def plot(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*PLOT, *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_suffix_says_which_picture(samples: Path, tmp_path: Path, suffix: str, begins: bytes) -> None:
    out = tmp_path / f"graph.{suffix}"
    done = plot(samples, samples, "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes().startswith(begins)
    assert done.stdout.strip() == str(out)


def test_a_picture_has_title_axes_and_units(samples: Path, tmp_path: Path) -> None:
    from zflood import plot as drawing
    from zflood.memory import read_samples

    runs = [drawing.Run("one", read_samples(samples))]
    figure = drawing.draw(runs, drawing.title(runs))
    memory, connections = figure.axes
    assert memory.get_title() == "Memory with 10,000 active connections"
    assert (memory.get_xlabel(), memory.get_ylabel()) == ("minutes elapsed", "resident memory [MB]")
    assert connections.get_ylabel() == "connections (dashed)"
    (line,) = memory.get_lines()
    assert np.asarray(line.get_xdata()).tolist() == list(range(11))


def test_the_terminal_gets_a_drawing(samples: Path) -> None:
    done = plot(samples, "--terminal", "--title", "a title")
    assert done.returncode == 0, done.stderr
    assert "a title" in done.stdout
    assert "minutes elapsed" in done.stdout


@pytest.mark.parametrize("name", ["graph.doc", "graph"])
def test_a_kind_of_picture_that_there_is_not_is_a_usage_error(
    samples: Path, tmp_path: Path, name: str
) -> None:
    done = plot(samples, "--out", tmp_path / name)
    assert done.returncode == 2
    assert f"{name}: the name ends in none of .png, .svg, .pdf" in done.stderr
    assert list(tmp_path.glob("graph*")) == []


def test_titles_and_names_are_no_formulas(samples: Path, tmp_path: Path) -> None:
    odd = samples.rename(tmp_path / "$\\frac.tsv")
    out = tmp_path / "x.svg"
    done = plot(odd, odd, "--out", out, "--title", "$\\frac{ costs $5")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("more", [[], ["--terminal"]])
def test_a_single_row_is_drawn_and_a_torn_one_left_out_with_a_warning(
    tmp_path: Path, more: list[str]
) -> None:
    path = tmp_path / "torn.tsv"
    row = "\t".join(map(str, ROW._replace(rss_kb=0)))
    path.write_text(f"{row}\n{row[:-5]}")
    done = plot(path, "--out", tmp_path / "x.png", *more)
    assert done.returncode == 0
    assert done.stderr == f"zflood: {path}, line 2: not written to its end, left out\n"


def test_without_the_extra_every_command_says_what_is_missing() -> None:
    without = "import sys; sys.modules['hdrh'] = None; sys.modules['hdrh.histogram'] = None\n"
    code = without + "from zflood.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "clients"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "zflood: hdrh is not installed; from a checkout: pip install '.[flood]'\n"


@pytest.mark.parametrize(("library", "more"), [("matplotlib", []), ("plotext", ["--terminal"])])
def test_a_missing_library_is_named_with_the_extra(samples: Path, library: str, more: list[str]) -> None:
    without = f"import sys; sys.modules[{library!r}] = None\nfrom zflood.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "plot", str(samples), *more], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert library in done.stderr
    assert "pip install '.[plots]'" in done.stderr


def test_a_pipe_gets_no_colours_and_a_width_is_kept(samples: Path) -> None:
    for columns in ("60", "200"):
        done = plot(samples, samples, "--terminal", COLUMNS=columns, LINES="20")
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert max(map(len, done.stdout.splitlines())) == int(columns)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colours_unless_it_wants_none(samples: Path, no_color: str) -> None:
    ours, theirs = os.openpty()
    env = {**os.environ, "COLUMNS": "80", "LINES": "20", "NO_COLOR": no_color}
    subprocess.run([*PLOT, samples, samples, "--terminal"], stdout=theirs, env=env, timeout=60, check=True)
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(ours, 65_536):
            drawn += more
    os.close(ours)
    assert (b"\x1b[" in drawn) == (not no_color)


def test_a_backend_that_is_none_is_no_matter(samples: Path, tmp_path: Path) -> None:
    done = plot(samples, "--out", tmp_path / "graph.png", MPLBACKEND="nonsense")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_day_is_drawn_in_hours_and_a_clock_that_was_set_back_stands_still() -> None:
    from zflood import plot as drawing

    day = [ROW._replace(unix_s=3600 * hour) for hour in range(25)]
    (line,) = drawing.draw([drawing.Run("day", day)], "").axes[0].get_lines()
    assert np.asarray(line.get_xdata()).tolist() == list(range(25))
    back = [ROW._replace(unix_s=unix_s) for unix_s in (1000, 1060, 400, 460)]
    assert drawing.Run("back", back).minutes() == [0, 1, 1, 2]
