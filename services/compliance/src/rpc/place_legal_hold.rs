//! Places a legal hold on people, by staff. Compliance obeys it at once, and sends it to the other services.

use std::collections::BTreeSet;

use levqor_proto_compliance::v1::{PlaceLegalHoldRequest, PlaceLegalHoldResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    privacy::Subject,
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{
        data_request::Reasons,
        declaration::Label,
        hold::{Hold, HoldOfPeople},
    },
    error::Error,
    holding,
    store::placed_holds,
};

/// The most people of one legal hold.
const MOST_PEOPLE: usize = 100;

pub(super) async fn place_legal_hold(
    compliance: &Compliance,
    ctx: Ctx,
    request: PlaceLegalHoldRequest,
) -> Result<PlaceLegalHoldResponse, Error> {
    let Command { matter, reason, subject } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let hold = Hold::legal(matter.as_ref().map_or("", Label::as_str), reason.as_str(), now);
        placed_holds::insert(tx, &hold).await?;
        holding::change(tx, &hold, subject.clone()).await?;
        let id = hold.id;
        let emails = subject.emails.into_iter().collect();
        let shown = HoldOfPeople { hold, emails, subs: subject.subs.into_iter().collect() };
        let response = PlaceLegalHoldResponse { legal_hold: Some(shown.into()) };
        Ok(Done::audited(response, "legal_hold.place", &[("legal_hold_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    matter: Option<Label>,
    reason: Reasons,
    subject: Subject,
}

impl TryFrom<&PlaceLegalHoldRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &PlaceLegalHoldRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let matter = violations.filter("matter", &request.matter);
        let reason = violations.field("reason", &request.reason);
        let emails = request.emails.iter().filter_map(|email| violations.field::<Email>("emails", email));
        let emails: BTreeSet<_> = emails.map(|email| email.as_str().to_owned()).collect();
        let subs: BTreeSet<_> = request.subs.iter().filter(|sub| !sub.is_empty()).cloned().collect();
        if !(1..=MOST_PEOPLE).contains(&(request.emails.len() + subs.len())) {
            violations.add("emails", "expected 1 to 100 people, by their addresses or by `subs`");
        }
        let subject = Subject { subs, emails, ..Subject::default() };
        violations.finish(reason.map(|reason| Self { matter, reason, subject }))
    }
}
