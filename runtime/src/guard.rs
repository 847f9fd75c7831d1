//! The guard of a mail. A service may ask for a mail under a guard: just before the mail goes out, notifications asks that service
//! whether the mail is still wanted.

use crate::{db::DbError, service_error};

/// The answer of a service about a mail that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The mail is still to be sent.
    Yes,
    /// The mail must not be sent any more. The reason is a name in upper case, such as `ALREADY_DONE`.
    No(&'static str),
}

service_error! {
    /// Why a service cannot answer. The mail is not sent now, and the service is asked again.
    #[derive(Debug, thiserror::Error)]
    pub enum GuardError {
        /// The service knows no guard with this subject.
        #[error("this service knows no guard with this subject")]
        UnknownSubject => NotFound "GUARD_SUBJECT_UNKNOWN",
        /// Another service, which must be asked, gave no answer. The text says why.
        #[error("another service that must be asked did not answer: {0}")]
        Unavailable(&'static str) => Unavailable "GUARD_UNAVAILABLE" after 5 s,
        /// The database failed.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}
