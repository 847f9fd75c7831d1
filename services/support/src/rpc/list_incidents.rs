//! Lists incidents, newest first, for staff: also private ones.

use levqor_proto_support::v1::{ListIncidentsRequest, ListIncidentsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Support,
    error::Error,
    store::incidents::{self, Filter},
};

pub(super) async fn list_incidents(
    support: &Support,
    ctx: Ctx,
    request: ListIncidentsRequest,
) -> Result<ListIncidentsResponse, Error> {
    list(support, &ctx, &request, incidents::list, |incidents, next_page_token| ListIncidentsResponse {
        incidents: incidents.iter().map(|incident| incident.to_wire(&[])).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListIncidentsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListIncidentsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        violations.finish(Some(Self { state }))
    }
}
