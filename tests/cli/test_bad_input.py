"""Bad input of every kind: exit status 2 and one line that names what is wrong; never a traceback, never a silent guess."""

from __future__ import annotations

import subprocess
import sys

import pytest

FILES = "--prototxt net.prototxt --weights net.caffemodel"
FORWARD = f"forward {FILES} --input x.npy --out y.npz"
ATTEND = f"attend photo.png {FILES} --out map.npz"
CLASSIFY = f"classify photo.png {FILES}"

CASES = {
    # the command line itself
    "no command": ("", "command: found none"),
    "unknown command": ("inspekt net.prototxt", "nearest known name is 'inspect'"),
    "unknown flag": ("inspect net.prototxt --phases TEST", "nearest known name is '--phase'"),
    "abbreviated flag": ("inspect net.prototxt --upgr x.prototxt", "nearest known name is '--upgrade'"),
    "one argument too many": ("methods all", "'all'"),
    "flag without its value": ("inspect net.prototxt --phase", "--phase"),
    "missing argument": ("inspect", "PROTOTXT"),
    "missing flag": (f"forward {FILES} --input x.npy", "--out"),
    "missing target": (f"attend photo.png {FILES} --out map.npz", "--target"),
    # definitions
    "missing file": ("inspect nowhere.prototxt", "nowhere.prototxt: No such file"),
    "folder as file": ("inspect .", "."),
    "empty file": ("inspect empty", "empty: is empty"),
    "picture as definition": ("inspect photo.png", "photo.png: is a PNG image"),
    "weights in HDF5 as definition": ("inspect net.caffemodel.h5", "is an HDF5 file"),
    "solver as definition": ("inspect solver.prototxt", "solver.prototxt"),
    "no layers": ("inspect no_layers.prototxt", "no_layers.prototxt"),
    "unclosed message": ("inspect unclosed.prototxt", "unclosed.prototxt:3"),
    "unknown layer type": ("inspect unknown_type.prototxt", "nearest known name is 'Pooling'"),
    "unknown field": ("inspect unknown_field.prototxt", "nearest known name is 'kernel_size'"),
    "unknown value": ("inspect unknown_value.prototxt", "nearest known name is 'MAX'"),
    "cycle": ("inspect cycle.prototxt", "later layer 'b'"),
    "missing bottom": ("inspect no_bottom.prototxt", "nearest known name is 'data'"),
    "duplicate top": ("inspect top_twice.prototxt", "layer 'a' makes already"),
    "layer name twice": ("inspect name_twice.prototxt", "layer 'a': found the name twice"),
    "no outputs": ("inspect zero_outputs.prototxt", "num_output"),
    "kernel beyond the image": ("inspect too_large.prototxt", "layer 'c'"),
    "unknown phase": ("inspect net.prototxt --phase TESTING", "nearest known name is 'TEST'"),
    "level that is no number": ("inspect net.prototxt --level high", "--level"),
    "shape that is no shape": ("inspect net.prototxt --shape data=1,a,2", "--shape"),
    "shape of zero": ("inspect net.prototxt --shape data=1,3,0,8", "--shape"),
    "shape without a name": ("inspect net.prototxt --shape 1,3,8,8", "--shape"),
    "shape of an unknown input": ("inspect net.prototxt --shape dada=1,3,8,8", "nearest known name is 'data'"),
    "shape with too few axes": ("inspect net.prototxt --shape data=5", "layer 'conv1'"),
    "upgrade to an unknown kind": ("inspect net.prototxt --upgrade net.yaml", "net.yaml"),
    "upgrade to weights without any": ("inspect net.prototxt --upgrade new.caffemodel", "no weights"),
    "upgrade into a missing folder": ("inspect net.prototxt --upgrade no/new.prototxt", "no folder no"),
    # weights
    "missing weights file": ("inspect net.prototxt nowhere.caffemodel", "nowhere.caffemodel: No such file"),
    "definition as weights": ("inspect net.prototxt net.prototxt", "net.prototxt: is a text"),
    "picture as weights": ("inspect net.prototxt photo.png", "photo.png: is a PNG image"),
    "empty weights": ("inspect net.prototxt empty", "empty: is empty"),
    "truncated weights": ("inspect net.prototxt truncated.caffemodel", "truncated"),
    "weights that claim too much": ("inspect net.prototxt gigantic.caffemodel", "gigantic.caffemodel"),
    "weights of another shape": (
        "inspect wider.prototxt net.caffemodel",
        "layer 'fc' blob 0 is 5 x 288, expected 6 x 288",
    ),
    "weights missing": ("inspect renamed.prototxt net.caffemodel", "layer 'fc8' has no weights"),
    "weights left over": ("inspect shorter.prototxt net.caffemodel", "layer 'fc' of the file is not in the net"),
    "no weights given": ("forward --prototxt net.prototxt --input x.npy --out y.npz", "--weights"),
    "no definition given": ("forward --weights net.caffemodel --input x.npy --out y.npz", "--prototxt"),
    # forward
    "unknown blob": (f"{FORWARD} --blobs data,conf1", "nearest known name is 'conv1'"),
    "unknown dtype": (f"{FORWARD} --dtype float16", "dtype: found 'float16'"),
    "unknown device": (f"{FORWARD} --device tpu", "device: found 'tpu'"),
    "device that is not there": (f"{FORWARD} --device cuda:99", "device: found 'cuda:99'"),
    "missing input": (f"forward {FILES} --input no.npy --out y.npz", "no.npy: No such file"),
    "text as input": (f"forward {FILES} --input labels.txt --out y.npz", "labels.txt: is text"),
    "input of wrong rank": (f"forward {FILES} --input flat.npy --out y.npz", "(N, 3, H, W)"),
    "input of wrong channels": (f"forward {FILES} --input grey.npy --out y.npz", "(N, 3, H, W)"),
    "input of another size": (
        f"forward {FILES} --input small.npy --out y.npz",
        "input of the size that the net was made for",
    ),
    "input of words": (f"forward {FILES} --input words.npy --out y.npz", "words.npy: found <U1"),
    "complex input": (f"forward {FILES} --input complex.npy --out y.npz", "complex64"),
    "pickled input": (f"forward {FILES} --input objects.npy --out y.npz", "objects.npy"),
    "input that is not finite": (f"forward {FILES} --input nan.npy --out y.npz", "not finite"),
    "input that claims too much": (f"forward {FILES} --input gigantic.npy --out y.npz", "gigantic.npy"),
    "input archive that claims too much": (f"forward {FILES} --input gigantic.npz --out y.npz", "claims shape"),
    "archive without the input": (f"forward {FILES} --input other.npz --out y.npz", "nearest known name is 'data'"),
    "one array for two inputs": (
        "forward --prototxt two_inputs.prototxt --weights net.caffemodel --input x.npy --out y.npz",
        "['data', 'more']",
    ),
    "archive that lacks an input": (
        "forward --prototxt two_inputs.prototxt --weights net.caffemodel --input x.npz --out y.npz",
        "'more' as well",
    ),
    "results into a missing folder": (f"forward {FILES} --input x.npy --out no/y.npz", "no folder no"),
    "results over a folder": (f"forward {FILES} --input x.npy --out .", "is a folder"),
    "results below a file": (f"forward {FILES} --input x.npy --out empty/y.npz", "no folder empty"),
    # crosscheck and export
    "input for a cross-check of wrong rank": ("crosscheck --prototxt net.prototxt --input flat.npy", "(N, 3, H, W)"),
    "negative tolerance": ("crosscheck --prototxt net.prototxt --tolerance=-1", "--tolerance"),
    "seed that is no number": ("crosscheck --prototxt net.prototxt --seed lucky", "--seed"),
    "cross-check without a shape": ("crosscheck --prototxt no_shape.prototxt", "--shape data=N,C,H,W"),
    "export into a missing folder": (f"export-onnx {FILES} --out no/m.onnx", "no folder no"),
    "export without weights": ("export-onnx --prototxt net.prototxt --out m.onnx", "--weights"),
    # pictures and preprocessing
    "no picture": (f"classify {FILES}", "IMAGE"),
    "missing picture": (f"classify no.jpg {FILES}", "no.jpg: No such file"),
    "text as picture": (f"classify labels.txt {FILES}", "labels.txt: is no picture"),
    "empty picture": (f"classify empty {FILES}", "empty: is empty"),
    "folder as picture": (f"classify . {FILES}", "Is a directory"),
    "broken picture": (f"classify broken.png {FILES}", "broken.png: is a damaged picture"),
    "decompression bomb": (f"classify bomb.png {FILES}", "bomb.png: claims"),
    "picture of floating-point numbers": (f"classify float.tiff {FILES}", "floating-point"),
    "one bad picture among good ones": (f"classify photo.png no.jpg {FILES}", "no.jpg"),
    "mean that is no number": (f"{CLASSIFY} --mean blue", "mean: found 'blue'"),
    "mean of two channels": (f"{CLASSIFY} --mean 104,117", "mean: found 2 channels, expected 3"),
    "mean file of five channels": (f"{CLASSIFY} --mean mean5.npy", "mean: found 5 channels, expected 3"),
    "mean that is not finite": (f"{CLASSIFY} --mean nan", "finite"),
    "picture as mean": (f"{CLASSIFY} --mean photo.png", "photo.png: is a PNG image"),
    "scale that is not finite": (f"{CLASSIFY} --scale inf", "--scale"),
    "unknown channel order": (f"{CLASSIFY} --channel-order BRG", "expected one of ['BGR', 'RGB']"),
    "unknown resize": (f"{CLASSIFY} --resize shortest", "nearest known name is 'shorter'"),
    "resize below the input": (f"{CLASSIFY} --resize shorter:4", "shorter side of 4"),
    "resize to no number": (f"{CLASSIFY} --resize shorter:x", "shorter:SIDE"),
    "top 0": (f"{CLASSIFY} --top 0", "--top"),
    "batch of none": (f"{CLASSIFY} --batch-size 0", "--batch-size"),
    "net for five channels": (
        "classify photo.png --prototxt five_channels.prototxt --weights net.caffemodel --partial",
        "blob 0",
    ),
    "net without an input shape": (
        "classify photo.png --prototxt no_shape.prototxt --weights net.caffemodel",
        "--shape data=N,C,H,W",
    ),
    # models and labels
    "no model": ("classify photo.png", "--model"),
    "unknown model": ("classify photo.png --model scenes-vg", "nearest known name is 'scenes-vgg'"),
    "two models": (f"{CLASSIFY} --model scenes-vgg", "one of the two ways"),
    "missing labels": (f"{CLASSIFY} --labels no.txt", "no.txt: No such file"),
    "too few labels": (f"{CLASSIFY} --labels three.txt", "found 3 names, expected 5"),
    "empty labels": (f"{CLASSIFY} --labels empty", "found no names"),
    "labels of another encoding": (f"{CLASSIFY} --labels latin1.txt", "not UTF-8"),
    # targets, methods, blobs
    "target out of range": (f"{ATTEND} --target 5", "found class 5, expected 0 to 4"),
    "negative target": (f"{ATTEND} --target=-1", "found class -1"),
    "enormous target": (f"{ATTEND} --target 99999999999999999999999", "99999999999999999999999"),
    "name without labels": (f"{ATTEND} --target tench", "--labels"),
    "unknown name": (f"{ATTEND} --labels labels.txt --target tensh", "nearest known name is 'tench'"),
    "unknown wnid": (f"{ATTEND} --labels labels.txt --target n00000009", "n00000009"),
    "ambiguous name": (f"{ATTEND} --labels labels.txt --target crane,lifting", "lifting"),
    "empty target": (f"{ATTEND} --target 1,", "empty name"),
    "unknown method": (f"{ATTEND} --target 1 --method c-mvp", "nearest known name is 'c-mwp'"),
    "unknown option": (f"{ATTEND} --target 1 -o reduse=sum", "nearest known name is 'reduce'"),
    "unknown value of an option": (f"{ATTEND} --target 1 -o reduce=mean", "option reduce: found 'mean'"),
    "option without a value": (f"{ATTEND} --target 1 -o reduce", "-o"),
    "unknown blob for the map": (f"{ATTEND} --target 1 --at pool2", "nearest known name is 'pool1'"),
    "map above the classifier": (f"{ATTEND} --target 1 --method c-mwp --at fc", "'fc'"),
    "map where there is no plane": (f"{ATTEND} --target 1 --method gradient --at prob", "'prob'"),
    "unknown interpolation": (f"{ATTEND} --target 1 --interpolation cubic", "nearest known name is 'bicubic'"),
    "no place for the maps": (f"attend photo.png {FILES} --target 1", "--overlay"),
    "overlay of another kind": (f"{ATTEND} --target 1 --overlay o.jpg", "ends in .png"),
    "overlay into a missing folder": (f"{ATTEND} --target 1 --overlay no/o.png", "no folder no"),
    # demo
    "demo below a file": ("demo --out empty/demo", "empty/demo"),
}


@pytest.mark.parametrize(("line", "names"), CASES.values(), ids=CASES)
def test_bad_input_is_told_in_one_line(run, line, names):
    told = run(line)
    assert told.status == 2
    assert told.out == ""
    assert told.err.startswith("thinktwice: error: ")
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    assert names in told.err


def test_an_ambiguous_name_lists_its_classes(run):
    told = run(f"{ATTEND} --labels labels.txt --target crane")
    assert told.status == 2
    assert "2 n00000003 crane; 3 n00000004 crane, lifting device" in told.err


def test_a_process_ends_the_same_way(folder):
    line = [sys.executable, "-m", "thinktwice", "inspect", "nowhere.prototxt"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "thinktwice: error: nowhere.prototxt: No such file or directory\n"


def test_control_characters_do_not_reach_the_terminal(run):
    told = run(["inspect", "a\x1b[31mb"])
    assert told.status == 2
    assert "\x1b" not in told.err
    assert "a\\x1b[31mb" in told.err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [(MemoryError("12 GiB"), 2, "not enough memory: 12 GiB"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_what_cuts_a_command_short_is_told_in_one_line(run, monkeypatch, error, status, line):
    def stop(*_):
        raise error

    monkeypatch.setattr("thinktwice.cli.commands.inspect.read_view", stop)
    told = run("inspect net.prototxt")
    assert (told.status, told.out, told.err) == (status, "", f"thinktwice: error: {line}\n")


def test_a_closed_pipe_is_quiet(folder):
    code = "from thinktwice.cli.main import main; import sys; sys.exit(main(['methods', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_nothing_is_left_behind_by_a_refused_command(run, folder):
    before = sorted(folder.iterdir())
    run(f"{ATTEND} --target 5")
    run(f"{FORWARD} --blobs conf1")
    assert sorted(folder.iterdir()) == before
