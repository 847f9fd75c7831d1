//! Removes the contents of deleted files and of interrupted uploads. A schedule calls it, and each deletion defers it.

use levqor_proto_billing::v1::{SweepOrderFilesRequest, SweepOrderFilesResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error};

pub(super) async fn sweep_order_files(
    billing: &Billing,
    _: Ctx,
    _: SweepOrderFilesRequest,
) -> Result<SweepOrderFilesResponse, Error> {
    Ok(SweepOrderFilesResponse { removed: billing.sweep_files().await? })
}
