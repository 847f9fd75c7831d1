//! Enters the withdrawal of a consent to advertising, by staff: it came by letter, by phone or in a mail. Notifications gets it.

use levqor_proto_compliance::v1::{EnterConsentWithdrawalRequest, EnterConsentWithdrawalResponse};
use levqor_runtime::{
    context::{Client, Ctx},
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    declaring::{self, Declaring},
    domain::{
        consent::{Purpose, standings},
        declaration::{DeclarationKind, Person, Shown},
    },
    error::Error,
    store::declarations,
};

pub(super) async fn enter_consent_withdrawal(
    compliance: &Compliance,
    ctx: Ctx,
    request: EnterConsentWithdrawalRequest,
) -> Result<EnterConsentWithdrawalResponse, Error> {
    let Command { email, purposes } = (&request).try_into()?;
    let address_hash = compliance.hash(&email);
    let person = Person { email: Some(email), address_hash, ..Person::default() };
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let declaring = Declaring {
            person: &person,
            source: declaring::STAFF,
            client: &Client::default(),
            shown: &Shown::default(),
        };
        let ids = declaring::withdraw(tx, declaring, &purposes, now).await?;
        let decisions = declarations::last(tx, DeclarationKind::Consent, &person).await?;
        let response = EnterConsentWithdrawalResponse { standings: standings(&decisions, false, now) };
        Ok(Done::audited(response, "consent.enter_withdrawal", &[("consent_ids", &ids.join(" "))]))
    })
    .await
}

/// A valid request.
struct Command {
    email: Email,
    purposes: Vec<Purpose>,
}

impl TryFrom<&EnterConsentWithdrawalRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &EnterConsentWithdrawalRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        let mut purposes = Purpose::of_mails(&mut violations, "purposes", &request.purposes);
        if request.purposes.is_empty() {
            purposes = Purpose::all_of_mails().collect();
        }
        violations.finish(email.map(|email| Self { email, purposes }))
    }
}
