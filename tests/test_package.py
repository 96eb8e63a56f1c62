"""The package itself: the repository's root is ``thinktwice``, light to import, and in nobody's way."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import thinktwice as tt

ROOT = Path(tt.__file__).resolve().parent
ROOMS = ("caffe_models", "layers", "cpu", "executor", "attention", "solver", "repro", "cli", "tests")


def run(code: str, where: Path = ROOT) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=where, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules(code: str, where: Path = ROOT) -> set[str]:
    """What is imported after ``code`` has run."""
    return set(json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))", where)))


def test_importing_it_costs_nothing(tmp_path: Path) -> None:
    for where in (ROOT, tmp_path):
        new = modules("import thinktwice", where) - modules("", where)
        assert {name for name in new if name.startswith("thinktwice")} == {"thinktwice"}
        assert new.isdisjoint({"numpy", "scipy", "google.protobuf", "h5py", "PIL", "rich"})


def test_using_it_imports_no_accelerator_and_no_cross_checker(tmp_path: Path) -> None:
    loaded = modules("import thinktwice as tt; tt.load, tt.attend, tt.METHODS, tt.Net, tt.Trace, tt.Walk", tmp_path)
    assert {"thinktwice.attention.excitation", "thinktwice.executor.net", "numpy"} <= loaded
    assert loaded.isdisjoint({"cupy", "torch", "onnx", "onnxruntime", "matplotlib", "ray"})


def test_public_names() -> None:
    assert set(dir(tt)) == set(tt.__all__)
    for name in tt.__all__:
        assert getattr(tt, name) is not None
    with pytest.raises(AttributeError, match="module 'thinktwice' has no attribute 'lod'"):
        tt.lod  # noqa: B018


def test_the_root_has_no_relative_import() -> None:
    """pytest imports it once more under the checkout's own name, where a relative import finds no package."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level] == []


def test_rooms_are_packages_and_cuda_is_none() -> None:
    """A ``cuda/__init__.py`` at the root would shadow NVIDIA's namespace ``cuda``, and ``import cupy`` would die."""
    for room in ROOMS:
        assert (ROOT / room / "__init__.py").is_file(), room
        for folder in {path.parent for path in (ROOT / room).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder
    assert not (ROOT / "cuda" / "__init__.py").exists()
    taken = {"pathfinder", "bindings", "core"}
    assert {path.stem for path in (ROOT / "cuda").glob("*.py")}.isdisjoint(taken)


def test_every_room_is_installed() -> None:
    """Also rooms within rooms: what ``packages`` forgets is missing from a wheel, though an editable install has it."""
    code = "import setuptools, runpy, json; setuptools.setup = lambda **k: print(json.dumps(k['packages'])); "
    packages = json.loads(run(f"{code}runpy.run_path('setup.py')"))
    folders = {path.parent for room in ROOMS if room != "tests" for path in (ROOT / room).rglob("__init__.py")}
    inner = {f"thinktwice.{'.'.join(folder.relative_to(ROOT).parts)}" for folder in folders}
    assert sorted(packages) == sorted({"thinktwice", "thinktwice.cuda", *inner})


def test_another_part_of_the_namespace_cuda_is_found_from_the_root(tmp_path: Path) -> None:
    """What CuPy asks for, without CuPy: another part of ``cuda``, as ``cuda.pathfinder`` is, installed elsewhere."""
    (tmp_path / "cuda" / "elsewhere").mkdir(parents=True)
    (tmp_path / "cuda" / "elsewhere" / "__init__.py").write_text("found = True\n")
    assert (
        run(f"import sys; sys.path.append({str(tmp_path)!r}); import cuda.elsewhere as p; print(p.found)") == "True\n"
    )


def test_cupy_can_be_imported_from_the_root() -> None:
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("no CuPy installed (extra `gpu`)")
    assert run("import cupy; print(cupy.__version__)").strip()


RIGHT_OF = {
    "cli": {"cli", "repro", "solver", "attention", "executor", "caffe_models", "layers", "cuda", "cpu"},
    "repro": {"repro", "solver", "attention", "executor", "caffe_models", "layers", "cuda", "cpu"},
    "solver": {"solver", "executor", "caffe_models", "layers", "cuda"},
    "attention": {"attention", "executor", "layers", "cuda"},
    "executor": {"executor", "caffe_models", "layers", "cpu", "cuda"},
    "layers": {"layers", "cpu", "cuda"},
    "cpu": {"cpu", "cuda"},
}


@pytest.mark.parametrize("room", RIGHT_OF)
def test_who_may_import_whom(room: str) -> None:
    """cli -> repro -> attention or solver -> executor -> layers -> cpu -> cuda, and executor -> caffe_models."""
    for path in (ROOT / room).rglob("*.py"):
        depth = len(path.relative_to(ROOT).parts) - 1
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.level <= depth:
                continue  # another library, or a neighbour
            assert node.level == depth + 1, f"{path}:{node.lineno} leaves the package"
            names = [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
            for name in names:
                assert name in RIGHT_OF[room] | {"errors"}, f"{path}:{node.lineno} imports {name}"
