// What is read of a step, on the way through time or back.

struct Inputs {
    candidate: Vector,
    thresholds: Thresholds,
    amplitude: Vector,
}

fn load_inputs(at: At, offset: u32) -> Inputs {
    var inputs: Inputs;
    inputs.candidate = load_candidate(candidate_beside(at.candidate, offset));
    if !THRESHOLD_PER_CHANNEL {
        inputs.thresholds = load_thresholds(at.threshold, at.low_threshold, offset);
    }
    if AMPLITUDE_PER_ELEMENT {
        inputs.amplitude = load_amplitude(amplitude_beside(at.amplitude, offset));
    }
    return inputs;
}
