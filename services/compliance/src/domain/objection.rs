//! Objections: their scopes, and the objections in force.

use levqor_proto_compliance::v1::{self as wire, ObjectionScope as WireScope};
use levqor_proto_runtime::v1 as runtime;
use levqor_runtime::{objections::ObjectionScope, timestamp, wire_enum};

use super::{consent::Decision, declaration::Declaration};

wire_enum! {
    /// What an objection names.
    pub(crate) enum Objected: WireScope {
        /// Advertising.
        Marketing = "MARKETING",
        /// Profiling.
        Profiling = "PROFILING",
        /// Automation.
        Automation = "AUTOMATION",
        /// Figures about persons.
        Analytics = "ANALYTICS",
        /// All of these.
        All = "ALL",
    }
}

impl Objected {
    /// The scopes that it is about.
    pub(crate) const fn scopes(self) -> &'static [ObjectionScope] {
        match self {
            Self::Marketing => &[ObjectionScope::Marketing],
            Self::Profiling => &[ObjectionScope::Profiling],
            Self::Automation => &[ObjectionScope::Automation],
            Self::Analytics => &[ObjectionScope::Analytics],
            Self::All => &ObjectionScope::ALL,
        }
    }
}

/// A sentence that says whether the person objects to one scope.
pub(crate) fn sentence(scope: ObjectionScope, stands: bool) -> String {
    let begin = if stands { "You object to" } else { "You no longer object to" };
    format!("{begin} {}.", words(scope))
}

/// A scope as people know it: the end of `You object to …`.
const fn words(scope: ObjectionScope) -> &'static str {
    match scope {
        ObjectionScope::Marketing => "advertising",
        ObjectionScope::Profiling => "scores that we give to your enquiries",
        ObjectionScope::Automation => {
            "series of mails that programs send, and answers that a language model writes"
        }
        ObjectionScope::Analytics => "statistics about you as a single person",
    }
}

/// Which objections are in force, by the last decision about each scope.
pub(crate) fn standings(decisions: &[Decision]) -> wire::ObjectionStandings {
    let stands = |scope: ObjectionScope| {
        decisions.iter().any(|decision| decision.scope == scope.as_str() && decision.given)
    };
    wire::ObjectionStandings {
        marketing: stands(ObjectionScope::Marketing),
        profiling: stands(ObjectionScope::Profiling),
        automation: stands(ObjectionScope::Automation),
        analytics: stands(ObjectionScope::Analytics),
        all: ObjectionScope::ALL.into_iter().all(stands),
    }
}

/// The effects of an objection (`stands`), or of its end: a sentence for each scope that changes.
pub(crate) fn changes(before: &[Decision], objected: Objected, stands: bool) -> Vec<String> {
    let stood = |scope: ObjectionScope| before.iter().any(|of| of.scope == scope.as_str() && of.given);
    let changed = objected.scopes().iter().filter(|scope| stood(**scope) != stands);
    changed.map(|scope| sentence(*scope, stands)).collect()
}

/// The number of the scope in the contract of `levqor_proto_runtime`.
pub(crate) fn told(scope: ObjectionScope) -> i32 {
    runtime::ObjectionScope::from(scope).into()
}

impl From<Declaration> for wire::ObjectionRecord {
    fn from(declaration: Declaration) -> Self {
        let scope = declaration.scope.parse::<Objected>().map(i32::from);
        Self {
            objection_id: declaration.id.to_string(),
            scope: scope.unwrap_or_default(),
            objects: declaration.given,
            email: declaration.person.email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
            change_time: Some(timestamp(declaration.declare_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn four_objections_are_an_objection_to_all_and_three_are_not() {
        let decisions = |given: &[bool]| -> Vec<Decision> {
            let scopes = ObjectionScope::ALL.into_iter().zip(given);
            let decision = |(scope, given): (ObjectionScope, &bool)| Decision {
                scope: scope.as_str().to_owned(),
                given: *given,
                time: DateTime::UNIX_EPOCH,
            };
            scopes.map(decision).collect()
        };
        assert!(standings(&decisions(&[true; 4])).all);
        let three = standings(&decisions(&[true, true, false, true]));
        assert!(three.marketing && three.profiling && !three.automation && three.analytics && !three.all);
        assert_eq!(Objected::All.scopes().len(), ObjectionScope::ALL.len());
    }

    #[test]
    fn only_a_value_that_differed_before_has_changed() {
        let given = |scope: ObjectionScope| Decision {
            scope: scope.as_str().to_owned(),
            given: true,
            time: DateTime::UNIX_EPOCH,
        };
        let before = [given(ObjectionScope::Marketing)];
        assert_eq!(changes(&before, Objected::All, true).len(), 3);
        assert_eq!(changes(&before, Objected::All, false), ["You no longer object to advertising."]);
        assert_eq!(changes(&before, Objected::Marketing, true), Vec::<String>::new());
        assert_eq!(
            changes(&[], Objected::Profiling, true),
            ["You object to scores that we give to your enquiries."]
        );
    }
}
