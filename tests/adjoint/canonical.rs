//! The canonical order of additions, as `shaders/adjoint*.wgsl` and `sum_reduce.wgsl` have it, over any kind of number: values
//! in single precision, or lengths of chains.

pub const BLOCK: usize = 32;
pub const STRETCH: usize = BLOCK * BLOCK;

/// Numbers that can be added. What is zero by construction is `zero`.
pub trait Adder {
    type Number: Copy;

    fn zero(&self) -> Self::Number;
    fn add(&mut self, a: Self::Number, b: Self::Number) -> Self::Number;
}

/// The gradient of the state of every step, and what flows out of the first.
pub struct Flow<N> {
    pub states: Vec<N>,
    pub leaving: N,
}

/// One walk from the end of time to its beginning. `dh` of all steps and what comes from beyond the last.
pub fn walk<A: Adder>(adder: &mut A, dh: &[A::Number], sets: &[bool], beyond: A::Number) -> Flow<A::Number> {
    stretch(adder, dh, sets, beyond, 0)
}

/// A walk over a part of time that begins with step `begin`, a multiple of 1,024.
fn stretch<A: Adder>(adder: &mut A, dh: &[A::Number], sets: &[bool], beyond: A::Number, begin: usize) -> Flow<A::Number> {
    let zero = adder.zero();
    let mut states = vec![zero; dh.len()];
    let mut gradient = zero;
    // Within 32², 32³, … 32⁷ steps, then from beyond.
    let mut carries = [zero; 7];
    carries[6] = adder.add(zero, beyond);
    let mut leaving = beyond;
    let mut end = dh.len();
    while end > 0 {
        let block = (end - 1) / BLOCK * BLOCK;
        let mut carry = carries[6];
        for &near in carries[..6].iter().rev() {
            carry = adder.add(near, carry);
        }
        for t in (block..end).rev() {
            let sum = adder.add(gradient, dh[t]);
            states[t] = adder.add(sum, carry);
            gradient = if sets[t] { zero } else { sum };
            carry = if sets[t] { zero } else { carry };
            leaving = if sets[t] { zero } else { states[t] };
        }
        if sets[block..end].contains(&true) {
            carries = [zero; 7];
        }
        carries[0] = adder.add(gradient, carries[0]);
        gradient = zero;
        let mut length = STRETCH;
        for level in 0..5 {
            if (begin + block).is_multiple_of(length) {
                carries[level + 1] = adder.add(carries[level], carries[level + 1]);
                carries[level] = zero;
            }
            length *= BLOCK;
        }
        end = block;
    }
    Flow { states, leaving }
}

/// What a stretch, or a node of the tree, passes on: a gradient, and whether all of it holds.
type Node<N> = (N, bool);

/// The same by a tree over stretches of 1,024 steps, and a walk over each.
pub fn tree<A: Adder>(adder: &mut A, dh: &[A::Number], sets: &[bool], beyond: A::Number) -> Flow<A::Number> {
    if dh.len() <= STRETCH {
        return walk(adder, dh, sets, beyond);
    }
    let reduced = |(dh, sets): (&[A::Number], &[bool])| reduce(adder, dh, sets);
    let mut levels: Vec<Vec<Node<A::Number>>> = vec![dh.chunks(STRETCH).zip(sets.chunks(STRETCH)).map(reduced).collect()];
    while levels[levels.len() - 1].len() > 1 {
        let nodes = levels[levels.len() - 1].chunks(BLOCK).map(|children| fold(adder, children)).collect();
        levels.push(nodes);
    }
    levels.pop();
    // What comes to the nodes of a level, from the root down.
    let mut coming = vec![beyond];
    while let Some(children) = levels.pop() {
        let groups = children.chunks(BLOCK).zip(coming);
        coming = groups.flat_map(|(children, beyond)| scan(adder, children, beyond)).collect();
    }
    let mut flow = Flow { states: Vec::with_capacity(dh.len()), leaving: beyond };
    let parts = dh.chunks(STRETCH).zip(sets.chunks(STRETCH)).zip(coming);
    for (number, ((dh, sets), beyond)) in parts.enumerate() {
        let part = stretch(adder, dh, sets, beyond, number * STRETCH);
        flow.states.extend(part.states);
        flow.leaving = if number == 0 { part.leaving } else { flow.leaving };
    }
    flow
}

/// Only the steps before the first that sets pass something on.
fn reduce<A: Adder>(adder: &mut A, dh: &[A::Number], sets: &[bool]) -> Node<A::Number> {
    let first = sets.iter().position(|&sets| sets).unwrap_or(dh.len());
    let mut leaving = adder.zero();
    for block in dh[..first].chunks(BLOCK).rev() {
        let gradient = block.iter().rev().fold(adder.zero(), |sum, &dh| adder.add(sum, dh));
        leaving = adder.add(gradient, leaving);
    }
    (leaving, first == dh.len())
}

fn fold<A: Adder>(adder: &mut A, children: &[Node<A::Number>]) -> Node<A::Number> {
    let far = (adder.zero(), true);
    children.iter().rev().fold(far, |(far, all), &(near, held)| {
        let passed = if held { far } else { adder.zero() };
        (adder.add(near, passed), all && held)
    })
}

/// What comes to each of the children, near to far.
fn scan<A: Adder>(adder: &mut A, children: &[Node<A::Number>], beyond: A::Number) -> Vec<A::Number> {
    let zero = adder.zero();
    let (mut within, mut beyond) = (zero, adder.add(zero, beyond));
    let mut coming = vec![zero; children.len()];
    for (coming, &(leaving, held)) in coming.iter_mut().zip(children).rev() {
        *coming = adder.add(within, beyond);
        within = adder.add(leaving, if held { within } else { zero });
        beyond = if held { beyond } else { zero };
    }
    coming
}

/// The sum over batch and time of one channel: `terms[b][t]`.
pub fn sum<A: Adder>(adder: &mut A, terms: &[Vec<A::Number>]) -> A::Number {
    let zero = adder.zero();
    let mut sums = Vec::new();
    for row in terms {
        for stretch in row.chunks(STRETCH) {
            let mut sum = zero;
            for block in stretch.chunks(BLOCK).rev() {
                let block = block.iter().rev().fold(zero, |sum, &term| adder.add(sum, term));
                sum = adder.add(sum, block);
            }
            sums.push(sum);
        }
    }
    // At least once, so that a sum of nothing is 0.
    loop {
        let nodes = sums.chunks(BLOCK).map(|terms| terms.iter().fold(zero, |sum, &term| adder.add(sum, term)));
        sums = nodes.collect();
        if sums.len() <= 1 {
            return sums.first().copied().unwrap_or(zero);
        }
    }
}
