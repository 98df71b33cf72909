"""accelerated-scan: its C++ kernel (`warp`) and its Triton one (`scalar`), on CUDA. Not yet run on a machine of ours.

Both compute x_t = gate_t·x_{t−1} + token_t: a step that holds has gate 1 and token 0, one that sets gate 0 and token ±α, so the
states must be the loop's bit for bit.

- `accelerated-scan warp`, `accelerated-scan scalar`: from candidate and threshold; the gate is made by PyTorch operations before
  the kernel, and autograd goes back through both, with surrogates.
- `… scan alone`: gate and token are given, and backward stops at their gradients. This favours it: the library makes the gate
  itself. The gradient of the token is what reaches a state, and is checked.

Tensors are [B,D,T], time contiguous, as these kernels want them; a transpose from [B,T,D] is not counted, which favours them too.
`warp` takes T that are powers of two from 32 to 65536. It is compiled when first imported, by nvcc.
"""

import importlib

import common
from common import np

PEER = "accelerated-scan"
INSTALL = "pip install -r benches/peers/requirements-cuda.txt, on a machine with CUDA; `warp` needs nvcc and ninja, too"
[torch] = common.need(PEER, INSTALL, "torch")
if not torch.cuda.is_available():
    common.missing(PEER, "no CUDA device", INSTALL)
[accelerated_scan] = common.need(PEER, INSTALL, "accelerated_scan")
import pytorch


def time_last(tensor):
    """[B,T,D] from the host, as [B,D,T] on the device."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(tensor, 1, 2)))


def host(tensor):
    return np.moveaxis(pytorch.host(tensor), 2, 1)


def whole(scan):
    def call(c, r, alpha):
        gates, tokens = pytorch.gates(c, r, alpha[:, None])
        return scan(gates, tokens)

    return call


def forward(scan, case, inputs, wait):
    return torch.no_grad()(lambda: scan(*inputs)), wait, lambda h: case.wrong_states(host(h))


def backward(scan, names, case, inputs, wait):
    inputs = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    h, dh = scan(*inputs), time_last(case.dh).to(inputs[0].device)

    def wrong(gradients):
        got = {name: pytorch.host(tensor) if name == "alpha" else host(tensor) for name, tensor in zip(names, gradients) if name}
        return case.wrong_gradients(got)

    return lambda: torch.autograd.grad(h, inputs, dh, retain_graph=True), wait, wrong


def rows(kernel, scan, bench, case, device, wait):
    peer, (_, steps, _) = f"{PEER} {kernel}", case.shape
    skipped = None
    if kernel == "warp" and not (32 <= steps <= 65536 and steps & (steps - 1) == 0):
        skipped = f"T = {steps} is not a power of two from 32 to 65536"
    inputs = [time_last(tensor).to(device) for tensor in (case.c, case.r)] + [torch.from_numpy(case.alpha).to(device)]
    with torch.no_grad():
        gates = pytorch.gates(inputs[0], inputs[1], inputs[2][:, None])
    for name, call, tensors, gradients in (
        (peer, whole(scan), inputs, ("c", "r", "alpha")),
        (peer + ", scan alone", scan, gates, (None, "g")),
    ):
        bench.row(name, "forward", case, lambda: forward(call, case, tensors, wait), skipped)
        bench.row(name, "backward", case, lambda: backward(call, gradients, case, tensors, wait), skipped)


def main():
    options = common.arguments(__doc__.splitlines()[0]).parse_args()
    device, name, synchronize = pytorch.place()
    version = f"{accelerated_scan.__version__}, torch {torch.__version__}"
    bench, wait = common.Bench(version, name, options), pytorch.waiter(synchronize)
    kernels = {}
    for kernel in ("warp", "scalar"):
        try:
            kernels[kernel] = importlib.import_module(f"accelerated_scan.{kernel}").scan
        except Exception as error:  # no compiler, no Triton
            common.say(peer=f"{PEER} {kernel}", missing=f"{type(error).__name__}: {error}".splitlines()[0][:200], install=INSTALL)
    for shape in common.chosen_shapes(options, device.type == "cuda"):
        case = common.Case(shape)
        for kernel, scan in kernels.items():
            rows(kernel, scan, bench, case, device, wait)


if __name__ == "__main__":
    main()
