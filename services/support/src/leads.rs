//! Stores a new lead, and in the same transaction defers its mails, the notice to operators and the first step of its flow.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_proto_billing::v1::{CheckPurchaseRequest, order_service_client::OrderServiceClient};
use levqor_proto_mail::v1::{
    ComingSoon, LeadAcknowledged, LeadMagnetWelcome, SendMessageRequest, send_message_request::Content,
};
use levqor_proto_notifications::v1::{CreateNewsletterSubscriptionRequest, NewsletterCategory};
use levqor_proto_support::v1::TakeLeadStepRequest;
use levqor_runtime::{
    chassis::Unanswered,
    db::{DbError, Tx},
    deferred::{defer, defer_at},
    email::Email,
    guard::{GuardError, Wanted},
    id::request_id,
    objections::{self, ObjectionScope},
    screening::Screened,
    timestamp,
};

use crate::{
    Support,
    domain::{
        business_hours::{CLOSING_HOUR, OPENING_HOUR},
        lead::{Lead, LeadId, LeadKind, MOST_MAILS, score, step_time},
    },
    error::Error,
    forms::{self, Form},
    operators,
    store::leads,
};

/// The reason for which the flow of a lead ends and its mails are cancelled: the person has bought.
pub(crate) const PURCHASED: &str = "PURCHASED";
/// How long to wait for billing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The content of a form.
pub(crate) struct NewLead {
    pub(crate) kind: LeadKind,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) phone: String,
    pub(crate) company: String,
    pub(crate) message: String,
    pub(crate) details: String,
    pub(crate) source: String,
    pub(crate) marketing_consent: bool,
}

impl NewLead {
    /// The person's message.
    pub(crate) fn text(&self) -> String {
        [self.message.as_str(), self.details.as_str()].join("\n")
    }
}

/// The text beside the website's checkbox for advertising.
const SHOWN_TEXT: &str =
    "Send me tips and offers by mail. I can unsubscribe at any time. (The box is not ticked by itself.)";

/// Stores the lead of a form, unless a program sent the form.
pub(crate) async fn take(
    support: &Support,
    tx: &mut Tx,
    token: &str,
    trap: &str,
    new: NewLead,
    screened: &Screened,
) -> Result<(), Error> {
    let now = tx.now().await?;
    if forms::check(support, token, trap, now)? == Form::Trap {
        return Ok(());
    }
    // A score is profiling. A person who objects to that gets none.
    let objects = objections::stands(tx, ObjectionScope::Profiling, None, Some(&new.email)).await?;
    let score = (!objects).then(|| score(&new.name, &new.phone, &new.company, &new.message));
    let lead = Lead {
        id: LeadId::new_at(now),
        kind: new.kind,
        score,
        email: new.email,
        name: new.name,
        phone: new.phone,
        company: new.company,
        message: new.message,
        details: new.details,
        source: new.source,
        marketing_consent: new.marketing_consent,
        create_time: now,
    };
    leads::hold(tx, lead.email.as_str()).await?;
    let recent = leads::count_since(tx, lead.email.as_str(), now - TimeDelta::days(1)).await?;
    let is_first = recent == 0;
    let first_step = (lead.kind == LeadKind::Guide && is_first).then_some(1);
    leads::insert(tx, &lead, first_step).await?;
    operators::lead(tx, &lead).await?;
    operators::screened(tx, screened, &format!("lead:{}", lead.id)).await?;
    // Another person may have typed the address: it does not get a mail each time.
    if recent < MOST_MAILS {
        acknowledge(support, tx, &lead).await?;
        if lead.marketing_consent {
            ask_for_consent(tx, &lead).await?;
        }
    }
    if first_step.is_some() {
        take_later(tx, &lead, 1).await?;
    }
    Ok(())
}

/// Sends the mail that confirms the receipt of the form.
async fn acknowledge(support: &Support, tx: &mut Tx, lead: &Lead) -> Result<(), DbError> {
    let day = TimeDelta::hours((CLOSING_HOUR - OPENING_HOUR).into());
    let customer_name = lead.name.clone();
    let content = match lead.kind {
        LeadKind::Sales | LeadKind::Kickoff => Content::LeadAcknowledged(LeadAcknowledged {
            customer_name,
            topic: if lead.kind == LeadKind::Sales { "your enquiry" } else { "your project" }.to_owned(),
            reply_time: Some(timestamp(support.hours.after(lead.create_time, day))),
        }),
        LeadKind::Guide => Content::LeadMagnetWelcome(LeadMagnetWelcome {
            customer_name,
            guide_link: format!("{}/guide", support.config.site),
        }),
        LeadKind::Connector => Content::ComingSoon(ComingSoon { connector: lead.details.clone() }),
    };
    let message = message(tx, lead, format!("lead:{}", lead.id), content);
    send(tx, &message).await
}

/// A mail to the address of a lead.
fn message(tx: &Tx, lead: &Lead, about: String, content: Content) -> SendMessageRequest {
    SendMessageRequest {
        recipient: lead.email.as_str().to_owned(),
        about,
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..SendMessageRequest::default()
    }
}

async fn send(tx: &mut Tx, message: &SendMessageRequest) -> Result<(), DbError> {
    defer(tx, message, format!("mail:{}", message.about)).await
}

/// Sends the mail of a step of the flow. It is cancelled if the person buys before it goes out.
pub(crate) async fn send_step(tx: &mut Tx, lead: &Lead, step: i32, content: Content) -> Result<(), DbError> {
    let guard_subject = format!("lead:{}", lead.id);
    let about = format!("lead:{}:step:{step}", lead.id);
    let message = SendMessageRequest { guard_subject, ..message(tx, lead, about, content) };
    send(tx, &message).await
}

/// Whether a mail of the flow is still wanted: notifications asks just before it goes out.
pub(crate) async fn still_wanted(support: &Support, subject: &str) -> Result<Wanted, GuardError> {
    let id = subject.strip_prefix("lead:").and_then(|id| id.parse::<LeadId>().ok());
    let id = id.ok_or(GuardError::UnknownSubject)?;
    // The connection goes back to the pool before billing is asked.
    let email = leads::email(&mut *support.chassis.db.acquire().await?, id).await?;
    let email = email.ok_or(GuardError::UnknownSubject)?;
    match has_bought(support, &request_id(), email).await {
        Ok(true) => Ok(Wanted::No(PURCHASED)),
        Ok(false) => Ok(Wanted::Yes),
        Err(why) => Err(GuardError::Unavailable(why.reason())),
    }
}

/// Whether a person with this address has bought. Billing knows it. The error says why billing gave no answer.
pub(crate) async fn has_bought(
    support: &Support,
    request_id: &str,
    email: String,
) -> Result<bool, Unanswered> {
    let request = CheckPurchaseRequest { email };
    let answer = support.chassis.ask("billing", request_id, TIMEOUT, request, async |channel, request| {
        OrderServiceClient::new(channel).check_purchase(request).await
    });
    Ok(answer.await?.has_bought)
}

/// Asks the address whether it agrees to advertising (double opt-in). The box of a form alone proves nothing.
async fn ask_for_consent(tx: &mut Tx, lead: &Lead) -> Result<(), DbError> {
    let request = CreateNewsletterSubscriptionRequest {
        email: lead.email.as_str().to_owned(),
        categories: vec![
            NewsletterCategory::EducationalContent.into(),
            NewsletterCategory::OffersPromotions.into(),
        ],
        source: format!("lead:{}", lead.kind.as_str().to_lowercase()),
        shown_text: SHOWN_TEXT.to_owned(),
    };
    defer(tx, &request, format!("lead-consent:{}", lead.id)).await
}

/// Defers a step of the flow to its time. Returns false after the last step.
pub(crate) async fn take_later(tx: &mut Tx, lead: &Lead, step: i32) -> Result<bool, DbError> {
    let Some(time) = step_time(lead.create_time, step) else { return Ok(false) };
    let call = TakeLeadStepRequest { lead_id: lead.id.to_string(), step };
    defer_at(tx, &call, format!("lead-step:{}:{step}", lead.id), time).await?;
    Ok(true)
}
