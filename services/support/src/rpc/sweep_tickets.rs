//! Sweeps the tickets: tells operators once of each first reply and of each result of a complaint that is overdue, closes tickets
//! that were solved 7 days ago, and removes the contents of erased files. It has no idempotency key, because it does not
//! find finished work again.

use levqor_proto_support::v1::{SweepTicketsRequest, SweepTicketsResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Support,
    domain::{ticket::SOLVED_FOR, ticket_file::storage_key, ticket_state::Action},
    error::Error,
    metrics::Step,
    operators,
    store::{complaints, ticket_files, tickets},
    tickets::step,
};

/// The most tickets of one sweep: it runs again in a minute.
const MAX: i64 = 200;

pub(super) async fn sweep_tickets(
    support: &Support,
    _: Ctx,
    _: SweepTicketsRequest,
) -> Result<SweepTicketsResponse, Error> {
    let mut tx = support.chassis.db.begin_work().await?;
    let now = tx.now().await?;
    let overdue = tickets::lock_overdue(&mut tx, now, MAX).await?;
    let mut response = SweepTicketsResponse::default();
    for mut ticket in overdue {
        ticket.overdue_time = Some(now);
        tickets::update(&mut tx, &ticket).await?;
        operators::overdue(&mut tx, &ticket).await?;
        support.count(&mut tx, Step::Overdue);
        response.overdue += 1;
    }
    let solved = tickets::lock_solved(&mut tx, now - SOLVED_FOR, MAX).await?;
    for mut ticket in solved {
        step(support, &mut tx, &mut ticket, Action::Close, false).await?;
        response.closed += 1;
    }
    for complaint in complaints::mark_overdue(&mut tx, now, MAX).await? {
        operators::complaint_overdue(&mut tx, &complaint).await?;
        response.complaints_overdue += 1;
    }
    tx.commit().await?;
    remove_erased_files(support).await?;
    Ok(response)
}

/// Removes the contents of files that an erasure took. A removal that is repeated finds nothing, and succeeds.
async fn remove_erased_files(support: &Support) -> Result<(), Error> {
    let Some(storage) = &support.storage else { return Ok(()) };
    let mut conn = support.chassis.db.acquire().await?;
    for id in ticket_files::to_sweep(&mut conn, MAX).await? {
        storage.remove(&storage_key(id)).await?;
        ticket_files::swept(&mut conn, id).await?;
    }
    Ok(())
}
