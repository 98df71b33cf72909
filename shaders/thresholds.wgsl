// The thresholds of a step, wherever they lie.

fn load_thresholds(high_at: u32, low_at: u32) -> Thresholds {
    return Thresholds(load_threshold(high_at), load_low_threshold(low_at));
}
