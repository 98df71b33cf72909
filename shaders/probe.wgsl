// What a probe reads of a step, and the element of the scan that comes of it.

// Indices of the step.
struct Place {
    candidate: u32,
    threshold: u32,
    low_threshold: u32,
    amplitude: u32,
}

// What all steps of a channel have in common.
struct Channel {
    thresholds: Thresholds,
    amplitude: Vector,
}

fn place_at(tile: Node, step: u32) -> Place {
    return Place(
        candidate_at(tile.b, step, tile.d),
        threshold_at(tile.b, step, tile.d),
        low_threshold_at(tile.b, step, tile.d),
        amplitude_at(tile.b, step, tile.d),
    );
}

fn place_behind(place: Place) -> Place {
    return Place(
        place.candidate + candidate_step(),
        place.threshold + threshold_step(),
        place.low_threshold + low_threshold_step(),
        place.amplitude + amplitude_step(),
    );
}

fn place_before(place: Place) -> Place {
    return Place(
        place.candidate - candidate_step(),
        place.threshold - threshold_step(),
        place.low_threshold - low_threshold_step(),
        place.amplitude - amplitude_step(),
    );
}

fn load_channel(tile: Node) -> Channel {
    var channel: Channel;
    if THRESHOLD_PER_CHANNEL {
        channel.thresholds = load_thresholds(threshold_at(0u, 0u, tile.d), low_threshold_at(0u, 0u, tile.d));
    }
    if !AMPLITUDE_PER_ELEMENT {
        channel.amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    }
    return channel;
}

fn element_at(tile: Node, step: u32, place: Place, channel: Channel) -> Element {
    let candidate = load_candidate(place.candidate);
    var thresholds = channel.thresholds;
    if !THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(place.threshold, place.low_threshold);
    }
    if MASKED {
        thresholds = validity(tile.b, step, tile.d);
    }
    var amplitude = channel.amplitude;
    if AMPLITUDE_PER_ELEMENT {
        amplitude = load_amplitude(place.amplitude);
    }
    return element_of(gate(candidate, thresholds), payload_of(candidate, amplitude));
}
