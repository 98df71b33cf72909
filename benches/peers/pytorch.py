"""PyTorch: the eager loop, and `cummax` with `gather`; forward and backward, on CUDA where there is a device.

- `torch loop`: h = keep_t·h + v_t, one operation a step. Autograd goes back through it, with surrogates for gate and sign.
- `torch cummax+gather`: the index of the last step that set, by `cummax`, then its state, by `gather`. Autograd of `gather` sums
  a stretch into the step that set it; the threshold's gradient needs the sum from every step, so the gradient is written by hand:
  a running sum from the end, less that behind the stretch. In float64, because such a difference forgets its small digits.

Inputs and outputs are [B,T,D], as the library's. The gate is inside, forward runs without autograd's records, and backward reads
what a forward run left.
"""

import common

[torch] = common.need("torch", "pip install -r benches/peers/requirements-cpu.txt (or -cuda.txt)", "torch")

# A hundred thousand operations and their records are seconds; four million are not worth a wait.
LONGEST_LOOP = 65536


class Step(torch.autograd.Function):
    """1 where the unit sets. Its derivative is the surrogate."""

    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * common.arctan(ctx.saved_tensors[0])


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, c):
        ctx.save_for_backward(c)
        return sign(c)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (2 * common.arctan(ctx.saved_tensors[0]))


def sign(c):
    return torch.where(c > 0, 1.0, -1.0)


def gates(c, r, alpha):
    """`(keep, to)` of the affine step h = keep·h + to, with surrogates."""
    z = Step.apply(c.abs() - r.abs())
    return 1 - z, z * (alpha * Sign.apply(c))


def loop(c, r, alpha):
    keep, to = gates(c, r, alpha)
    h, states = torch.zeros_like(c[:, 0]), []
    # unbind, because the gradient of an index is a tensor of the whole length, for every step.
    for keep, to in zip(keep.unbind(1), to.unbind(1)):
        h = torch.addcmul(to, keep, h)
        states.append(h)
    return torch.stack(states, 1)


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, c, r, alpha):
        time = torch.arange(c.shape[1], dtype=torch.int32, device=c.device)[None, :, None]
        # Of equals cummax names the last: that of a step that sets stands until the next one.
        last, index = torch.where(c.abs() > r.abs(), time, -1).cummax(1)
        h = torch.where(last >= 0, (alpha * sign(c)).gather(1, index), 0.0)
        ctx.save_for_backward(c, r, alpha, h)
        return h

    @staticmethod
    def backward(ctx, dh):
        c, r, alpha, h = ctx.saved_tensors
        u, steps = c.abs() - r.abs(), c.shape[1]
        z = u > 0
        # sum[t] is that of all from t on; behind[t] is the next step that sets, or the end.
        total = dh.double().flip(1).cumsum(1).flip(1)
        total = torch.cat([total, torch.zeros_like(total[:, :1])], 1)
        time = torch.arange(1, steps, dtype=torch.int32, device=c.device)[None, :, None]
        behind = torch.full_like(z, steps, dtype=torch.int32)
        behind[:, :-1] = torch.where(z[:, 1:], time, steps)
        behind = behind.flip(1).cummin(1).values.flip(1)
        g = (total[:, :-1] - total.gather(1, behind.long())).to(dh.dtype)
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)
        s = sign(c)
        through_gate = common.arctan(u) * g * (alpha * s - before)
        dc = torch.where(z, g * alpha * 2 * common.arctan(c), 0.0) + c.sign() * through_gate
        return dc, -r.sign() * through_gate, torch.where(z, g * s, 0.0).sum((0, 1))


FORMS = {"torch loop": loop, "torch cummax+gather": Gather.apply}


def place():
    """The device to run on, its name, and how to wait for it."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.cuda.get_device_name(), torch.cuda.synchronize
    return torch.device("cpu"), f"cpu, {torch.get_num_threads()} threads", lambda: None


def waiter(synchronize):
    def wait(result):
        synchronize()
        return result

    return wait


def host(tensor):
    return tensor.detach().cpu().numpy()


def forward(form, case, inputs, wait):
    @torch.no_grad()
    def call():
        return form(*inputs)

    return call, wait, lambda h: case.wrong_states(host(h))


def backward(form, case, inputs, wait):
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    h, dh = form(*inputs), torch.from_numpy(case.dh).to(inputs[0].device)

    def wrong(gradients):
        return case.wrong_gradients(dict(zip(("c", "r", "alpha"), map(host, gradients))))

    return lambda: torch.autograd.grad(h, inputs, dh, retain_graph=True), wait, wrong


def main():
    options = common.arguments(__doc__.splitlines()[0]).parse_args()
    device, name, synchronize = place()
    bench, wait = common.Bench(torch.__version__, name, options), waiter(synchronize)
    for shape in common.chosen_shapes(options, device.type == "cuda"):
        case = common.Case(shape)
        inputs = [torch.from_numpy(tensor).to(device) for tensor in (case.c, case.r, case.alpha)]
        for peer, form in FORMS.items():
            skipped = None
            if form is loop and shape[1] > LONGEST_LOOP:
                skipped = f"an operation or more for each of {shape[1]} steps"
            for direction, make in (("forward", forward), ("backward", backward)):
                bench.row(peer, direction, case, lambda make=make, form=form: make(form, case, inputs, wait), skipped)


if __name__ == "__main__":
    main()
