"""JAX: `associative_scan` in select and affine form, and `lax.scan`; forward and backward.

- `jax select`: an element is (sets, state); the later one counts unless it holds. Its gradient is written by hand, a scan of
  (holds, gradient) from the end, because the choice itself has no derivative.
- `jax affine`: h_t = (1 − z_t)·h_{t−1} + z_t·v_t as a scan of affine maps. JAX derives the gradient, through a surrogate of z.
- `jax lax.scan`: the same map, one step after the other, and JAX's own gradient.

Inputs and outputs are [B,T,D], as the library's. Each direction is one jitted call: the gate is inside, and the backward call
reads what the forward one saved. Where XLA has several cores it takes them all.
"""

import common
from common import np

jax, jnp = common.need("jax", "pip install -r benches/peers/requirements-cpu.txt (or -cuda.txt)", "jax", "jax.numpy")

# A launch or more for every step.
LONGEST_LOOP_ON_A_GPU = 65536


@jax.custom_jvp
def step(u):
    """1 where the unit sets. Its derivative is the surrogate."""
    return (u > 0).astype(jnp.float32)


@jax.custom_jvp
def sign(c):
    return jnp.where(c > 0, jnp.float32(1), jnp.float32(-1))


step.defjvp(lambda primals, tangents: (step(*primals), common.arctan(primals[0]) * tangents[0]))
sign.defjvp(lambda primals, tangents: (sign(*primals), 2 * common.arctan(primals[0]) * tangents[0]))


def affine(c, r, alpha):
    z = step(jnp.abs(c) - jnp.abs(r))
    maps = 1 - z, z * (alpha * sign(c))
    return jax.lax.associative_scan(lambda first, then: (first[0] * then[0], then[0] * first[1] + then[1]), maps, axis=1)[1]


def sequential(c, r, alpha):
    def one(h, at):
        keep, to = at
        h = keep * h + to
        return h, h

    z = step(jnp.abs(c) - jnp.abs(r))
    maps = jnp.moveaxis(1 - z, 1, 0), jnp.moveaxis(z * (alpha * sign(c)), 1, 0)
    return jnp.moveaxis(jax.lax.scan(one, jnp.zeros_like(c[:, 0]), maps)[1], 0, 1)


@jax.custom_vjp
def select(c, r, alpha):
    def later(first, then):
        return first[0] | then[0], jnp.where(then[0], then[1], first[1])

    z = jnp.abs(c) > jnp.abs(r)
    states = jnp.where(z, jnp.where(c > 0, alpha, -alpha), jnp.float32(0))
    return jax.lax.associative_scan(later, (z, states), axis=1)[1]


def select_forward(c, r, alpha):
    h = select(c, r, alpha)
    return h, (c, r, alpha, h)


def select_backward(saved, dh):
    def earlier(after, then):  # what comes first in a reversed scan lies later in time
        return after[0] & then[0], then[1] + jnp.where(then[0], after[1], jnp.float32(0))

    c, r, alpha, h = saved
    u = jnp.abs(c) - jnp.abs(r)
    z = u > 0
    # The step itself passes on what the step after it does not overwrite.
    holds_next = jnp.concatenate([~z[:, 1:], jnp.zeros_like(z[:, :1])], axis=1)
    g = jax.lax.associative_scan(earlier, (holds_next, dh), reverse=True, axis=1)[1]
    s = jnp.where(c > 0, jnp.float32(1), jnp.float32(-1))
    w = alpha * s - jnp.concatenate([jnp.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    through_gate = common.arctan(u) * g * w
    dc = jnp.where(z, g * alpha * 2 * common.arctan(c), 0) + jnp.sign(c) * through_gate
    return dc, -jnp.sign(r) * through_gate, jnp.where(z, g * s, 0).sum((0, 1))


select.defvjp(select_forward, select_backward)

FORMS = {"jax select": select, "jax affine": affine, "jax lax.scan": sequential}


def forward(form, case, inputs):
    call = jax.jit(form)
    return lambda: call(*inputs), jax.block_until_ready, lambda h: case.wrong_states(h)


def backward(form, case, inputs):
    # The pullback is a tree of arrays: it leaves one jitted call and enters the next.
    _, pullback = jax.block_until_ready(jax.jit(lambda *inputs: jax.vjp(form, *inputs))(*inputs))
    call, dh = jax.jit(lambda pullback, dh: pullback(dh)), jnp.asarray(case.dh)

    def wrong(gradients):
        return case.wrong_gradients(dict(zip(("c", "r", "alpha"), map(np.asarray, gradients))))

    return lambda: call(pullback, dh), jax.block_until_ready, wrong


def main():
    options = common.arguments(__doc__.splitlines()[0]).parse_args()
    device = jax.devices()[0]
    gpu = device.platform != "cpu"
    bench = common.Bench(jax.__version__, f"{device.platform} {device.device_kind}", options)
    for shape in common.chosen_shapes(options, gpu):
        case = common.Case(shape)
        inputs = [jnp.asarray(tensor) for tensor in (case.c, case.r, case.alpha)]
        for peer, form in FORMS.items():
            skipped = None
            if gpu and form is sequential and shape[1] > LONGEST_LOOP_ON_A_GPU:
                skipped = f"a launch or more for each of {shape[1]} steps"
            for direction, make in (("forward", forward), ("backward", backward)):
                bench.row(peer, direction, case, lambda make=make, form=form: make(form, case, inputs), skipped)


if __name__ == "__main__":
    main()
