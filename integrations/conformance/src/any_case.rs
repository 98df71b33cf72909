//! A case of any kind, and how some are chosen of all.

use bmru::{Error, Limits, Plan, Tuning};

use crate::case::name_seed;
use crate::{BackwardCase, Case, HealthCase, Portable, Scope, backward_matrix, health_matrix, matrix};

/// A case of any kind.
#[derive(Clone, Debug)]
pub enum AnyCase {
    /// The forward pass.
    Forward(Case),
    /// The backward pass.
    Backward(BackwardCase),
    /// The health of every channel.
    Health(HealthCase),
}

impl AnyCase {
    /// All of a scope.
    #[must_use]
    pub fn all(scope: Scope) -> Vec<Self> {
        let forward = matrix(scope).into_iter().map(Self::Forward);
        let backward = backward_matrix(scope).into_iter().map(Self::Backward);
        forward.chain(backward).chain(health_matrix(scope).into_iter().map(Self::Health)).collect()
    }

    /// Those of a scope that a text asks for: the one with that name, or, if there is none, all whose names contain it.
    #[must_use]
    pub fn named(scope: Scope, text: &str) -> Vec<Self> {
        let mut cases = Self::all(scope);
        let exact = cases.iter().any(|case| case.name() == text);
        cases.retain(|case| if exact { case.name() == text } else { case.name().contains(text) });
        cases
    }

    /// Names the case; reruns it alone.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Forward(case) => &case.name,
            Self::Backward(case) => &case.name,
            Self::Health(case) => &case.name,
        }
    }

    /// Whether the case is in a share of one in so many, spread evenly by the names; `part` is which of the shares, from 0.
    #[must_use]
    pub fn is_in_share(&self, every: u64, part: u64) -> bool {
        name_seed(self.name()) % every == part
    }

    /// Its plans.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn plans(&self, limits: &Limits, tuning: &Tuning) -> Result<Vec<Plan>, Error> {
        match self {
            Self::Forward(case) => case.plans(limits, tuning),
            Self::Backward(case) => {
                let plans = case.choices.iter().map(|choice| choice.plans(&case.descriptor, limits, tuning));
                Ok(plans.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Self::Health(case) => Ok(case.plans(limits, tuning)?.into()),
        }
    }

    /// The case for a host that knows nothing of this library.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub fn portable(&self, limits: &Limits, tuning: &Tuning) -> Result<Portable, Error> {
        match self {
            Self::Forward(case) => case.portable(limits, tuning),
            Self::Backward(case) => case.portable(limits, tuning),
            Self::Health(case) => case.portable(limits, tuning),
        }
    }
}
