//! Deletes at Stripe the customers of people who were erased, and has Stripe redact them, if that is set up. The erasure stores
//! these tasks in its own transaction. Stripe is called outside of any transaction, again and again until it has done them.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_proto_billing::v1::DeleteStripeCustomersRequest;
use levqor_runtime::{
    audit,
    context::Actor,
    db::{DbError, Tx},
    deferred::defer,
    privacy::Subject,
};
use uuid::Uuid;

use crate::{
    Billing,
    domain::{
        customer_deletion::{Next, Redaction},
        stripe_id::StripeId,
    },
    error::Error,
    store::{
        customer_deletions::{self, CustomerDeletion},
        customer_redactions, customers,
    },
    stripe::{CallError, Redactions},
};

/// The most customers of one call.
const BATCH: i64 = 20;
/// How long Stripe may take for each.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long Stripe's event about the deletion has to arrive, before the erasure counts the remaining rows for the last time.
const EVENT_TIME: TimeDelta = TimeDelta::minutes(5);
/// When a refused request to Stripe is made again.
const AFTER_REFUSAL: TimeDelta = TimeDelta::days(1);
/// When Stripe is asked again how far a job is, and when it did not answer.
const SOON: TimeDelta = TimeDelta::minutes(5);

/// Stores that the customers of an erased person are to be deleted. Their rows are erased by now: a customer that a row still has is
/// another person's too, and stays.
pub(crate) async fn request(tx: &mut Tx, erasure_id: Uuid, subject: &Subject) -> Result<(), DbError> {
    let mut is_any = false;
    for customer in subject.vendor_ids.iter().filter_map(|id| id.parse::<StripeId>().ok()) {
        if !customers::is_in_use(tx, &customer).await? {
            customer_deletions::insert(tx, erasure_id, &customer).await?;
            is_any = true;
        }
    }
    if is_any {
        defer(tx, &DeleteStripeCustomersRequest {}, format!("delete-stripe-customers:{erasure_id}")).await?;
    }
    Ok(())
}

impl Billing {
    /// Deletes the customers that are to be deleted now. Returns how many.
    pub(crate) async fn delete_customers(&self, actor: &Actor) -> Result<i64, Error> {
        let Some(stripe) = &self.stripe else { return Ok(0) };
        let mut conn = self.chassis.db.acquire().await?;
        customer_deletions::forget(&mut conn).await?;
        let due = customer_deletions::due(&mut conn, BATCH).await?;
        drop(conn);
        let mut deleted = 0;
        for deletion in due {
            match stripe.delete_customer(&deletion.stripe_customer_id, TIMEOUT).await {
                Ok(()) => {
                    self.settle_deleted(actor, &deletion).await?;
                    deleted += 1;
                }
                Err(refusal) if refusal.is_refusal() => {
                    self.settle_not_deleted(&deletion, &refusal.name()).await?;
                }
                // Stripe would not answer for the other customers either. The next call tries them again.
                Err(away) => {
                    tracing::info!(reason = %away, "customers of erased people cannot be deleted at Stripe yet");
                    break;
                }
            }
        }
        Ok(deleted)
    }

    async fn settle_deleted(&self, actor: &Actor, deletion: &CustomerDeletion) -> Result<(), Error> {
        let mut tx = self.chassis.db.begin().await?;
        let until = tx.now().await? + EVENT_TIME;
        if !customer_deletions::deleted(&mut tx, deletion.id, until).await? {
            return Ok(());
        }
        if self.redactions.is_some() {
            customer_redactions::insert(&mut tx, deletion.erasure_id, &deletion.stripe_customer_id).await?;
        }
        let erasure_id = deletion.erasure_id.hyphenated().to_string();
        audit::append(&mut tx, actor, "stripe_customer.delete", &[("erasure_id", &erasure_id)]).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn settle_not_deleted(&self, deletion: &CustomerDeletion, reason: &str) -> Result<(), Error> {
        tracing::warn!(reason, "Stripe refuses to delete the customer of a person who was erased");
        let mut tx = self.chassis.db.begin().await?;
        let again = tx.now().await? + AFTER_REFUSAL;
        customer_deletions::refused(&mut tx, deletion.id, reason, again).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes the next step of each redaction that is due. Returns how many are done.
    pub(crate) async fn redact_customers(&self, actor: &Actor) -> Result<i64, Error> {
        let Some(redactions) = &self.redactions else { return Ok(0) };
        let due = customer_redactions::due(&mut *self.chassis.db.acquire().await?, BATCH).await?;
        let mut redacted = 0;
        for mut redaction in due {
            let step = advance(redactions, &mut redaction).await;
            if matches!(step, Ok(Step::Done)) {
                self.settle_redacted(actor, &redaction).await?;
                redacted += 1;
                continue;
            }
            // Stripe would not answer for the other customers either.
            if self.settle_not_redacted(&mut redaction, step).await? {
                break;
            }
        }
        Ok(redacted)
    }

    async fn settle_redacted(&self, actor: &Actor, redaction: &Redaction) -> Result<(), Error> {
        let mut tx = self.chassis.db.begin().await?;
        if customer_redactions::delete(&mut tx, redaction.id).await? {
            let erasure_id = redaction.erasure_id.hyphenated().to_string();
            audit::append(&mut tx, actor, "stripe_customer.redact", &[("erasure_id", &erasure_id)]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Stores when the next step is due. True if Stripe did not answer.
    async fn settle_not_redacted(
        &self,
        redaction: &mut Redaction,
        step: Result<Step, CallError>,
    ) -> Result<bool, Error> {
        let (failure, pause, is_away) = match step {
            Ok(Step::Done | Step::Soon) => (None, SOON, false),
            Ok(Step::NotYet) => (Some("not everything can be redacted yet".to_owned()), AFTER_REFUSAL, false),
            Err(error) => {
                if error.is_kept_for_key() {
                    redaction.attempts += 1;
                }
                let reason = error.name();
                tracing::info!(reason, "the customer of an erased person cannot be redacted at Stripe yet");
                let is_away = !error.is_refusal();
                (Some(reason), if is_away { SOON } else { AFTER_REFUSAL }, is_away)
            }
        };
        let mut tx = self.chassis.db.begin().await?;
        let due = tx.now().await? + pause;
        customer_redactions::update(&mut tx, redaction, failure.as_deref(), due).await?;
        tx.commit().await?;
        Ok(is_away)
    }
}

/// The outcome of a step of a redaction.
enum Step {
    /// Everything is redacted.
    Done,
    /// Stripe is at work.
    Soon,
    /// Stripe redacts it later: the payments are too young.
    NotYet,
}

/// Makes the job of a redaction, or takes its next step.
async fn advance(redactions: &Redactions, redaction: &mut Redaction) -> Result<Step, CallError> {
    let Some(job) = redaction.job.clone() else {
        let job = redactions.create(&redaction.customer, &redaction.stripe_key("create")).await?;
        redaction.job = Some(job);
        return Ok(Step::Soon);
    };
    let status = match redactions.status(&job).await {
        // It was removed at Stripe.
        Err(CallError::Refused { status: 404, .. }) => "canceled".to_owned(),
        other => other?,
    };
    match Next::after(&status) {
        Next::Done => Ok(Step::Done),
        Next::Wait => Ok(Step::Soon),
        Next::Run => {
            redactions.step(&job, "run", &redaction.stripe_key("run")).await?;
            Ok(Step::Soon)
        }
        Next::Validate => {
            redactions.step(&job, "validate", &redaction.stripe_key("validate")).await?;
            // Another look needs another key.
            redaction.attempts += 1;
            Ok(Step::NotYet)
        }
        Next::Another => {
            redaction.job = None;
            redaction.attempts += 1;
            Ok(Step::NotYet)
        }
    }
}
