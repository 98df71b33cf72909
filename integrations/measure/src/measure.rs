//! The rows of a roofline: the library beside its ceilings and its rivals.

use bmru::{Save, Strategy};

use crate::rounds::{Timed, interleaved_async, quotients, ratios};
use crate::variants::Reference;
use crate::{Device, Effort, Error, Group, Prepared, Quartiles, Work, ideal_bytes};

/// Something of every rival: its rate, or the library's in units of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rivals {
    /// The fastest streaming kernel of the same traffic: the ceiling.
    pub stream: Quartiles,
    /// A copy.
    pub copy: Quartiles,
    /// One invocation a channel.
    pub naive: Option<Quartiles>,
    /// lampshade's inclusive scan of as many words.
    pub lampshade: Option<Quartiles>,
}

/// Another unit's share of its own ceiling, in the same rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    /// Its share.
    pub of_stream: Quartiles,
    /// The row's share in units of it.
    pub quotient: Quartiles,
    /// Bytes per second of its ceiling.
    pub stream: Quartiles,
}

/// The library on one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of the group, and whether it saves.
    pub name: String,
    /// The group.
    pub group: Group,
    /// What it saves.
    pub save: Save,
    /// The strategy that the plan chose.
    pub strategy: Strategy,
    /// Ideal bytes for an element.
    pub bytes_per_element: f64,
    /// What the plan moves for one, at most.
    pub moved_per_element: f64,
    /// Bytes per second.
    pub rate: Quartiles,
    /// Bytes per second of the others.
    pub rates: Rivals,
    /// The library's bytes per second in units of the others': medians over rounds, not ratios of medians.
    pub of: Rivals,
    /// The working set is too small: caches were measured.
    pub cached: bool,
    /// The shape of the streaming kernel.
    pub ceiling: String,
    /// What the row is held against.
    pub beside: Option<Beside>,
}

impl Row {
    /// A ceiling that spreads more than this is none.
    pub const MAX_SPREAD: f64 = 0.1;

    /// Whether a ceiling itself spreads too much, its middle half by more than 10 % of the median: no ratio of this row holds.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.ceiling_spread() > Self::MAX_SPREAD
    }

    /// The spread of the ceiling, or of that of what the row is held against.
    #[must_use]
    pub fn ceiling_spread(&self) -> f64 {
        self.beside.map_or(0.0, |beside| beside.stream.spread()).max(self.rates.stream.spread())
    }

    /// Elements per second.
    #[must_use]
    pub fn elements_per_second(&self) -> f64 {
        self.rate.median / self.bytes_per_element
    }
}

/// Measures those rows of a group whose names `wanted` lets through. All of them, and all rivals, run in turn. A void
/// measurement is repeated, up to three times.
///
/// # Errors
/// If a plan is refused, a result is wrong, or the device does not end.
pub async fn measure_async(device: &Device, group: Group, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>, Error> {
    measure_beside(device, group, wanted, None).await
}

/// The same, with what the rows are held against in the same rounds.
pub(crate) async fn measure_beside(
    device: &Device,
    group: Group,
    wanted: impl Fn(&str) -> bool,
    reference: Option<&Reference<'_>>,
) -> Result<Vec<Row>, Error> {
    let attempts = if device.effort() == Effort::Full { 3 } else { 1 };
    let prepared = Prepared::new(device, group)?;
    let plans = prepared.plans().iter().map(|(save, plan)| (group.row_name(*save), *save, plan));
    let plans: Vec<_> = plans.filter(|(name, ..)| wanted(name)).collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let mut library: Vec<Work> = Vec::new();
    for (name, _, plan) in &plans {
        library.push(prepared.library_async(plan, name).await?);
    }
    let stream = prepared.stream_async().await?;
    let (copy, copied) = prepared.copy_async().await?;
    let naive = prepared.naive().await?;
    let sums = prepared.prefix_sum().await?;

    let mut timed: Vec<Timed<'_>> = vec![(&stream.work, stream.bytes), (&copy, copied)];
    // What every scan forward reads and writes at least.
    timed.extend(naive.as_ref().map(|work| (work, ideal_bytes(&prepared.plans()[0].1))));
    timed.extend(sums.as_ref().map(|&(ref work, bytes)| (work, bytes)));
    let first = timed.len();
    timed.extend(library.iter().zip(&plans).map(|(work, (_, _, plan))| (work, ideal_bytes(plan))));
    let behind = timed.len();
    timed.extend(reference.iter().flat_map(|reference| reference.timed()));

    let mut rates = interleaved_async(device, &timed).await?;
    for _ in 1..attempts {
        let ceilings = [0].into_iter().chain(reference.map(|_| behind));
        if ceilings.map(|at| Quartiles::of(rates[at].clone()).spread()).fold(0.0, f64::max) <= Row::MAX_SPREAD {
            break;
        }
        rates = interleaved_async(device, &timed).await?;
    }
    let of_reference = rates.split_off(behind);
    let of_library = rates.split_off(first);
    let mut rates = rates.into_iter();
    let (stream_rates, copy_rates) = (rates.next().expect("timed"), rates.next().expect("timed"));
    let naive_rates = naive.as_ref().and_then(|_| rates.next());
    let sum_rates = sums.as_ref().and_then(|_| rates.next());
    let elements = group.shape.elements().unwrap_or(0) as f64;
    let row = |((name, save, plan), library): ((String, Save, &bmru::Plan), Vec<f64>)| {
        let rivals = |of: &dyn Fn(&[f64]) -> Quartiles| Rivals {
            stream: of(&stream_rates),
            copy: of(&copy_rates),
            naive: naive_rates.as_deref().map(of),
            lampshade: sum_rates.as_deref().map(of),
        };
        let beside = reference.map(|reference| {
            let (ceiling, of) = (&of_reference[0], &of_reference[reference.place(save)]);
            Beside {
                of_stream: ratios(of, ceiling),
                quotient: quotients([&library, &stream_rates], [of, ceiling]),
                stream: Quartiles::of(ceiling.clone()),
            }
        });
        let moved = plan.traffic();
        Row {
            name,
            group,
            save,
            strategy: plan.strategy(),
            bytes_per_element: ideal_bytes(plan) as f64 / elements,
            moved_per_element: (moved.read + moved.written) as f64 / elements,
            beside,
            rates: rivals(&|rates| Quartiles::of(rates.to_vec())),
            of: rivals(&|rates| ratios(&library, rates)),
            rate: Quartiles::of(library),
            cached: device.measures_cache(prepared.working_set()),
            ceiling: stream.slabs.to_string(),
        }
    };
    Ok(plans.into_iter().zip(of_library).map(row).collect())
}

/// Bytes per second of a copy of large tensors, half of them read and half written.
///
/// # Errors
/// If the device does not end.
pub async fn copy_rate_async(device: &Device) -> Result<Quartiles, Error> {
    // Long enough that it is not its launch that is measured.
    let bytes = (device.some_milliseconds() / 16).max(16 << 20);
    let copies = device.copies(2 * bytes, 2 * bytes);
    let run = |_| -> crate::Run {
        let [from, to] = ["from", "to"].map(|label| device.buffer(label, bytes, None));
        Box::new(move |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes))
    };
    let work = Work::new((0..copies).map(run).collect());
    device.settle().await?;
    Ok(Quartiles::of(interleaved_async(device, &[(&work, 2 * bytes)]).await?.remove(0)))
}
