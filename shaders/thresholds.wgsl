// The thresholds of a step, wherever they lie, of a vector so many beyond the first of the band.

fn load_thresholds(high_at: u32, low_at: u32, offset: u32) -> Thresholds {
    return Thresholds(
        load_threshold(threshold_beside(high_at, offset)),
        load_low_threshold(low_threshold_beside(low_at, offset)),
    );
}
