// The carry of this scan is two bits, and one integer addition resolves 32 steps of it.
//
// Element: what a stretch of time does to the state, (sets, plus): hold is (0, 0), set to -a is (1, 0), set to +a is (1, 1).
// Combine: the later one unless it holds. Associative, as "the last one that sets" is; it does not commute; its identity is
// hold; it is exact. Hold, set to - and set to + are the propagate, kill and generate of an adder: with a word z of the steps
// that set and p (within z) of those that set to +, the carries of the sum (p | ~z) + p + carry-in are the signs.

// The first set step of what never sets.
const NEVER: u32 = 0xffffffffu;

// The sign before each step, 1 for +; `plus` is the sign before the first. While nothing has set, the sign is 0.
fn signs_before(z: Vector, p: Vector, plus: Vector) -> Vector {
    let a = p | ~z;
    return (a + p + plus) ^ a ^ p;
}

// The sign after each step.
fn signs_after(z: Vector, p: Vector, plus: Vector) -> Vector {
    return p | (~z & signs_before(z, p, plus));
}

// The steps before the first that sets: 2^k - 1 where step k is the first, all ones where none is.
fn steps_before_first(z: Vector) -> Vector {
    return (z & (~z + Vector(1u))) - Vector(1u);
}

// What 32 steps do together: bit 0 if they set, bit 1 if to +.
fn aggregate(z: Vector, p: Vector) -> Vector {
    let sets = select(Vector(0u), Vector(1u), z != Vector(0u));
    return sets | ((signs_after(z, p, Vector(0u)) >> Vector(31u)) << Vector(1u));
}

// All bits of an element whose sign bit is on.
fn filled(signs: Vector) -> Vector {
    return (signs - (signs >> Vector(SIGN_SHIFT))) | signs;
}

// The state that a sign bit stands for: on for the lower of the two.
fn state_of(amplitude: Vector, minus: Vector) -> Vector {
    if LOWER_IS_ZERO {
        return amplitude & ~filled(minus);
    }
    return amplitude ^ minus;
}

fn bit_at(word: Vector, index: u32) -> Vector {
    return (word >> Vector(index)) & Vector(1u);
}
