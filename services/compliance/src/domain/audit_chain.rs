//! The results of a check of an audit chain.

use levqor_proto_compliance::v1::{AuditChain, audit_chain};
use levqor_proto_runtime::v1::VerifyAuditChainResponse;
use levqor_runtime::wire_enum;

wire_enum! {
    /// The state of a chain.
    pub(crate) enum State {
        /// Every entry is there, and has the right hash.
        Whole = "WHOLE",
        /// An entry is missing, or has a wrong hash.
        Broken = "BROKEN",
        /// The entry that was the last one before is gone.
        Cut = "CUT",
    }
}

/// The last entry of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastEntry {
    pub(crate) sequence: i64,
    pub(crate) hash: Vec<u8>,
}

/// The results of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) state: State,
    /// The last entry. `None` if the chain is broken.
    pub(crate) last: Option<LastEntry>,
    /// The first entry that is missing or wrong. 0 if there is none.
    pub(crate) broken_sequence: i64,
}

impl From<VerifyAuditChainResponse> for Found {
    fn from(answer: VerifyAuditChainResponse) -> Self {
        let broken_sequence = answer.broken_sequence;
        if broken_sequence > 0 {
            return Self { state: State::Broken, last: None, broken_sequence };
        }
        let last = LastEntry { sequence: answer.entry_count, hash: answer.hash.to_vec() };
        let state = if answer.is_cut { State::Cut } else { State::Whole };
        Self { state, last: Some(last), broken_sequence: 0 }
    }
}

impl Found {
    /// The end with which the next check compares. `None` if entries are lost: then it is the earlier end, so the loss is found again.
    pub(crate) fn accepted_end(&self) -> Option<&LastEntry> {
        self.last.as_ref().filter(|_| self.state == State::Whole)
    }

    /// The result for people. `None`: the service gave no answer.
    pub(crate) fn wire(service: &str, found: Option<&Self>) -> AuditChain {
        let state = found.map_or(audit_chain::State::Unanswered, |found| match found.state {
            State::Whole => audit_chain::State::Whole,
            State::Broken => audit_chain::State::Broken,
            State::Cut => audit_chain::State::Cut,
        });
        AuditChain {
            service: service.to_owned(),
            state: state.into(),
            entry_count: found.and_then(|found| found.last.as_ref()).map_or(0, |last| last.sequence),
            broken_sequence: found.map_or(0, |found| found.broken_sequence),
        }
    }
}
