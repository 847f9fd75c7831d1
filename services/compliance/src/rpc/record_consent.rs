//! Records consents and withdrawals: visitors about cookies, customers with a verified address also about advertising by mail. The
//! browser's signal withdraws the consents that it covers, and the ledger says so.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{RecordConsentRequest, RecordConsentResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    error::{Invalid, Violations},
    id,
    rpc::{Done, mutate},
};

use crate::{
    Compliance, declaring,
    domain::{
        consent::{Purpose, standings},
        declaration::{Declaration, DeclarationId, DeclarationKind, Person, Shown},
    },
    error::Error,
    store::declarations,
};

pub(super) async fn record_consent(
    compliance: &Compliance,
    ctx: Ctx,
    request: RecordConsentRequest,
) -> Result<RecordConsentResponse, Error> {
    let Command { visitor_id, mut choices, shown } = (&request).try_into()?;
    let mut person = declaring::person(compliance, &ctx.actor);
    if person.email.is_none() && choices.iter().any(|(purpose, _)| purpose.category().is_some()) {
        return Err(Error::EmailNotVerified);
    }
    let visitor_id = match visitor_id {
        None if person.sub.is_none() => Some(new_visitor()),
        known => known,
    };
    person.visitor_id.clone_from(&visitor_id);
    let signal = ctx.client.objects_by_signal;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let before = declarations::last(tx, DeclarationKind::Consent, &person).await?;
        if signal {
            let unsaid = Purpose::ALL.into_iter().filter(|purpose| {
                let stands = before.iter().any(|known| known.scope == purpose.as_str() && !known.given);
                purpose.is_of_signal() && !stands && choices.iter().all(|(chosen, _)| chosen != purpose)
            });
            choices.extend(unsaid.map(|purpose| (purpose, false)).collect::<Vec<_>>());
        }
        for (purpose, given) in &choices {
            let by_signal = signal && purpose.is_of_signal();
            let declaration = Declaration {
                id: DeclarationId::new_at(now),
                kind: DeclarationKind::Consent,
                scope: purpose.as_str().to_owned(),
                given: *given && !by_signal,
                person: person.clone(),
                shown: shown.clone(),
                source: declaring::WEBSITE.to_owned(),
                by_signal,
                client: ctx.client.clone(),
                origin: None,
                declare_time: now,
            };
            record(tx, &declaration, *purpose, &request.shown_text, now).await?;
        }
        let decisions = declarations::last(tx, DeclarationKind::Consent, &person).await?;
        let response = RecordConsentResponse {
            visitor_id: visitor_id.unwrap_or_default(),
            standings: standings(&decisions, signal, now),
            signal_honoured: signal,
        };
        Ok(Done::unaudited(response, "the ledger is the evidence"))
    })
    .await
}

/// Adds a decision, and tells notifications of it if it is about mails.
async fn record(
    tx: &mut Tx,
    declaration: &Declaration,
    purpose: Purpose,
    shown_text: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    declarations::insert(tx, declaration).await?;
    declaring::tell_permission(tx, declaration, purpose, shown_text).await?;
    if declaration.given && purpose.category().is_some() {
        let Person { sub, email, address_hash, .. } = declaration.person.clone();
        let person = Person { sub, email, address_hash, visitor_id: None };
        declaring::end_objection_to_marketing(tx, &person, now).await?;
    }
    Ok(())
}

/// A new random id of a visitor.
fn new_visitor() -> String {
    let random = id::request_id();
    uuid::Uuid::try_parse(&random).map(|id| id.hyphenated().to_string()).unwrap_or(random)
}

/// A valid request.
struct Command {
    visitor_id: Option<String>,
    choices: Vec<(Purpose, bool)>,
    shown: Shown,
}

impl TryFrom<&RecordConsentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RecordConsentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let visitor_id = visitor(&mut violations, &request.visitor_id);
        let mut choices: Vec<(Purpose, bool)> = Vec::new();
        for choice in &request.choices {
            let Some(purpose) = violations.field_enum::<Purpose>("choices.purpose", choice.purpose) else {
                continue;
            };
            if choices.iter().any(|(known, _)| *known == purpose) {
                violations.add("choices.purpose", "expected each purpose once");
            }
            choices.push((purpose, choice.given));
        }
        let shown = Shown::read(&mut violations, &request.shown_version, &request.shown_text);
        violations.finish(Some(Self { visitor_id, choices, shown }))
    }
}

/// Reads the id of a visitor. `None` if it is empty, or if it adds a violation.
pub(super) fn visitor(violations: &mut Violations, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let id = id::parse(text).ok().map(|_| text.to_owned());
    if id.is_none() {
        violations.add("visitor_id", "expected the id that an earlier answer gave (a UUID)");
    }
    id
}
