//! Descending time is flipping what goes in, the plain scan, and flipping what comes out: bit for bit, gradients too.

use bmru::oracle::{backward, forward};
use bmru::{
    Descriptor, FinalState, Incoming, IncomingGradients, InitialState, Inputs, Layout, Save, Shape, Threshold, TimeOrder,
};

/// A tensor of a shape with its steps in the other order.
fn flipped<T: Copy>(values: &[T], shape: Shape, layout: Layout) -> Vec<T> {
    let Shape { batch, time, channels } = shape;
    let at = |b: u64, t: u64, d: u64| match layout {
        Layout::BatchTimeChannel => (b * time + t) * channels + d,
        Layout::TimeBatchChannel => (t * batch + b) * channels + d,
        Layout::BatchChannelTime => (b * channels + d) * time + t,
    };
    let mut flipped = values.to_vec();
    for b in 0..batch {
        for t in 0..time {
            for d in 0..channels {
                flipped[at(b, time - 1 - t, d) as usize] = values[at(b, t, d) as usize];
            }
        }
    }
    flipped
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn descending_is_flipping_twice() {
    let mut rng = fastrand::Rng::with_seed(5);
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel, Layout::BatchChannelTime] {
        for threshold in [Threshold::PerElement, Threshold::PerChannel] {
            for (batch, time, channels) in [(1, 0, 2), (1, 1, 1), (2, 33, 3), (3, 64, 2), (1, 1100, 2)] {
                let shape = Shape { batch, time, channels };
                let descending = Descriptor::bmru(shape)
                    .layout(layout)
                    .threshold(threshold)
                    .initial_state(InitialState::Given)
                    .final_state(FinalState::Written)
                    .save(Save::Codes)
                    .incoming(Incoming::Both)
                    .time_order(TimeOrder::Descending);
                let ascending = descending.clone().time_order(TimeOrder::Ascending);
                let mut random = |length: u64| -> Vec<f32> { (0..length).map(|_| rng.f32() * 4.0 - 2.0).collect() };
                let (elements, rows) = (batch * time * channels, batch * channels);
                let per_element = threshold == Threshold::PerElement;
                let [candidate, incoming] = [elements, elements].map(&mut random);
                let thresholds = random(if per_element { elements } else { channels });
                let [amplitude, initial_state, beyond] = [channels, rows, rows].map(&mut random);
                let flip = |values: &[f32]| flipped(values, shape, layout);
                let other = if per_element { flip(&thresholds) } else { thresholds.clone() };

                let inputs = |candidate, threshold| Inputs {
                    candidate,
                    threshold,
                    amplitude: &amplitude,
                    initial_state: &initial_state,
                    ..Inputs::default()
                };
                let flipped_candidate = flip(&candidate);
                let (down, up) = (inputs(&candidate, &thresholds), inputs(&flipped_candidate, &other));
                let actual = forward(&descending, &down).expect("the slices fit");
                let expected = forward(&ascending, &up).expect("the slices fit");
                assert_eq!(bits(&actual.states), bits(&flip(&expected.states)), "{shape}");
                assert_eq!(bits(&actual.final_state), bits(&expected.final_state), "{shape}");
                assert_eq!(actual.saved, expected.saved, "{shape}: codes in the order of the steps");

                let flipped_incoming = flip(&incoming);
                let gradients = |descriptor, inputs, states| {
                    let incoming = IncomingGradients { states, final_state: &beyond };
                    backward(descriptor, inputs, &incoming).expect("the slices fit")
                };
                let actual = gradients(&descending, &down, &incoming);
                let expected = gradients(&ascending, &up, &flipped_incoming);
                let flip = |values: &[f64]| flipped(values, shape, layout);
                assert_eq!(actual.candidate, flip(&expected.candidate), "{shape}");
                let threshold = if per_element { flip(&expected.threshold) } else { expected.threshold };
                // Sums are added in the order of the steps: the same.
                assert_eq!(actual.threshold, threshold, "{shape}");
                assert_eq!(actual.amplitude, expected.amplitude, "{shape}");
                assert_eq!(actual.initial_state, expected.initial_state, "{shape}");
            }
        }
    }
}

#[test]
fn what_was_saved_in_one_order_is_not_read_in_the_other() {
    let ascending = Descriptor::bmru(Shape { batch: 2, time: 40, channels: 3 });
    let descending = ascending.clone().time_order(TimeOrder::Descending);
    assert_ne!(ascending.saved_layout().fingerprint(), descending.saved_layout().fingerprint());
}
