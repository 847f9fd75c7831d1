//! Holds in all services: each service gets each change, and erasures that waited for the end of a hold continue.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use levqor_proto_compliance::v1::{RunErasureRequest, SpreadHoldRequest};
use levqor_runtime::{
    context::Scope,
    db::{DbError, Tx},
    deferred::defer,
    privacy::{self, HoldKind, Subject},
    service::Service,
};
use uuid::Uuid;

use crate::{
    Compliance,
    domain::{
        data_request::{DataRequest, Identifiers, State, Step},
        hold::{Hold, HoldState},
    },
    error::Error,
    mails,
    peers::{PeerError, Peers},
    store::{data_requests, placed_holds},
};

/// Begins the restriction that a person asked for.
pub(crate) async fn restrict(tx: &mut Tx, request: &DataRequest, now: DateTime<Utc>) -> Result<(), DbError> {
    let hold = Hold::restriction(request, now);
    placed_holds::insert(tx, &hold).await?;
    change(tx, &hold, request.subject.clone().into()).await
}

/// Ends a hold that is locked.
pub(crate) async fn release(tx: &mut Tx, hold: &mut Hold, now: DateTime<Utc>) -> Result<(), Error> {
    hold.release(now)?;
    placed_holds::update(tx, hold).await?;
    let subject = privacy::subject_of_hold(tx, hold.id.as_uuid()).await?;
    change(tx, hold, subject).await?;
    Ok(())
}

/// Applies a change of a hold in this service at once, and defers the calls to the other services.
pub(crate) async fn change(tx: &mut Tx, hold: &Hold, subject: Subject) -> Result<(), DbError> {
    privacy::apply_hold(tx, hold.change(subject)).await?;
    let spread = SpreadHoldRequest { hold_id: hold.id.to_string() };
    defer(tx, &spread, format!("hold:{}:{}", hold.id, hold.change_time.timestamp_micros())).await
}

/// Tells every other service of the last change of a hold. Returns whose rows it is about, as far as the services know.
pub(crate) async fn tell(compliance: &Compliance, peers: &Peers<'_>, hold: &Hold) -> Result<Subject, Error> {
    let mut conn = compliance.chassis.db.acquire().await?;
    let subject = privacy::subject_of_hold(&mut conn, hold.id.as_uuid()).await?;
    drop(conn);
    if subject.is_empty() {
        return Ok(subject);
    }
    let subject = Identifiers::from(subject);
    // Only all services together have all identifiers of the person. Each obeys the known ones first, also while another gives no answer.
    apply(peers, hold, &subject).await?;
    let known = peers.resolve(subject.clone()).await?;
    if known != subject {
        apply(peers, hold, &known).await?;
    }
    Ok(known.into())
}

/// Applies the last change of a hold in every other service. Returns the first failure, after all were asked.
async fn apply(peers: &Peers<'_>, hold: &Hold, subject: &Identifiers) -> Result<(), PeerError> {
    let others = peers.names().filter(|name| *name != Compliance::NAME);
    let told = others.map(|service| peers.apply_hold(service, hold.told(service, subject.clone())));
    let told: Vec<_> = told.collect();
    join_all(told).await.into_iter().collect()
}

/// Tells every service of the holds that are being placed: while one of them may not know of a hold, no retention period is applied.
pub(crate) async fn tell_placing(compliance: &Compliance, peers: &Peers<'_>) -> Result<(), Error> {
    let holds = placed_holds::standing(&mut *compliance.chassis.db.acquire().await?).await?;
    for hold in holds {
        if hold.state.is_untold() {
            tell(compliance, peers, &hold).await?;
        }
    }
    Ok(())
}

/// Makes every service agree with the holds of this one: it may have been restored from a backup, and people may have new identifiers.
pub(crate) async fn tell_all(compliance: &Compliance, peers: &Peers<'_>) -> Result<(), Error> {
    tell_standing(compliance, peers).await?;
    for service in peers.names() {
        end_in(compliance, peers, service).await?;
    }
    Ok(())
}

/// Tells every service of every hold that is in force.
async fn tell_standing(compliance: &Compliance, peers: &Peers<'_>) -> Result<(), Error> {
    let holds = placed_holds::standing(&mut *compliance.chassis.db.acquire().await?).await?;
    for hold in holds {
        let subject = tell(compliance, peers, &hold).await?;
        let mut tx = compliance.chassis.db.begin().await?;
        // If it has ended since, another call sends its end.
        if placed_holds::lock(&mut tx, hold.id).await?.is_some_and(|now| now.state.stands()) {
            privacy::apply_hold(&mut tx, hold.change(subject)).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Ends the holds that are in force in a service but have ended here. Sends the ids of the holds only, no identifiers of people: an erased
/// person's identifiers would be stored again. A hold never stands again, and is stored here before any service knows of it, so a hold
/// that is being placed is not ended.
async fn end_in(compliance: &Compliance, peers: &Peers<'_>, service: &str) -> Result<(), Error> {
    let mut after = Uuid::nil();
    loop {
        let ids = peers.standing_holds(service, after).await?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = *last;
        let known = placed_holds::of(&mut *compliance.chassis.db.acquire().await?, &ids).await?;
        if known.len() < ids.len() {
            // This service itself was restored, and lost them. They protect the people until staff decide.
            let count = ids.len() - known.len();
            tracing::warn!(service, count, "a service has holds in force that compliance does not know");
        }
        for hold in known {
            if !hold.state.stands() {
                peers.apply_hold(service, hold.told(service, Identifiers::default())).await?;
            }
        }
    }
}

/// Does what follows when every service knows of the last change of a hold.
pub(crate) async fn follow(tx: &mut Tx, hold: &Hold, now: DateTime<Utc>) -> Result<(), Error> {
    match (hold.kind, hold.state) {
        (HoldKind::LegalHold, HoldState::Released) => Ok(wake(tx, hold, now).await?),
        (HoldKind::Restriction, HoldState::Standing | HoldState::Released) => {
            tell_person(tx, hold, now).await
        }
        (HoldKind::LegalHold, HoldState::Placing | HoldState::Standing | HoldState::Releasing)
        | (HoldKind::Restriction, HoldState::Placing | HoldState::Releasing) => Ok(()),
    }
}

/// Runs the erasures that waited for the end of a legal hold.
async fn wake(tx: &mut Tx, hold: &Hold, now: DateTime<Utc>) -> Result<(), DbError> {
    for id in data_requests::wake(tx, &Hold::obstacle(hold.id.as_uuid()), now).await? {
        let run = RunErasureRequest { data_request_id: id.to_string() };
        defer(tx, &run, format!("erasure:{id}:released:{}", hold.id)).await?;
    }
    Ok(())
}

/// Ends the data request of a restriction once all services have it, and mails its beginning or its end to the person.
async fn tell_person(tx: &mut Tx, hold: &Hold, now: DateTime<Utc>) -> Result<(), Error> {
    let Some(id) = hold.data_request_id else { return Ok(()) };
    let Some(mut request) = data_requests::lock(tx, &Scope::All, id).await? else { return Ok(()) };
    if hold.state == HoldState::Standing && request.state == State::InProgress {
        request.take(Step::Finish, now)?;
        data_requests::update(tx, &request).await?;
        mails::restricted(tx, &request).await?;
    }
    if hold.state == HoldState::Released && request.state == State::Done {
        mails::unrestricted(tx, &request).await?;
    }
    Ok(())
}
