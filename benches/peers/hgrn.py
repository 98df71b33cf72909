"""flash-linear-attention: `fla.ops.hgrn.chunk_hgrn`, on CUDA. On an H200 its states are wrong: see `README.md`.

Its recurrence is h_t = exp(g_t)·h_{t−1} + x_t: a step that holds has g = 0 and x = 0, one that sets g = −∞ and x = ±α. Both are
exact, exp(−∞) is 0 and sums of such g stay what they are, so the states must be the loop's bit for bit.

- `fla hgrn`: from candidate and threshold; the gate is made by PyTorch operations before the kernel.
- `fla hgrn, scan alone`: g and x are given. This favours it: the library makes the gate itself.
- `fla hgrn, soft gates`: the recurrence that it is made for, with gates between 0 and 1, against a loop in double precision. Another
  unit, but as many bytes and steps: two tensors read and one written.

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


def soft_gates(case, device):
    random = torch.Generator(device).manual_seed(common.SEED)
    x, g = (torch.randn(case.shape, generator=random, device=device) for _ in range(2))
    return x, torch.nn.functional.logsigmoid(g + 2)


def soft_forward(gates, wait):
    def wrong(h):
        x, g = (tensor.double() for tensor in gates)
        state, terms = (torch.zeros_like(x[:, 0]) for _ in range(2))
        for t in range(x.shape[1]):
            decay = g[:, t].exp()
            state, terms = decay * state + x[:, t], decay * terms + x[:, t].abs()
            # Chosen, not derived, as for gradients.
            if not ((h[:, t] - state).abs() <= 10 * common.TOLERANCE * terms).all():
                return f"wrong: states of step {t} off, by up to {(h[:, t] - state).abs().max().item():.1e}"
        return None

    return torch.no_grad()(lambda: chunk_hgrn(*gates)[0]), wait, wrong


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
        bench.row(PEER + ", soft gates", "forward", case, lambda: soft_forward(soft_gates(case, device), wait))


if __name__ == "__main__":
    main()
