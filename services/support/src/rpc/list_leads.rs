//! Lists leads, newest first, for staff.

use levqor_proto_support::v1::{ListLeadsRequest, ListLeadsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Support,
    error::Error,
    store::leads::{self, Filter},
};

pub(super) async fn list_leads(
    support: &Support,
    ctx: Ctx,
    request: ListLeadsRequest,
) -> Result<ListLeadsResponse, Error> {
    list(support, &ctx, &request, leads::list, |leads, next_page_token| ListLeadsResponse {
        leads: leads.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListLeadsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListLeadsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.filter_enum("kind", request.kind);
        violations.finish(Some(Self { kind }))
    }
}
