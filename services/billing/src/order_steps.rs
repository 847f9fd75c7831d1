//! A step of the work on an order: saves the order and its history, and defers the mails and notices, in one transaction.

use std::str::FromStr;

use levqor_runtime::{
    context::{Actor, Ctx, Role},
    db::{DbError, Tx},
    request::Field,
};

use crate::{
    Billing,
    domain::{
        order::Order,
        order_event::{Kind, Party},
    },
    flows, operators, order_mails,
    store::{order_events, orders},
};

/// The most characters of a note.
const LONGEST_NOTE: usize = 5000;

/// Saves a step on a locked order, with its mails to the customer and its notices to operators.
pub(crate) async fn save(
    billing: &Billing,
    tx: &mut Tx,
    order: &Order,
    kind: Kind,
    party: Party,
    note: &str,
) -> Result<(), DbError> {
    let site = &billing.site;
    orders::update_work(tx, order).await?;
    order_events::append(tx, order.id, kind, party, note).await?;
    flows::follow(tx, order, kind).await?;
    match kind {
        Kind::IntakeSubmitted => {
            order_mails::intake_received(tx, site, order).await?;
            operators::intake_received(tx, order).await
        }
        Kind::Started => order_mails::started(tx, site, order).await,
        Kind::Delivered => {
            order_mails::delivered(tx, site, order, note).await?;
            operators::not_overdue(tx, order).await
        }
        Kind::RevisionRequested => {
            order_mails::revision_received(tx, site, order).await?;
            operators::revision_requested(tx, order).await
        }
        Kind::Overdue => operators::overdue(tx, order).await,
        // Nothing is owed any more.
        Kind::Withdrawn => operators::not_overdue(tx, order).await,
        Kind::Accepted => order_mails::accepted(tx, order, party).await,
        // Only staff end an order by a step of its own, and only one that cost nothing.
        Kind::Ended => {
            order_mails::ended(tx, order, note).await?;
            operators::not_overdue(tx, order).await
        }
        // Other code sends the mails about payments and withdrawals.
        Kind::Paid
        | Kind::Refunded
        | Kind::DisputeOpened
        | Kind::DisputeWon
        | Kind::DisputeLost
        | Kind::PaymentFailed => Ok(()),
    }
}

/// Who acts by this call.
pub(crate) fn party(ctx: &Ctx) -> Party {
    match &ctx.actor {
        Actor::User(user) if user.role >= Role::Staff => Party::Staff,
        Actor::User(_) | Actor::Anonymous => Party::Customer,
        Actor::Service(_) => Party::System,
    }
}

/// The comment of a customer or of staff on a step: trimmed text, or none.
pub(crate) struct Note(String);

impl Note {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text is too long.
pub(crate) struct TooLong;

impl FromStr for Note {
    type Err = TooLong;

    fn from_str(text: &str) -> Result<Self, TooLong> {
        let text = text.trim();
        if text.chars().count() > LONGEST_NOTE { Err(TooLong) } else { Ok(Self(text.to_owned())) }
    }
}

impl Field for Note {
    const EXPECTED: &'static str = "at most 5,000 characters";
}
