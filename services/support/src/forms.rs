//! What every form of the website has: a token with its time, and a field that only programs fill in.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::context::{Actor, Ctx};

use crate::{Support, error::Error};

/// A form that arrives sooner after its token was not filled in by a person.
const LEAST: TimeDelta = TimeDelta::seconds(3);
/// A form that arrives later needs a new token.
const MAX: TimeDelta = TimeDelta::hours(24);

/// What becomes of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A person sent it.
    Genuine,
    /// A program sent it: nothing is kept, and the answer does not show it.
    Trap,
}

/// Checks the token and the trap of a form.
pub(crate) fn check(support: &Support, token: &str, trap: &str, now: DateTime<Utc>) -> Result<Form, Error> {
    if !trap.is_empty() {
        return Ok(Form::Trap);
    }
    let begun = support.chassis.tokens.forms().time_of(token).ok_or(Error::FormToken)?;
    let age = now - begun;
    if age < LEAST {
        Err(Error::FormTooFast)
    } else if age > MAX {
        Err(Error::FormToken)
    } else {
        Ok(Form::Genuine)
    }
}

/// Whether a person with a token of the identity provider calls. Such a person needs no token of a form.
pub(crate) const fn is_signed_in(ctx: &Ctx) -> bool {
    matches!(ctx.actor, Actor::User(_))
}
