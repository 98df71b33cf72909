"""CUB: builds `cub.cu` with nvcc and runs it. The header of that file says what its rows are."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import common

PEER = "cub"
INSTALL = "the CUDA toolkit (nvcc on PATH, or NVCC=FILE), on a machine with CUDA"


def compiler():
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")] + ["/usr/local/cuda"]
    there = [os.environ.get("NVCC"), shutil.which("nvcc")] + [shutil.which("nvcc", path=f"{home}/bin") for home in homes if home]
    return next(filter(None, there), None)


def main():
    options = common.arguments(__doc__).parse_args()
    nvcc = compiler() or common.missing(PEER, "no nvcc", INSTALL)
    source = pathlib.Path(__file__).with_name("cub.cu")
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "cub")
        flags = os.environ.get("NVCCFLAGS", "-arch=native").split()
        built = subprocess.run([nvcc, "-O3", "-std=c++17", *flags, source, "-o", program], capture_output=True, text=True)
        if built.returncode:
            sys.stderr.write(built.stdout + built.stderr)
            errors = [line for line in (built.stdout + built.stderr).splitlines() if "error" in line]
            common.missing(PEER, f"nvcc: {errors[0] if errors else 'failed'}", INSTALL)
        shapes = ["x".join(map(str, shape)) for shape in common.chosen_shapes(options, cuda=True)]
        status = subprocess.run([program, *shapes]).returncode
    if status == 3:
        common.missing(PEER, "no CUDA device", INSTALL)
    sys.exit(status)


if __name__ == "__main__":
    main()
