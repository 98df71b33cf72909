//! Tunings side by side: what suits an adapter is found by trying.

use bmru::{Direction, Plan, Stage, Strategy, Tuning};

use crate::rounds::{Timed, interleaved_async, ratios};
use crate::{Device, Error, Group, Prepared, Quartiles, Row, ideal_bytes};

/// A row of a group by one tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The row, and how the tuning was given.
    pub name: String,
    /// The strategy that the plan chose.
    pub strategy: Strategy,
    /// Bytes that the plan moves for an element, at most.
    pub moved_per_element: f64,
    /// Bytes per second of ideal traffic.
    pub rate: Quartiles,
    /// As a share of the ceiling, round by round.
    pub of_stream: Quartiles,
    /// Bytes per second of the ceiling.
    pub stream: Quartiles,
    /// Seconds of each dispatch alone, if that was asked for.
    pub stages: Vec<(Stage, f64)>,
}

impl Tried {
    /// Whether the ceiling spreads too much for a share.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.stream.spread() > Row::MAX_SPREAD
    }
}

/// A tuning as it is given, `strategy=probe,width=4,ahead=8`: what it does not name is as in `usual`.
///
/// # Errors
/// What was expected instead.
pub fn parse(usual: &Tuning, text: &str) -> Result<Tuning, String> {
    let mut tuning = usual.clone();
    for setting in text.split(',').filter(|setting| !setting.is_empty() && *setting != "usual") {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}` is no name=value"))?;
        if name == "strategy" {
            let named =
                [Strategy::Serial, Strategy::Tiles, Strategy::Probe].into_iter().find(|strategy| strategy.to_string() == value);
            tuning.strategy = Some(named.ok_or_else(|| format!("no strategy is called `{value}`"))?);
            continue;
        }
        let number: u64 = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        let short = u32::try_from(number).map_err(|_| format!("`{value}` is too much"));
        match name {
            "width" => tuning.max_vector_width = short?,
            "band" => tuning = tuning.with_band(short?),
            "ahead" => tuning.steps_ahead = short?,
            "workgroup" => tuning.workgroup_size = short?,
            "tile" => (tuning.tile_steps, tuning.min_tile_steps) = (short.clone()?, short?),
            "lookback" => tuning.look_back_tiles = short?,
            "rows" => tuning.serial_rows = number,
            "serial" => tuning.serial_workgroups = number,
            "steps" => tuning.min_steps = short?,
            "groups" => tuning.min_workgroups = short?,
            "shared" => tuning.max_shared_elements = number,
            "part" => tuning.max_dispatch_elements = number,
            _ => {
                return Err(format!(
                    "no setting is called `{name}`: strategy, width, band, ahead, workgroup, tile, lookback, rows, serial, steps, groups, \
                     shared, part"
                ));
            }
        }
    }
    Ok(tuning)
}

/// Measures a group by several tunings in turn, each result checked first.
///
/// # Errors
/// If a plan is refused, a result is wrong, or the device does not end.
pub async fn compare_tunings_async(
    device: &Device,
    group: Group,
    tunings: &[(String, Tuning)],
    stages: bool,
) -> Result<Vec<Tried>, Error> {
    let limits = device.gpu().limits();
    let (mut names, mut plans) = (Vec::new(), Vec::new());
    for (text, tuning) in tunings {
        for &save in group.saves() {
            let descriptor = group.descriptor(save);
            let plan = match group.direction {
                Direction::Backward => descriptor.backward(&limits, tuning)?,
                _ => descriptor.forward(&limits, tuning)?,
            };
            names.push(format!("{} {text}", group.row_name(save)));
            plans.push((save, plan));
        }
    }
    let prepared = Prepared::of(device, group, plans)?;
    let mut library = Vec::new();
    for ((_, plan), name) in prepared.plans().iter().zip(&names) {
        library.push(prepared.library_async(plan, name).await?);
    }
    let stream = prepared.stream_async().await?;
    let mut timed: Vec<Timed<'_>> = vec![(&stream.work, stream.bytes)];
    timed.extend(library.iter().zip(prepared.plans()).map(|(work, (_, plan))| (work, ideal_bytes(plan))));
    let rates = interleaved_async(device, &timed).await?;
    let elements = group.shape.elements().unwrap_or(0) as f64;
    let mut all = Vec::new();
    for ((name, (_, plan)), library) in names.into_iter().zip(prepared.plans()).zip(&rates[1..]) {
        let moved = plan.traffic();
        all.push(Tried {
            name,
            strategy: plan.strategy(),
            moved_per_element: (moved.read + moved.written) as f64 / elements,
            rate: Quartiles::of(library.clone()),
            of_stream: ratios(library, &rates[0]),
            stream: Quartiles::of(rates[0].clone()),
            stages: if stages { time_stages(device, &prepared, plan).await? } else { Vec::new() },
        });
    }
    Ok(all)
}

/// Seconds of each dispatch of a plan.
async fn time_stages(device: &Device, prepared: &Prepared<'_>, plan: &Plan) -> Result<Vec<(Stage, f64)>, Error> {
    let tensors = prepared.tensors().await?;
    let work = (0..plan.dispatches().len()).map(|number| tensors.dispatch(device, plan, number));
    let work = work.collect::<Result<Vec<_>, _>>()?;
    // Runs per second.
    let rates = interleaved_async(device, &work.iter().map(|work| (work, 1)).collect::<Vec<_>>()).await?;
    let seconds = rates.into_iter().map(|rates| 1.0 / Quartiles::of(rates).median);
    Ok(plan.dispatches().iter().map(|dispatch| plan.stage(dispatch)).zip(seconds).collect())
}

#[cfg(test)]
mod tests {
    use bmru::{Strategy, Tuning};

    use super::parse;

    #[test]
    fn a_tuning_is_what_its_text_says() {
        let usual = Tuning::discrete();
        assert_eq!(parse(&usual, "usual"), Ok(usual.clone()));
        let tuning = parse(&usual, "strategy=probe,width=4,band=3,ahead=8,workgroup=128,tile=2048,lookback=9,rows=7").unwrap();
        assert_eq!(tuning.strategy, Some(Strategy::Probe));
        assert_eq!((tuning.max_vector_width, tuning.steps_ahead, tuning.workgroup_size), (4, 8, 128));
        assert_eq!((tuning.tile_steps, tuning.min_tile_steps, tuning.serial_rows), (2048, 2048, 7));
        assert_eq!((tuning.max_band, tuning.max_band_back, tuning.max_row_back, tuning.look_back_tiles), (3, 3, 3, 9));
        assert_eq!(tuning.max_dispatch_elements, usual.max_dispatch_elements);
        for wrong in ["width", "width=four", "wide=4", "strategy=best", "ahead=4294967296"] {
            assert!(parse(&usual, wrong).is_err(), "{wrong}");
        }
    }
}
