//! Errors of compliance, and the codes that callers get.

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, privacy::LedgerError, service_error,
    storage::StorageError,
};

use crate::{
    domain::{
        archive::ArchiveError, breach::IllegalBreachStep, data_request::IllegalStep, hold::HoldOver,
        privacy_complaint::IllegalComplaintStep,
    },
    peers::PeerError,
};

service_error! {
    /// An RPC's failure.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        /// The request is not valid.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The data request does not exist, or belongs to another person. Callers must not see the difference.
        #[error("there is no such data request")]
        DataRequestNotFound => NotFound "DATA_REQUEST_NOT_FOUND",
        /// The state of the data request does not allow the step.
        #[error(transparent)]
        DataRequestState(#[from] IllegalStep) => FailedPrecondition "DATA_REQUEST_STATE",
        /// The person made such a data request within the last 24 hours.
        #[error("there was a data request within the last 24 hours, and only one is possible in that time")]
        DataRequestToday => RateLimited "DATA_REQUEST_TODAY",
        /// The caller has no verified mail address.
        #[error("a verified mail address is needed: the answer goes there")]
        EmailNotVerified => FailedPrecondition "EMAIL_NOT_VERIFIED",
        /// The code is wrong, used or too old, or was tried too often. Callers must not see the difference.
        #[error("the code is not valid")]
        CodeInvalid => PermissionDenied "CODE_INVALID",
        /// The link is not known, or too old. Callers must not see the difference.
        #[error("the link is not valid")]
        LinkInvalid => NotFound "LINK_INVALID",
        /// The copy is not ready, or removed.
        #[error("there is no copy to download")]
        ExportNotReady => FailedPrecondition "EXPORT_NOT_READY",
        /// Another call builds the copy.
        #[error("the copy is being built")]
        ExportUnderWay => Unavailable "EXPORT_UNDER_WAY" after 30 s,
        /// The breach does not exist.
        #[error("there is no such breach")]
        BreachNotFound => NotFound "BREACH_NOT_FOUND",
        /// The state of the breach does not allow the step.
        #[error(transparent)]
        BreachState(#[from] IllegalBreachStep) => FailedPrecondition "BREACH_STATE",
        /// The complaint does not exist, or belongs to another person. Callers must not see the difference.
        #[error("there is no such complaint about personal data")]
        PrivacyComplaintNotFound => NotFound "PRIVACY_COMPLAINT_NOT_FOUND",
        /// The state of the complaint does not allow the step.
        #[error(transparent)]
        PrivacyComplaintState(#[from] IllegalComplaintStep) => FailedPrecondition "PRIVACY_COMPLAINT_STATE",
        /// The version of a legal document does not exist.
        #[error("there is no such version of a legal document")]
        LegalDocumentNotFound => NotFound "LEGAL_DOCUMENT_NOT_FOUND",
        /// A version of this name is published.
        #[error("a version with this name exists: publish the text under another name")]
        LegalDocumentExists => AlreadyExists "LEGAL_DOCUMENT_EXISTS",
        /// No storage or no key is set.
        #[error("requests about personal data are off: a storage and LEVQOR_STORAGE_KEY are needed")]
        ExportsOff => FailedPrecondition "EXPORTS_OFF",
        /// The legal hold or the restriction does not exist.
        #[error("there is no such legal hold or restriction")]
        HoldNotFound => NotFound "HOLD_NOT_FOUND",
        /// The hold has ended, or its end is announced.
        #[error(transparent)]
        HoldOver(#[from] HoldOver) => FailedPrecondition "HOLD_OVER",
        /// The effects of an erasure have changed since the caller's preview.
        #[error("the preview of the erasure is out of date: get it again")]
        PreviewStale => FailedPrecondition "ERASURE_PREVIEW_STALE",
        /// An erasure is not complete yet.
        #[error("some rows are not erased yet: the erasure continues")]
        ErasurePartial => Unavailable "ERASURE_PARTIAL" after 10 s,
        /// The ledger of erasures.
        #[error(transparent)]
        Ledger(#[from] LedgerError) => source,
        /// Another service.
        #[error(transparent)]
        Peer(#[from] PeerError) => source,
        /// A page does not render.
        #[error("render the page")]
        Render(#[source] minijinja::Error) => Internal "INTERNAL",
        /// The archive.
        #[error("the archive could not be written")]
        Archive(#[from] ArchiveError) => Internal "INTERNAL",
        /// A stored copy cannot be decrypted.
        #[error("the stored copy cannot be read with the key")]
        Undecipherable(#[source] age::DecryptError) => Internal "INTERNAL",
        /// The storage.
        #[error(transparent)]
        Storage(#[from] StorageError) => source,
        /// The call's idempotency key.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}
