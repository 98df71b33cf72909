//! The recordings, and what a unit sees of them.

use std::error::Error;

use bmru::Shape;

const CSV: &str = include_str!("../data/basic_motions.csv");

/// Seconds from one step to the next.
pub const STEP: f64 = 0.1;

/// Steps that the running mean behind a threshold looks back.
const MEMORY: f32 = 10.0;

/// What a resting wrist does stays below this.
const NOISE: f32 = 0.25;

/// Recordings of one length, `[B, T, D]`.
pub struct Recordings {
    pub shape: Shape,
    pub channels: Vec<&'static str>,
    /// What the person did, for each recording.
    pub activities: Vec<&'static str>,
    pub values: Vec<f32>,
}

impl Recordings {
    /// Reads the rows `recording,activity,step,value,…`, which are in order.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let (header, rows) = CSV.split_once('\n').ok_or("the file is empty")?;
        let channels: Vec<_> = header.split(',').skip(3).collect();
        let (mut activities, mut values) = (Vec::new(), Vec::new());
        for row in rows.lines() {
            let mut fields = row.split(',');
            let (Some(_), Some(activity), Some(step)) = (fields.next(), fields.next(), fields.next()) else {
                return Err(format!("not a row: {row}").into());
            };
            if step == "0" {
                activities.push(activity);
            }
            for field in fields {
                values.push(field.parse::<f32>()?);
            }
        }
        let (batch, rows, width) = (activities.len(), rows.lines().count(), channels.len());
        if batch == 0 || !rows.is_multiple_of(batch) || values.len() != rows * width {
            return Err(format!("{} values in {rows} rows do not make {batch} recordings of one length", values.len()).into());
        }
        let shape = Shape { batch: batch as u64, time: (rows / batch) as u64, channels: width as u64 };
        Ok(Self { shape, channels, activities, values })
    }

    /// The steps of one channel in one recording, out of any tensor of this shape.
    pub fn series(&self, tensor: &[f32], recording: usize, channel: usize) -> Vec<f32> {
        let Shape { time, channels, .. } = self.shape;
        let rows = tensor.chunks_exact(channels as usize).skip(recording * time as usize);
        rows.take(time as usize).map(|row| row[channel]).collect()
    }

    /// Candidates: the values in units of their channel's root mean square, so that 0 stays rest.
    pub fn candidates(&self) -> Vec<f32> {
        let width = self.channels.len();
        let mut squares = vec![0.0f64; width];
        for row in self.values.chunks_exact(width) {
            for (sum, &value) in squares.iter_mut().zip(row) {
                *sum += f64::from(value).powi(2);
            }
        }
        let steps = (self.values.len() / width) as f64;
        let scales: Vec<f32> = squares.iter().map(|sum| (sum / steps).sqrt() as f32).collect();
        self.values.chunks_exact(width).flat_map(|row| row.iter().zip(&scales).map(|(value, scale)| value / scale)).collect()
    }

    /// Thresholds that move with the input: the noise, and the running mean of `|c|` over the steps before.
    pub fn thresholds(&self, candidates: &[f32]) -> Vec<f32> {
        let width = self.channels.len();
        let mut thresholds = Vec::with_capacity(candidates.len());
        for recording in candidates.chunks_exact(width * self.shape.time as usize) {
            let mut means = vec![0.0f32; width];
            for row in recording.chunks_exact(width) {
                for (mean, &c) in means.iter_mut().zip(row) {
                    thresholds.push(NOISE + *mean);
                    *mean += (c.abs() - *mean) / MEMORY;
                }
            }
        }
        thresholds
    }
}
