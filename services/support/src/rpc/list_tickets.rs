//! Lists tickets, newest first. Customers see only their own, whatever the filter.

use levqor_proto_support::v1::{ListTicketsRequest, ListTicketsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{self, ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Support,
    domain::text::Assignee,
    error::Error,
    store::tickets::{self, Filter},
};

pub(super) async fn list_tickets(
    support: &Support,
    ctx: Ctx,
    request: ListTicketsRequest,
) -> Result<ListTicketsResponse, Error> {
    let scope = ctx.scope();
    let mut now = support.chassis.clock.now();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        tickets::claim(tx, &scope).await?;
        now = db::now(tx).await?;
        tickets::list(tx, &scope, filter, page).await
    };
    let tickets = list(support, &ctx, &request, store, |tickets, next_page_token| (tickets, next_page_token));
    let (tickets, next_page_token) = tickets.await.map_err(|error: Error| error)?;
    let shown = tickets.iter().map(|ticket| ticket.seen_by(&scope, now, &support.hours));
    Ok(ListTicketsResponse { tickets: shown.collect(), next_page_token })
}

impl TryFrom<&ListTicketsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListTicketsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let assignee: Option<Assignee> = violations.filter("assignee", &request.assignee);
        let filter = Self {
            state: violations.filter_enum("state", request.state),
            customer_email: violations.filter("customer_email", &request.customer_email),
            assignee: assignee.map(|assignee| assignee.as_str().to_owned()),
            query: violations.filter("query", &request.query),
        };
        violations.finish(Some(filter))
    }
}
