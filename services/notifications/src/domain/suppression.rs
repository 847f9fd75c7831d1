//! Why an address must not get mail, and which classes of mail each reason stops.
//!
//! | reason | transactional | marketing | operator |
//! |---|---|---|---|
//! | a bounce whose reply says that the address is dead, suppressed by staff | stops | stops | stops |
//! | complaint, objection, restriction, soft bounces | – | stops | – |
//! | no permission, permission withdrawn | – | stops | – |
//!
//! A complaint or an objection says that a person wants no advertising; they still get receipts. The same
//! holds while the processing of their data is restricted (GDPR, article 18).

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{email::Email, typed_id, wire_enum};

use super::class::Class;

typed_id!(pub SuppressionId, "a suppression");

wire_enum! {
    /// Why an address must not get mail. If there are several reasons, the first one in this list is shown.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum SuppressionReason: wire::SuppressionReason {
        /// A server refused the address permanently.
        HardBounce = "HARD_BOUNCE",
        /// Staff suppressed the address.
        Staff = "STAFF",
        /// The recipient marked a mail as spam.
        Complaint = "COMPLAINT",
        /// The recipient objected to marketing.
        Objection = "OBJECTION",
        /// The processing of the recipient's data is restricted.
        Restriction = "RESTRICTION",
        /// Several mails bounced for temporary or unknown reasons.
        SoftBounces = "SOFT_BOUNCES",
        /// The recipient has withdrawn the permission for this category.
        PermissionWithdrawn = "PERMISSION_WITHDRAWN",
        /// The recipient never gave a permission for this category.
        NoPermission = "NO_PERMISSION",
    }
}

impl SuppressionReason {
    /// Whether mail of this class must not go to an address with this reason.
    #[must_use]
    pub const fn stops(self, class: Class) -> bool {
        match self {
            Self::HardBounce | Self::Staff => true,
            Self::Complaint
            | Self::Objection
            | Self::Restriction
            | Self::SoftBounces
            | Self::PermissionWithdrawn
            | Self::NoPermission => matches!(class, Class::Marketing),
        }
    }

    /// Whether an address can have this reason. The others are of a message: they follow from the permissions.
    #[must_use]
    pub const fn is_of_address(self) -> bool {
        !matches!(self, Self::PermissionWithdrawn | Self::NoPermission)
    }
}

/// A reason of one address. It is personal, so it has no `Debug`.
pub struct Suppression {
    /// Our id of it.
    pub id: SuppressionId,
    /// The address. None after the person was erased.
    pub recipient: Option<Email>,
    /// The reason.
    pub reason: SuppressionReason,
    /// What shows it: a reference such as `message:0190…`; empty if there is none.
    pub evidence: String,
    /// Since when.
    pub create_time: DateTime<Utc>,
    /// When it ends by itself. None: never.
    pub until_time: Option<DateTime<Utc>>,
}
