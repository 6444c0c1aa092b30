"""The wheel as a newcomer has it: in an environment of its own that has nothing else.

`WGPO_WHEEL` names it (tests/run.sh makes one); without it there is nothing to test here. pip fetches the three packages that wgpo needs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WHEEL = os.environ.get("WGPO_WHEEL")


def run(*words: str | Path, cwd: Path) -> str:
    """What a command prints; it has no way to any other wgpo."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([*words], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not WHEEL, reason="WGPO_WHEEL names no wheel (tests/run.sh makes one)")
def test_the_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    wheel = Path(WHEEL or "").resolve()
    # One for every Python from 3.10 on.
    assert re.fullmatch(r"wgpo-[\d.]+-cp310-abi3-[\w.]+\.whl", wheel.name)
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pins = ROOT / "tests" / "requirements.txt"
    run(programs / "python", "-m", "pip", "install", "--quiet", "--constraint", pins, wheel, cwd=tmp_path)
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert block.count("100_000") == 1
    said = run(programs / "python", "-c", block.replace("100_000", "4_000"), cwd=tmp_path)
    assert re.match(r"wgpo: .+\(.+\)", said), said  # where it computes, and why there
    assert (tmp_path / "cartpole.safetensors").stat().st_size > 10_000
    assert len((tmp_path / "runs/cartpole/metrics.csv").read_text().splitlines()) > 1
    # The console script is the whole program; what it reads is what Python wrote.
    assert "Usage: wgpo" in run(programs / "wgpo", "--help", cwd=tmp_path)
    assert "wgpo 0." in run(programs / "wgpo", "--version", cwd=tmp_path)
    where = run(programs / "python", "-c", "import wgpo; print(wgpo.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where
    assert "torch" not in run(programs / "python", "-m", "pip", "list", cwd=tmp_path)
