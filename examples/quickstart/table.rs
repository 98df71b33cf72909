//! What the units did, as a table.

use bmru::{Health, Shape};

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

/// Prints the range of what the channels did in three lines, and a line for each sign of a unit that is not well.
pub fn print_health(recordings: &Recordings, health: &Health) {
    let range = |of: &dyn Fn(usize) -> f64| {
        let values = (0..health.channels()).map(|d| (10.0 * of(d)).round() / 10.0);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        format!("{low:.1} to {high:.1}")
    };
    let (sets, flips) = (range(&|d| 100.0 * health.set_rate(d)), range(&|d| 100.0 * health.flip_rate(d)));
    let mean = range(&|d| health.mean_hold(d));
    let longest = (0..health.channels()).map(|d| health.longest_hold(d)).max().unwrap_or(0);
    let silent: u64 = (0..health.channels()).map(|d| health.silent_sequences(d)).sum();
    let all = recordings.shape.batch * recordings.shape.channels;
    println!("\nhealth   {sets} % of the steps of a channel set, {flips} % flip");
    println!("         a hold is {mean} steps on average, {longest} at most; {silent} of {all} series never set");
    let first = (0..health.channels()).filter_map(|d| health.first_set(d)).min();
    let first = first.map_or("none sets".to_owned(), |step| format!("step {step} is the first to set"));
    let nan: u64 = (0..health.channels()).filter_map(|d| health.nan_inputs(d)).sum();
    println!("         {first}; {nan} inputs are NaN");
    for (d, channel) in recordings.channels.iter().enumerate() {
        for sign in health.signs(d) {
            println!("         {channel} {sign}: {}", sign.advice());
        }
    }
}

/// Times that the state goes from one side to the other. The first set, out of `h0 = 0`, is none.
fn switches(states: &[f32]) -> usize {
    states.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count()
}
