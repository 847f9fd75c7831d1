//! Decides whether a mail with a guard of this service is still wanted. Notifications calls it.

use levqor_proto_runtime::v1::{StillWantedRequest, StillWantedResponse};

use super::{Error, Hosted};
use crate::{context::Ctx, guard::Wanted, service::Service};

pub(super) async fn still_wanted<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: StillWantedRequest,
) -> Result<StillWantedResponse, Error> {
    Ok(match hosted.service.still_wanted(&request.subject).await? {
        Wanted::Yes => StillWantedResponse { wanted: true, reason: String::new() },
        Wanted::No(reason) => StillWantedResponse { wanted: false, reason: reason.to_owned() },
    })
}
