//! All units and elements beside BMRU of `f32`: how much of its own ceiling each reaches, in units of how much that does.
//!
//! Four rows run in turn, a ceiling and the library for each of the two. A ceiling moves what is ideal for its own: as many tensors in
//! and out, of as many bytes. So what is compared is what a unit costs beyond its traffic, and what disturbs the host disturbs both.

use bmru::{Direction, Element, Save, Shape};

use crate::measure::measure_beside;
use crate::rounds::Timed;
use crate::stream::Stream;
use crate::{Device, Error, Group, Measured, Prepared, Row, Subject, Work, ideal_bytes};

/// What every variant should reach of BMRU's share.
pub const WANTED: f64 = 0.8;

/// BMRU of `f32` in one pass, on tensors of its own, checked.
pub(crate) struct Reference<'a> {
    prepared: &'a Prepared<'a>,
    stream: Stream,
    library: Vec<Work>,
}

impl<'a> Reference<'a> {
    async fn new(prepared: &'a Prepared<'a>) -> Result<Self, Error> {
        let mut library = Vec::new();
        for (save, plan) in prepared.plans() {
            library.push(prepared.library_async(plan, &prepared.group().row_name(*save)).await?);
        }
        Ok(Self { prepared, stream: prepared.stream_async().await?, library })
    }

    /// The ceiling, then the library.
    pub fn timed(&self) -> impl Iterator<Item = Timed<'_>> {
        let plans = self.prepared.plans().iter().map(|(_, plan)| ideal_bytes(plan));
        [(&self.stream.work, self.stream.bytes)].into_iter().chain(self.library.iter().zip(plans))
    }

    /// Which of them saves this.
    pub fn place(&self, save: Save) -> usize {
        let saved = self.prepared.plans().iter().position(|&(saved, _)| saved == save);
        1 + saved.unwrap_or(0)
    }
}

/// All units with all elements; BMRU of `f32` is held against itself, to show what two measurements of the same differ by.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    Measured::ALL.into_iter().flat_map(|unit| Element::ALL.map(|element| Subject { unit, element })).collect()
}

/// What came of one subject in one pass.
pub type Outcome = (Group, Result<Vec<Row>, Error>);

/// Measures subjects on a shape in both passes, and tells each outcome as it comes.
///
/// # Errors
/// If BMRU itself is refused or wrong.
pub async fn compare_async(
    device: &Device,
    subjects: &[Subject],
    shape: Shape,
    wanted: impl Fn(&str) -> bool,
    mut tell: impl FnMut(Outcome),
) -> Result<(), Error> {
    for direction in [Direction::Forward, Direction::Backward] {
        let groups = subjects.iter().map(|&subject| Group::usual(subject, direction, shape));
        let groups = groups.filter(|group| direction == Direction::Forward || group.subject.has_gradients());
        let groups: Vec<Group> = groups.filter(|group| group.row_names().iter().any(|name| wanted(name))).collect();
        if groups.is_empty() {
            continue;
        }
        let prepared = Prepared::new(device, Group::usual(Subject::default(), direction, shape))?;
        let reference = Reference::new(&prepared).await?;
        for group in groups {
            tell((group, measure_beside(device, group, &wanted, Some(&reference)).await));
        }
    }
    Ok(())
}

/// Whether the library refuses this combination, or this device has too few bindings for it, and not a device or a result.
#[must_use]
pub fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Library(bmru::Error::Incompatible { .. } | bmru::Error::TooManyBindings { .. }))
}

#[cfg(test)]
mod tests {
    use bmru::{Direction, Limits, Save, Shape, Tuning};

    use super::subjects;
    use crate::{Group, Measured, Subject};

    /// Groups of both passes, as far as there are.
    fn groups(shape: Shape) -> Vec<Group> {
        let passes = |subject: Subject| {
            let passes = [Direction::Forward, Direction::Backward].into_iter();
            passes.filter(move |&pass| pass == Direction::Forward || subject.has_gradients()).map(move |pass| (subject, pass))
        };
        subjects().into_iter().flat_map(passes).map(|(subject, pass)| Group::usual(subject, pass, shape)).collect()
    }

    #[test]
    fn every_unit_of_f32_has_a_plan_of_every_row() {
        let shape = Shape { batch: 4, time: 4096, channels: 256 };
        // Amplitudes per element have one buffer more than WebGPU promises.
        let (limits, tuning) = (Limits { max_storage_buffers_per_shader_stage: 9, ..Limits::default() }, Tuning::software());
        for group in groups(shape).into_iter().filter(|group| group.subject.element == bmru::Element::F32) {
            for &save in group.saves() {
                let descriptor = group.descriptor(save);
                let plan = match group.direction {
                    Direction::Backward => descriptor.backward(&limits, &tuning),
                    _ => descriptor.forward(&limits, &tuning),
                };
                assert!(plan.is_ok(), "{}: {:?}", group.name(), plan.err());
            }
        }
    }

    #[test]
    fn names_are_different_and_the_usual_ones_short() {
        let mut names: Vec<String> = groups(Shape { batch: 1, time: 2, channels: 3 }).iter().map(Group::name).collect();
        assert_eq!(names[0], "forward/1x2x3/element");
        assert!(names.contains(&"backward/1x2x3/element/first-quadrant/bf16".to_owned()));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_count_saves_nothing() {
        let subject = Subject { unit: Measured::Cumulative, ..Subject::default() };
        let shape = Shape { batch: 1, time: 2, channels: 3 };
        assert_eq!(Group::usual(subject, Direction::Forward, shape).saves(), [Save::Nothing]);
        assert_eq!(Group::usual(Subject::default(), Direction::Forward, shape).saves(), [Save::Nothing, Save::Codes]);
    }
}
