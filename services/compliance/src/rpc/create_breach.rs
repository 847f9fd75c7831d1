//! Creates a breach, for staff; recorded in the audit chain. Operators get a notice at once.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{BreachFacts, CreateBreachRequest, CreateBreachResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{
        breach::{Breach, Facts},
        text::{Line, LongText},
    },
    error::Error,
    operators,
    store::breaches,
};

/// The most kinds of data of one breach.
const MOST_KINDS: usize = 20;

pub(super) async fn create_breach(
    compliance: &Compliance,
    ctx: Ctx,
    request: CreateBreachRequest,
) -> Result<CreateBreachResponse, Error> {
    let Command { facts, aware_time } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let aware_time = aware_time.unwrap_or(now);
        if aware_time > now {
            return Err(Invalid::of("aware_time", "expected an instant that is not in the future").into());
        }
        let breach = Breach::known(facts, aware_time, now);
        breaches::insert(tx, &breach).await?;
        operators::breach_known(tx, &breach, now).await?;
        let id = breach.id;
        let response = CreateBreachResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.create", &[("breach_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    facts: Facts,
    aware_time: Option<DateTime<Utc>>,
}

impl TryFrom<&CreateBreachRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateBreachRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let facts = facts(&mut violations, request.facts.as_ref());
        let aware_time = violations.filter_time("aware_time", request.aware_time.as_ref());
        violations.finish(facts.map(|facts| Self { facts, aware_time }))
    }
}

/// Reads the known facts of a breach. `None` only if it adds a violation.
pub(super) fn facts(violations: &mut Violations, facts: Option<&BreachFacts>) -> Option<Facts> {
    let Some(facts) = facts else {
        violations.add("facts", "expected what is known about the breach");
        return None;
    };
    let description = violations.field::<LongText>("facts.description", &facts.description);
    let consequences = violations.field::<LongText>("facts.consequences", &facts.consequences);
    let measures = violations.field::<LongText>("facts.measures", &facts.measures);
    if facts.people_count < 0 {
        violations.add("facts.people_count", "expected a number that is not negative");
    }
    if !(1..=MOST_KINDS).contains(&facts.data_kinds.len()) {
        violations.add("facts.data_kinds", format!("expected 1 to {MOST_KINDS} kinds of data"));
    }
    let kinds = facts.data_kinds.iter().take(MOST_KINDS);
    let data_kinds = kinds.map(|kind| violations.field::<Line>("facts.data_kinds", kind)).collect::<Vec<_>>();
    Some(Facts {
        description: description?.into_string(),
        data_kinds: data_kinds.into_iter().flatten().map(Line::into_string).collect(),
        people_count: facts.people_count,
        consequences: consequences?.into_string(),
        measures: measures?.into_string(),
    })
}
