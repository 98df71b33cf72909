"""flash-linear-attention: `fla.ops.hgrn.chunk_hgrn`, on CUDA. On an H200 its states are wrong: see `README.md`.

Its recurrence is h_t = exp(g_t)·h_{t−1} + x_t: a step that holds has g = 0 and x = 0, one that sets g = −∞ and x = ±α. Both are
exact, exp(−∞) is 0 and sums of such g stay what they are, so the states must be the loop's bit for bit.

- `fla hgrn`: from candidate and threshold; the gate is made by PyTorch operations before the kernel.
- `fla hgrn, scan alone`: g and x are given. This favours it: the library makes the gate itself.

Backward is of the scan alone, dx and dg from dh. It is not the unit's gradient: that of the log gate is exp(g)·h·dx, which is 0
at every step that sets, where the threshold's gradient needs it. dx is what reaches a state, and is checked.

Tensors are [B,T,D], as the library's. The first call of a width tunes itself; it is not timed.
"""

import common

PEER = "fla hgrn"
INSTALL = "pip install -r benches/peers/requirements-cuda.txt, on a machine with CUDA"
[torch] = common.need(PEER, INSTALL, "torch")
if not torch.cuda.is_available():
    common.missing(PEER, "no CUDA device", INSTALL)
fla, hgrn = common.need(PEER, INSTALL, "fla", "fla.ops.hgrn")
import pytorch

chunk_hgrn = hgrn.chunk_hgrn


def log_gates(c, r, alpha):
    z = c.abs() > r.abs()
    return torch.where(z, alpha * pytorch.sign(c), 0.0), torch.where(z, float("-inf"), 0.0)


def whole(c, r, alpha):
    return chunk_hgrn(*log_gates(c, r, alpha))[0]


def forward(call, case, wait):
    return torch.no_grad()(call), wait, lambda h: case.wrong_states(pytorch.host(h))


def backward(gates, case, wait):
    x, g = (tensor.detach().clone().requires_grad_() for tensor in gates)
    h, dh = chunk_hgrn(x, g)[0], torch.from_numpy(case.dh).to(x.device)

    def wrong(gradients):
        return case.wrong_gradients({"g": pytorch.host(gradients[0])})

    return lambda: torch.autograd.grad(h, (x, g), dh, retain_graph=True), wait, wrong


def main():
    options = common.arguments(__doc__.splitlines()[0]).parse_args()
    device, name, synchronize = pytorch.place()
    version = f"{getattr(fla, '__version__', 'unknown')}, torch {torch.__version__}"
    bench, wait = common.Bench(version, name, options), pytorch.waiter(synchronize)
    for shape in common.chosen_shapes(options, device.type == "cuda"):
        case = common.Case(shape)
        inputs = [torch.from_numpy(tensor).to(device) for tensor in (case.c, case.r, case.alpha)]
        gates = log_gates(*inputs)
        bench.row(PEER, "forward", case, lambda: forward(lambda: whole(*inputs), case, wait))
        alone = PEER + ", scan alone"
        bench.row(alone, "forward", case, lambda: forward(lambda: chunk_hgrn(*gates)[0], case, wait))
        bench.row(alone, "backward", case, lambda: backward(gates, case, wait))


if __name__ == "__main__":
    main()
