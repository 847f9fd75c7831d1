//! Reads the subject of a request, and prepares the search for their rows.

use levqor_proto_runtime::v1 as wire;
use sqlx::PgConnection;

use super::{Error, Hosted};
use crate::{
    email::Email,
    error::Violations,
    privacy::{Catalogue, Search, Subject},
    service::Service,
};

/// The violation of an empty subject.
pub(super) const NOBODY: &str = "expected at least one identifier";

/// A subject, the tables that may hold its rows, and the search for them.
pub(super) struct Wanted {
    pub(super) subject: Subject,
    pub(super) catalogue: Catalogue,
    pub(super) search: Search,
}

/// Reads the subject and the declarations of the tables.
pub(super) async fn wanted<S: Service>(
    hosted: &Hosted<S>,
    conn: &mut PgConnection,
    subject: Option<&wire::Subject>,
) -> Result<Wanted, Error> {
    let mut violations = Violations::new();
    let subject = read(&mut violations, subject);
    if subject.is_empty() {
        violations.add("subject", NOBODY);
    }
    let subject = violations.finish(Some(subject))?;
    let hash = |email: &String| hosted.service.address_hash(&email.parse::<Email>().ok()?);
    let hashes = subject.emails.iter().filter_map(hash).collect();
    let search = Search::new(&subject, hashes);
    Ok(Wanted { subject, catalogue: Catalogue::read(conn).await?, search })
}

/// Reads the subject, and adds its violations. The subject may be empty.
pub(super) fn read(violations: &mut Violations, subject: Option<&wire::Subject>) -> Subject {
    let subject = subject.cloned().unwrap_or_default();
    let emails = subject.emails.iter().filter_map(|email| violations.field::<Email>("subject.emails", email));
    let emails = emails.map(|email| email.as_str().to_owned()).collect();
    Subject {
        subs: subject.subs.into_iter().filter(|sub| !sub.is_empty()).collect(),
        emails,
        vendor_ids: subject.stripe_customers.into_iter().filter(|id| !id.is_empty()).collect(),
    }
}

impl From<Subject> for wire::Subject {
    fn from(subject: Subject) -> Self {
        Self {
            subs: subject.subs.into_iter().collect(),
            emails: subject.emails.into_iter().collect(),
            stripe_customers: subject.vendor_ids.into_iter().collect(),
        }
    }
}

/// The wire form of counts.
pub(super) fn table_rows(counts: Vec<(String, i64)>) -> Vec<wire::TableRows> {
    counts.into_iter().map(|(table, rows)| wire::TableRows { table, rows }).collect()
}
