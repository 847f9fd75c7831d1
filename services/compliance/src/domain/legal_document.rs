//! Legal documents: their versions, the version in force, and the versions that a person still has to accept.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{self as wire, LegalDocumentKind};
use levqor_runtime::{timestamp, typed_id, wire_enum};

use super::declaration::{Declaration, sha256};

typed_id!(pub(crate) LegalDocumentId, "a version of a legal document");

wire_enum! {
    /// The kind of a legal document.
    pub(crate) enum DocumentKind: LegalDocumentKind {
        /// The terms of service.
        Terms = "TERMS",
        /// The privacy notice.
        Privacy = "PRIVACY",
        /// The notice about cookies.
        Cookies = "COOKIES",
        /// The agreement about the processing of personal data.
        ProcessingAgreement = "PROCESSING_AGREEMENT",
    }
}

impl DocumentKind {
    /// The title in mails.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Terms => "Terms of Service",
            Self::Privacy => "Privacy Notice",
            Self::Cookies => "Cookie Notice",
            Self::ProcessingAgreement => "Data Processing Agreement",
        }
    }
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LegalDocument {
    pub(crate) id: LegalDocumentId,
    pub(crate) kind: DocumentKind,
    pub(crate) version: String,
    pub(crate) changes: Vec<String>,
    pub(crate) text: String,
    pub(crate) sha256: String,
    pub(crate) acceptance_required: bool,
    pub(crate) effective_time: DateTime<Utc>,
    pub(crate) publish_time: DateTime<Utc>,
}

/// The name of the versions that come with the service.
const FIRST_VERSION: &str = "1";
/// The texts that come with the service. The operator replaces them by versions of their own.
const SHIPPED: &[(DocumentKind, bool, &str)] = &[
    (DocumentKind::Terms, true, include_str!("../../legal/terms.md")),
    (DocumentKind::Privacy, false, include_str!("../../legal/privacy.md")),
    (DocumentKind::Cookies, false, include_str!("../../legal/cookies.md")),
    (DocumentKind::ProcessingAgreement, false, include_str!("../../legal/processing-agreement.md")),
];

/// The versions that come with the service, published now.
pub(crate) fn shipped(now: DateTime<Utc>) -> Vec<LegalDocument> {
    let first = |(kind, acceptance_required, text): (DocumentKind, bool, &str)| LegalDocument {
        id: LegalDocumentId::new_at(now),
        kind,
        version: FIRST_VERSION.to_owned(),
        changes: vec!["This is the first version.".to_owned()],
        text: text.to_owned(),
        sha256: sha256(text),
        acceptance_required,
        effective_time: now,
        publish_time: now,
    };
    SHIPPED.iter().copied().map(first).collect()
}

/// The last version of a kind that is in force now and that the filter accepts.
fn last(
    documents: &[LegalDocument],
    kind: DocumentKind,
    now: DateTime<Utc>,
    filter: impl Fn(&LegalDocument) -> bool,
) -> Option<&LegalDocument> {
    documents
        .iter()
        .filter(|document| document.kind == kind && document.effective_time <= now && filter(document))
        .max_by_key(|document| (document.effective_time, document.publish_time))
}

/// The version of a kind that is in force.
pub(crate) fn in_force(
    documents: &[LegalDocument],
    kind: DocumentKind,
    now: DateTime<Utc>,
) -> Option<&LegalDocument> {
    last(documents, kind, now, |_| true)
}

/// A person has to accept one of these versions of a kind: the last one that requires acceptance, and all later ones. Empty if none
/// requires it.
pub(crate) fn sufficient(
    documents: &[LegalDocument],
    kind: DocumentKind,
    now: DateTime<Utc>,
) -> Vec<&LegalDocument> {
    let Some(required) = last(documents, kind, now, |document| document.acceptance_required) else {
        return Vec::new();
    };
    let order = |document: &LegalDocument| (document.effective_time, document.publish_time);
    let of_kind = documents.iter().filter(|document| document.kind == kind);
    of_kind.filter(|document| order(document) >= order(required)).collect()
}

/// The versions that a person who accepted these still has to accept: of each kind the version in force.
pub(crate) fn pending<'d>(
    documents: &'d [LegalDocument],
    accepted: &[(String, String)],
    now: DateTime<Utc>,
) -> Vec<&'d LegalDocument> {
    let is_pending = |kind: &DocumentKind| {
        let sufficient = sufficient(documents, *kind, now);
        let has_accepted = |document: &&LegalDocument| {
            accepted.iter().any(|(of, version)| of == kind.as_str() && *version == document.version)
        };
        !sufficient.is_empty() && !sufficient.iter().any(has_accepted)
    };
    let kinds = DocumentKind::ALL.into_iter().filter(is_pending);
    kinds.filter_map(|kind| in_force(documents, kind, now)).collect()
}

impl LegalDocument {
    /// The version without its text.
    pub(crate) fn without_text(self) -> wire::LegalDocument {
        wire::LegalDocument { text: String::new(), ..self.into() }
    }
}

impl From<LegalDocument> for wire::LegalDocument {
    fn from(document: LegalDocument) -> Self {
        Self {
            legal_document_id: document.id.to_string(),
            kind: document.kind.into(),
            version: document.version,
            changes: document.changes,
            text: document.text,
            sha256: document.sha256,
            acceptance_required: document.acceptance_required,
            effective_time: Some(timestamp(document.effective_time)),
            publish_time: Some(timestamp(document.publish_time)),
        }
    }
}

impl From<Declaration> for wire::Acceptance {
    fn from(declaration: Declaration) -> Self {
        let kind = declaration.scope.parse::<DocumentKind>().map(i32::from);
        Self {
            acceptance_id: declaration.id.to_string(),
            kind: kind.unwrap_or_default(),
            version: declaration.shown.version,
            sha256: declaration.shown.sha256,
            email: declaration.person.email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
            source: declaration.source,
            accept_time: Some(timestamp(declaration.declare_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn day(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(number)
    }

    fn version(name: &str, acceptance_required: bool, from_day: i64) -> LegalDocument {
        LegalDocument {
            id: LegalDocumentId::new_at(day(from_day)),
            kind: DocumentKind::Terms,
            version: name.to_owned(),
            changes: Vec::new(),
            text: String::new(),
            sha256: sha256(""),
            acceptance_required,
            effective_time: day(from_day),
            publish_time: day(0),
        }
    }

    fn missing(accepted: &[&str], now: i64) -> Option<String> {
        let documents = [
            version("1", true, 1),
            version("2", true, 10),
            version("2.1", false, 20),
            version("3", true, 30),
        ];
        let accepted: Vec<_> = accepted.iter().map(|name| ("TERMS".to_owned(), (*name).to_owned())).collect();
        let pending = pending(&documents, &accepted, day(now));
        assert!(pending.len() <= 1);
        pending.first().map(|document| document.version.clone())
    }

    #[test]
    fn the_version_in_force_has_to_be_accepted_if_one_since_the_last_acceptance_requires_it() {
        assert_eq!(missing(&[], 0), None, "none is in force");
        assert_eq!(missing(&[], 1).as_deref(), Some("1"));
        assert_eq!(missing(&["1"], 9), None);
        assert_eq!(missing(&["1"], 10).as_deref(), Some("2"));
        assert_eq!(missing(&["1"], 20).as_deref(), Some("2.1"), "the one that is in force");
        assert_eq!(missing(&["1", "2"], 20), None, "a version that requires nothing changes nothing");
        assert_eq!(missing(&["2.1"], 20), None);
        assert_eq!(missing(&["2"], 30).as_deref(), Some("3"));
        assert_eq!(missing(&["3"], 25), None, "it was accepted before it holds");
        assert_eq!(missing(&["of-another-system"], 30).as_deref(), Some("3"));
    }

    #[test]
    fn four_documents_come_with_the_service_and_say_whose_to_replace_they_are() {
        let shipped = shipped(day(0));
        for kind in DocumentKind::ALL {
            let document = in_force(&shipped, kind, day(0)).expect("a version");
            assert!(document.text.contains("operator"), "{kind:?}");
            assert!(document.text.starts_with("# "), "{kind:?}");
        }
    }
}
