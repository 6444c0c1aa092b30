"""The package as a whole: types, examples, imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import wgpo

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path) -> None:
    source = path.read_text()
    for module in re.findall(r"^# needs: (.*)$", source, re.MULTILINE):
        for name in module.split():
            pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_readme_code_runs(tmp_path: Path) -> None:
    """The first block of Python in the README, with fewer steps."""
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", block.replace("100_000", "4_000")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "cartpole.safetensors").exists()


def test_types() -> None:
    pytest.importorskip("mypy")
    # The source, as installed files lie among other packages, which mypy would take for the project's.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(ROOT / "python" / "wgpo")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (Path(wgpo.__file__).parent / "py.typed").exists()


def test_import_needs_no_torch() -> None:
    code = "import sys, wgpo; print([name for name in ('torch', 'stable_baselines3', 'matplotlib', 'onnx', 'tqdm', 'tensorboardX') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_public_name_is_explained() -> None:
    for name in wgpo.__all__:
        assert (getattr(wgpo, name).__doc__ or "").strip() or name == "Callback", name
