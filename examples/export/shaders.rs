//! Every distinct shader of the matrix.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bmru::{Access, Error, Limits, Plan, Tuning, Variant};
use bmru_conformance::backward::Choice;
use bmru_conformance::{HealthCase, Scope, backward_matrix, health_matrix, matrix};

/// The texts of all variants that the cases of a scope have under these tunings and all accesses, by a name for each.
pub fn texts(scope: Scope, tunings: &[Tuning]) -> Result<BTreeMap<String, String>, Error> {
    let mut variants: HashSet<Variant> = HashSet::new();
    let limits = Limits::default();
    for tuning in tunings {
        for access in [Access::Declared, Access::AllReadWrite] {
            for case in matrix(scope) {
                let case = bmru_conformance::Case { access, ..case };
                keep(&mut variants, access, case.plan(&case.descriptor, &limits, tuning).map(|plan| [plan]))?;
                if let Some(plan) = case.unpacking(&limits, tuning).transpose() {
                    keep(&mut variants, access, plan.map(|plan| [plan]))?;
                }
            }
            for case in health_matrix(scope) {
                let case = HealthCase { access, ..case };
                keep(&mut variants, access, case.plans(&limits, tuning))?;
            }
            for case in backward_matrix(scope) {
                for &choice in &case.choices {
                    let workgroup_size = tuning.workgroup_size;
                    for choice in [Choice { access, ..choice }, Choice { access, workgroup_size, ..choice }] {
                        keep(&mut variants, access, choice.plans(&case.descriptor, &limits, tuning))?;
                    }
                }
            }
        }
    }
    Ok(variants.iter().map(named).collect())
}

fn keep<const N: usize>(variants: &mut HashSet<Variant>, access: Access, plans: Result<[Plan; N], Error>) -> Result<(), Error> {
    match plans {
        Ok(plans) => {
            variants.extend(plans.iter().flat_map(|plan| plan.variants()).cloned());
            Ok(())
        }
        // With the parameters as one, too, these are more storage buffers than every device has.
        Err(Error::TooManyBindings { .. }) if access == Access::AllReadWrite => Ok(()),
        Err(Error::StrategyUnavailable { .. }) if access == Access::AllReadWrite => Ok(()),
        Err(error) => Err(error),
    }
}

/// A name that says the stage and differs wherever the text does.
fn named(variant: &Variant) -> (String, String) {
    let text = variant.wgsl();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (format!("{}-{:016x}.wgsl", variant.stage(), hasher.finish()), text)
}
