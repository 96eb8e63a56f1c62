"""The repository root *is* the package ``thinktwice``: its folders import as ``thinktwice.layers``, ``thinktwice.executor`` ..."""

import runpy
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOMS = (
    "caffe_models",
    "layers",
    "cpu",
    "executor",
    "attention",
    "solver",
    "repro",
    "cli",
)  # and cuda, which is no regular package
ROOMS_AND_BELOW = [*ROOMS, *(f"{room}.*" for room in ROOMS)]

CPU = ["onnx>=1.17", "onnxruntime>=1.21"]
GPU = ["cupy-cuda13x[ctk]>=14; platform_machine == 'x86_64'", "onnx>=1.17", "onnxruntime-gpu>=1.21"]
SEGMENT = ["opencv-python-headless>=4.8", "scikit-image>=0.22"]
TRAIN = ["lmdb>=1.4", "matplotlib>=3.8", "threadpoolctl>=3.5"]
ON_LINUX = "platform_machine == 'x86_64' and sys_platform == 'linux'"
# The oldest with which tests/cuda/test_cudnn_offers.py passed; there is no older cuDNN for CUDA 13.
CUDNN = [f"nvidia-cudnn-frontend>=1.14; {ON_LINUX}", f"nvidia-cudnn-cu13>=9.12; {ON_LINUX}"]
NVRTC = [f"nvidia-cuda-nvrtc>=13; {ON_LINUX}", f"cuda-bindings>=13; {ON_LINUX}"]  # compiles for a GPU without one
TEST = [
    "pytest>=8",
    "pytest-xdist>=3.6",
    "hypothesis>=6",
    "ruff==0.17.*",
    "mypy==2.4.*",
    "types-protobuf",
    *NVRTC,
    *SEGMENT,
    *TRAIN,
]

TEXT = runpy.run_path("cuda/text.py")


def extension(folder: str, name: str, *flags: str) -> Extension:
    """What a folder's C++ text makes. Optional: without a C++ compiler the layers run on NumPy. Which processor it runs on is
    decided when it is loaded. Never fast math."""
    text = [f"{folder}/{path.name}" for path in TEXT["files"](Path(folder))]
    return Extension(
        f"thinktwice.{folder}.{name}",
        sources=[path for path in text if path.endswith(".cpp")],
        depends=text,
        define_macros=[("TEXT_DIGEST", f'"{TEXT["digest"](Path(folder))}"')],
        extra_compile_args=[
            *(
                "-std=c++17",
                "-O3",
                "-fopenmp",
                "-fno-fast-math",
                "-fno-trapping-math",
                "-fno-math-errno",
                "-fvisibility=hidden",
            ),
            *("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-psabi", *flags),
        ],
        extra_link_args=["-fopenmp"],
        optional=True,
    )


KERNELS = extension("cuda", "_host", "-ffp-contract=off")  # results are NumPy's: no fused multiply-adds
ENGINE = extension("cpu", "_engine", "-ffp-contract=fast")

setup(
    name="thinktwice",
    version="0.1.0",
    description="Reference implementation of top-down attention in convolutional networks, on original Caffe files",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-2-Clause",
    python_requires=">=3.11",
    package_dir={"thinktwice": "."},
    packages=[
        "thinktwice",
        "thinktwice.cuda",
        *(f"thinktwice.{room}" for room in find_packages(include=ROOMS_AND_BELOW)),
    ],
    package_data={
        "thinktwice.caffe_models": ["*.proto", "embedded/*", "embedded/*/*"],
        "thinktwice.cuda": ["*.cu", "*.h", "*.cpp"],
        "thinktwice.cpu": ["*.h", "*.cpp"],
    },
    ext_modules=[KERNELS, ENGINE],
    py_modules=[],
    install_requires=["numpy>=1.26", "scipy>=1.11", "protobuf>=5", "h5py>=3.10", "pillow>=10", "rich>=13"],
    extras_require={
        "cpu": CPU,
        "gpu": GPU,
        "cudnn": CUDNN,
        "segment": SEGMENT,
        "train": TRAIN,
        "test": TEST,
        "all": [*CPU, *SEGMENT, *TRAIN, *TEST],
    },
    entry_points={"console_scripts": ["thinktwice = thinktwice.__main__:main"]},
)
