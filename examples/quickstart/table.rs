//! What the units did, as a table.

use bmru::Shape;

use crate::recordings::Recordings;

/// Prints, for each channel, how often its unit set and held, how much the sum of its states depends on a threshold, and how often
/// its state switched during each activity.
pub fn print(recordings: &Recordings, candidate: &[f32], threshold: &[f32], states: &[f32], threshold_gradient: &[f64]) {
    let Shape { batch, time, channels } = recordings.shape;
    let mut activities = recordings.activities.clone();
    activities.sort_unstable();
    activities.dedup();

    print!("\n{:9}{:>9}{:>9}{:>13}   ", "", "steps", "steps", "gradient by");
    println!("switches of the state in a recording of {time} steps, mean");
    print!("{:9}{:>9}{:>9}{:>13}   ", "channel", "set", "held", "threshold");
    println!("{}", activities.iter().map(|activity| format!("{activity:>11}")).collect::<String>());
    for (d, channel) in recordings.channels.iter().enumerate() {
        let of_channel = |tensor: &[f32]| -> Vec<f32> { tensor.iter().skip(d).step_by(channels as usize).copied().collect() };
        let (c, r) = (of_channel(candidate), of_channel(threshold));
        let sets = c.iter().zip(&r).filter(|(c, r)| c.abs() > r.abs()).count();
        // Rounded before it is subtracted, so that the two columns add up.
        let set = (1000.0 * sets as f64 / (batch * time) as f64).round() / 10.0;
        let gradients = threshold_gradient.iter().skip(d).step_by(channels as usize);
        let gradient = gradients.map(|gradient| gradient.abs()).sum::<f64>() / (batch * time) as f64;
        print!("{channel:9}{set:7.1} %{:7.1} %{gradient:13.2}   ", 100.0 - set);
        for activity in &activities {
            let chosen: Vec<usize> = (0..batch as usize).filter(|&b| recordings.activities[b] == *activity).collect();
            let switches: usize = chosen.iter().map(|&b| switches(&recordings.series(states, b, d))).sum();
            print!("{:11.1}", switches as f64 / chosen.len() as f64);
        }
        println!();
    }
}

/// Times that the state goes from one side to the other. The first set, out of `h0 = 0`, is none.
fn switches(states: &[f32]) -> usize {
    states.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count()
}
